"""Trials in two processes, as a worker trains them: records, retry after a lost process, and none left behind."""

import json
import os
import signal
from pathlib import Path

import pytest

from ablations.workers import seed_group
from tests.helpers.comparing import comparable_fields
from tests.helpers.engine import Phase, small_study

pytestmark = pytest.mark.usefixtures("prompt_workers")
FIXED = {"epochs": 2, "width": 2, "train_fraction": 0.1, "batch_size": 32, "world_size": 2}


def begin(folder, **fixed):
    """A worker with the first trial of a study."""
    phase = Phase("confirm", folder, small_study("confirm", experiment=None, fixed=FIXED | fixed))
    return seed_group.SeedGroup(phase.source.context, phase.source.next()), phase.store


def run(group):
    reports = []
    while not reports or not reports[-1].ended:
        reports.append(group.step())
    return reports


def record(store):
    (only,) = store.load().to_pylist()
    return only


@pytest.mark.slow
def test_a_lost_process_costs_an_epoch_and_changes_nothing(tmp_path):
    whole, store = begin(tmp_path / "whole")
    run(whole)
    undisturbed = record(store)
    assert undisturbed["status"] == "complete"
    assert json.loads(undisturbed["config"])["world_size"] == 2

    group, store = begin(tmp_path / "lost")
    group.step()
    pids = group.trainings[0].pids
    os.kill(pids[1], signal.SIGKILL)
    assert group.step().status == "running"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    run(group)
    assert comparable_fields(record(store)) == comparable_fields(undisturbed)


@pytest.mark.slow
def test_a_process_that_is_lost_again_fails_the_trial_with_its_name(tmp_path):
    group, store = begin(tmp_path, epochs=9)
    for _ in range(2):
        group.step()
        if group.trainings:
            os.kill(group.trainings[0].pids[0], signal.SIGKILL)
            group.step()
    found = record(store)
    assert found["status"] == "failed"
    assert "process 0 of 2 was lost: signal SIGKILL" in found["error"]
