"""Train one finished trial again, in scratch, and compare every number with its record, which stays as it is."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc
from pydantic import BaseModel

from ablations.cluster.session import check_head, ray_session
from ablations.cluster.tasks import run_tasks
from ablations.design.arms import Arm
from ablations.design.plan import as_stored
from ablations.design.processes import processes
from ablations.design.study import Study
from ablations.driver.options import RunOptions, trial_resources
from ablations.errors import StudyError, first_line
from ablations.search.candidates import Candidate
from ablations.search.selection import load_selection
from ablations.state.agreement import Difference, decided_values, differences, environment_differences
from ablations.state.provenance import git_state
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext, SeedGroupSpec, TrialSpec, arm_specs, candidate_spec
from silhouette.config import ConfigError, trial_id
from silhouette.results import FINISHED, SCHEMA, Store


@dataclass(frozen=True)
class FinishedTrial:
    """A trial with its record, as the study defines it.

    Attributes:
        record: Its record.
        context: What its worker needs to know of the study.
        spec: What it trains.
    """

    record: dict[str, Any]
    context: RunContext
    spec: SeedGroupSpec


@dataclass(frozen=True)
class Verification:
    """A record beside a new run of its trial. In each difference the record is the first, the new run the second.

    Attributes:
        trial_id: The trial.
        compared: How many values were compared.
        differences: Those that differ; empty if the trial was reproduced.
        environment: What differs between the machine and code of the record and those of the new run.
    """

    trial_id: str
    compared: int
    differences: tuple[Difference, ...]
    environment: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether every value that training decides is the same, bit by bit."""
        return not self.differences


def verify_trial(
    study: Study, store: Store, trial: str, on_epoch: Callable[[int], None] = lambda _: None
) -> Verification:
    """Train a finished trial again in this process, with the thread count of its record, and compare.

    Args:
        study: The study, as its file and the command line define it. What is imported comes from it, never from the
            record.
        store: Its records; nothing is written there.
        trial: The trial_id, of either phase.
        on_epoch: Called from time to time with the number of epochs done.

    Raises:
        StudyError: If the trial has no finished record, or is not one of the study.
    """
    found = find_trial(study, store, trial)
    return compare(found, rerun(found.context, found.spec, stop_epoch(found), on_epoch))


def compare(found: FinishedTrial, again: dict[str, Any]) -> Verification:
    """A record beside that of a new run."""
    record = found.record
    return Verification(
        trial_id=record["trial_id"],
        compared=len(decided_values(record).keys() | decided_values(again).keys()),
        differences=differences(record, again),
        environment=environment_differences(record, again),
    )


def find_trial(study: Study, store: Store, trial: str) -> FinishedTrial:
    """A trial that has a finished record.

    Args:
        study: As for `verify_trial`.
        store: As for `verify_trial`.
        trial: The trial_id.

    Raises:
        StudyError: If there is no such record, or the study has no such trial.
    """
    where = f"{store.location}/{store.study}"
    table = store.load()
    record = next(iter(table.filter(pc.equal(table["trial_id"], trial)).to_pylist()), None)
    if record is None or record["status"] not in FINISHED:
        raise StudyError(f"--only: {where} must have a finished record of the trial, got {trial!r}")
    study = load_selection(as_stored(study, store)[0], store)
    arm, spec = (_tuned if record["phase"] == "tune" else _confirmed)(study, record)
    context = RunContext(
        store.uri,
        store.study,
        threads=record["threads"] or 1,
        checkpoint_seconds=math.inf,
        experiment=study.experiment,
        reports=study.metric,
        metric=study.chosen_by if record["phase"] == "tune" else None,
        arms=arm_specs([arm]),
        **git_state(),
    )
    return FinishedTrial(record, context, spec)


