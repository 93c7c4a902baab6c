"""A worker whose GPU has no memory left: the trial is recorded, and the next one finds the memory. `make test-gpu`."""

import gc

import pytest
import torch

from tests.helpers.engine import Phase, small_study

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def test_a_trial_without_memory_is_recorded_and_leaves_none_taken(tmp_path):
    phase = Phase("confirm", tmp_path, small_study("confirm", experiment=None, fixed={"epochs": 2, "width": 4}))
    gc.collect()
    torch.cuda.empty_cache()
    before, group = torch.cuda.memory_allocated(), phase.group()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        report = phase.finish(group)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (report.status, group.trainings) == ("failed", [])
    assert all("OutOfMemoryError" in row["error"] for row in phase.rows_of(group))
    assert torch.cuda.memory_allocated() <= before
    phase.restart().train()
    assert {row["status"] for row in phase.rows()} == {"complete"}