def _confirmed(study: Study, record: dict[str, Any]) -> tuple[Arm, SeedGroupSpec]:
    own = TrialSpec(record["trial_id"], record["seed"])
    for trial in study.trials():
        if trial.trial_id == own.trial_id:
            return trial.arm, SeedGroupSpec(own.trial_id, trial.arm.label, "confirm", (own,))
    raise _not_of_this_study(study, record)


def _tuned(study: Study, record: dict[str, Any]) -> tuple[Arm, SeedGroupSpec]:
    """A trial of a candidate. The study gives its config; the record gives the tuned values, which are plain data."""
    own = TrialSpec(record["trial_id"], record["seed"])
    arm = next((arm for arm in study.start_arms if arm.label == record["arm"]), None)
    values = json.loads(record["tune_values"] or "{}")
    config = _candidate_config(study, arm, values) if arm else None
    if arm is None or config is None or trial_id(config, own.seed, "tune", study.experiment) != own.trial_id:
        raise _not_of_this_study(study, record)
    candidate = Candidate(record["tune_number"], values, tuple(record["tune_known"] or ()))
    return arm, candidate_spec(own.trial_id, arm.label, candidate, config, [own])


def _candidate_config(study: Study, arm: Arm, values: Mapping[str, Any]) -> BaseModel | None:
    """The config of a candidate; None if the study does not search these values."""
    if study.tuning is None:
        return None
    space = study.space(arm)
    if not space.holds(values):
        return None
    try:
        return space.config(values)
    except ConfigError:
        return None


def _not_of_this_study(study: Study, record: dict[str, Any]) -> StudyError:
    return StudyError(
        f"--only: {study.name} has no such trial now; give the --set and --seeds that it was run with "
        f"(arm {record['arm']!r}, seed {record['seed']}), got {record['trial_id']!r}"
    )


def stop_epoch(found: FinishedTrial) -> int | None:
    """The epoch at which the search stopped the trial; None if it ran to its end or diverged."""
    return found.record["epochs_reached"] if found.record["status"] == "stopped" else None


def rerun(
    context: RunContext, spec: SeedGroupSpec, stop_at: int | None, on_epoch: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Train a group of one seed in a scratch folder of this machine; returns its record.

    Args:
        context: What its worker needs to know of the study.
        spec: The group.
        stop_at: Epoch at which it ends, if the search stopped it.
        on_epoch: Called from time to time with the number of epochs done.
    """
    with tempfile.TemporaryDirectory(prefix="ablate-") as scratch:
        group, epochs = SeedGroup(replace(context, results=scratch), spec), 0
        if stop_at is not None:
            group.stop(stop_at)
        while not (report := group.step()).ended:
            epochs = max([epochs, *(row["epoch"] for rows in report.rows.values() for row in rows)])
            on_epoch(epochs)
        return dict(Store(scratch, context.study).load(SCHEMA.names).to_pylist()[0])


def verify_with(
    study: Study, options: RunOptions, trial: str, on_epoch: Callable[[int], None] = lambda _: None
) -> Verification:
    """As `verify_trial`, on this machine, or on a node of the cluster if the options name one.

    Args:
        study: As for `verify_trial`.
        options: Results location and cluster; GPUs and labels of the trial there.
        trial: The trial_id.
        on_epoch: As for `verify_trial`; not called for a trial on a cluster.

    Raises:
        StudyError: As `verify_trial`; or if the cluster does not answer, or a node must not run trials.
    """
    store = Store(options.results, study.name)
    if options.address is None:
        return verify_trial(study, store, trial, on_epoch)
    check_head(options.address)
    found = find_trial(study, store, trial)
    with ray_session(options.address):
        together = processes(study)
        resources = replace(trial_resources(options, together), cpus=found.context.threads * together)
        ((_, again),) = run_tasks(rerun, [(found.context, found.spec, stop_epoch(found))], resources)
    if isinstance(again, BaseException):
        raise StudyError(f"--only: the trial could not run on the cluster ({first_line(again)}), got {trial!r}")
    return compare(found, again)
