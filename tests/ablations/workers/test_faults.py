"""What a worker does when something fails, in both phases: what can be trained is trained, and to the same records.

Faults that need real processes and signals are in tests/ablations/driver/test_faults.py.
"""

import pytest
import torch

from ablations.state import provenance
from ablations.state.checkpoints import sweep
from ablations.state.provenance import source_digest
from ablations.workers import seed_group
from ablations.workers.seed_group import SeedGroup
from search_spaces import Interval
from silhouette.results import Store
from tests.helpers.engine import PHASES, Phase, small_study
from tests.helpers.pretend import Pretend

pytestmark = pytest.mark.usefixtures("prompt_workers")


class Failing:
    """Replaces `Pretend.step`: raises an error at an epoch, so many times."""

    def __init__(self, monkeypatch, epoch, times, error=None):
        self.epoch, self.times, self.raised = epoch, times, 0
        self.error = error or RuntimeError("it broke")
        self.step = Pretend.step
        monkeypatch.setattr(Pretend, "step", lambda training: self.replaced(training))  # noqa: PLW0108  # binds it

    def replaced(self, training):
        if training.epoch + 1 == self.epoch and self.raised < self.times:
            self.raised += 1
            raise self.error
        return self.step(training)


def test_an_error_is_tried_again_once_from_the_newest_checkpoint(phase, whole, monkeypatch):
    failing, group = Failing(monkeypatch, epoch=3, times=1), phase.group()
    for _ in range(2):
        phase.deliver(group, group.step())
    phase.deliver(group, group.step())
    assert failing.raised == 1
    assert group.trainings == []
    phase.deliver(group, group.step())
    assert group.trainings[0].epoch == 3  # the checkpoint had two
    phase.finish(group)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


@pytest.mark.parametrize(
    ("error", "times"),
    [(RuntimeError("it broke"), 2), (torch.OutOfMemoryError("CUDA out of memory"), 1)],
    ids=["twice", "no memory"],
)
def test_an_error_that_stays_is_recorded_and_tried_by_the_next_run(phase, whole, monkeypatch, error, times):
    failing, group = Failing(monkeypatch, epoch=1, times=99, error=error), phase.group()
    report = phase.finish(group)
    assert failing.raised == times
    assert (report.status, group.trainings) == ("failed", [])
    rows = phase.rows_of(group)
    assert len(rows) == len(group.spec.trials)
    assert {row["status"] for row in rows} == {"failed"}
    assert all(str(error) in row["error"] for row in rows)
    monkeypatch.undo()
    phase.restart().train()  # what has failed leaves nothing behind
    assert phase.comparable_rows() == whole.comparable_rows()


DIVERGING = {"tune": {"lr": Interval(1e-3, 100, log=True), "grace": 4}, "confirm": {"treated": {"lr": 50.0}}}


@pytest.mark.parametrize("name", PHASES)
def test_a_loss_without_bound_ends_its_group_and_no_other(name, tmp_path):
    phase = Phase(name, tmp_path, small_study(name, **DIVERGING[name]))
    phase.train()
    groups = {}
    for row in phase.rows():
        groups.setdefault((row["arm"], row["tune_number"] if name == "tune" else row["seed"]), []).append(row)
    assert {row["status"] for rows in groups.values() for row in rows} >= {"diverged", "complete"}
    for rows in groups.values():
        if "diverged" in {row["status"] for row in rows}:
            assert {row["status"] for row in rows} <= {"diverged", "stopped"}
            assert any("loss is" in (row["error"] or "") for row in rows)
            assert all(row["test_top1"] is None for row in rows)
    assert phase.restart().source.left == 0


def checkpoint_files(phase, group):
    return sorted(phase.store.names("checkpoints", group.spec.id), reverse=True)


@pytest.mark.parametrize("damaged", [1, 2], ids=["the newest", "both"])
@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "truncated", "of another trial"])
def test_a_damaged_checkpoint_costs_its_epochs_only(phase, whole, damaged, content):
    group = phase.group()
    for _ in range(3):
        phase.deliver(group, group.step())
    files = checkpoint_files(phase, group)
    assert files == ["000003.pt", "000002.pt"]
    for name in files[:damaged]:
        whole_file = phase.store.read_bytes("checkpoints", group.spec.id, name)
        bad = {b"half": whole_file[: len(whole_file) // 2], b"": b""}.get(content, content)
        if bad is None:
            phase.store.write_bytes(b"", "checkpoints", group.spec.id, name)
            state = {"trainings": [{"seed": -1}] * len(group.spec.trials), "source_sha256": source_digest()}
            group.checkpoints.save(int(name[:6]), state)
        else:
            phase.store.write_bytes(bad, "checkpoints", group.spec.id, name)
    second = SeedGroup(phase.source.context, group.spec)
    phase.deliver(second, second.step())
    from_the_start = damaged == 2 or content is None
    assert (second.trainings[0].epoch == 1) == from_the_start
    phase.finish(second)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_checkpoint_of_other_code_is_not_continued(phase, whole, monkeypatch):
    group = phase.group()
    for _ in range(3):
        phase.deliver(group, group.step())
    second = SeedGroup(phase.source.context, group.spec)
    with monkeypatch.context() as other:
        other.setattr(seed_group, "source_digest", lambda: "0123456789ab")
        phase.deliver(second, second.step())
    assert second.trainings[0].epoch == 1
    phase.finish(second)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_every_record_names_the_code_of_the_node_that_trained_it(phase, monkeypatch):
    group = phase.group()
    with monkeypatch.context() as node:
        node.setattr(provenance, "source_digest", lambda: "0123456789ab")
        phase.finish(group)
    phase.train()
    codes = [row["source_sha256"] for row in phase.rows()]
    assert codes.count("0123456789ab") == len(group.spec.trials)
    assert set(codes) == {"0123456789ab", source_digest()}


def test_a_worker_lost_after_its_records_costs_nothing(phase, whole):
    group = phase.group()
    while not (report := group.step()).ended:  # the driver gets every report but the last
        phase.deliver(group, report)
    second = SeedGroup(phase.source.context, group.spec)
    again = second.step()
    assert second.trainings == []
    assert again.status == report.status
    for received, written in zip(again.records, report.records, strict=True):
        assert received.items() >= written.items()
    assert not any("curve" in record for record in again.records)
    assert phase.deliver(second, again)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_worker_lost_between_two_records_of_a_stopped_group_ends_it_at_the_same_epoch(tmp_path, tmp_path_factory):
    whole = Phase("tune", tmp_path_factory.mktemp("whole"))
    whole.train()
    phase = Phase("tune", tmp_path)
    phase.train()
    lost = next(row for row in phase.rows() if row["status"] == "stopped")
    phase.store.delete("trials", f"{lost['trial_id']}.parquet")
    assert phase.restart().source.left == 1
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_failed_record_does_not_count_as_the_end(phase, whole, monkeypatch):
    failing, group = Failing(monkeypatch, epoch=1, times=2), phase.group()
    assert phase.finish(group).status == "failed"
    second = SeedGroup(phase.source.context, group.spec)
    assert phase.finish(second).status in ("complete", "stopped")
    assert failing.raised == 2


class Away:
    """A method of `Store` that fails so many times."""

    def __init__(self, monkeypatch, name, times):
        self.times, self.asked, method = times, 0, getattr(Store, name)

        def replaced(store, *arguments):
            self.asked += 1
            if self.asked <= self.times:
                raise OSError("503 Slow Down")
            return method(store, *arguments)

        monkeypatch.setattr(Store, name, replaced)


def test_a_store_that_is_away_for_a_moment_gets_the_record_later(phase, whole, monkeypatch):
    away, group = Away(monkeypatch, "write_record", times=2), phase.group()
    assert phase.finish(group).ended
    assert away.asked == 2 + len(group.spec.trials)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_store_that_stays_away_loses_no_epoch(phase, whole, monkeypatch):
    Away(monkeypatch, "write_record", times=99)
    group = phase.group()
    with pytest.raises(OSError, match="503 Slow Down"):  # the worker ends; Tune gives the group to another
        phase.finish(group)
    monkeypatch.undo()
    second = SeedGroup(phase.source.context, group.spec)
    phase.deliver(second, second.step())
    assert second.trainings == [] or second.trainings[0].epoch > 1
    phase.finish(second)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_disk_without_room_for_checkpoints_ends_no_training(phase, whole, monkeypatch):
    def full(store, data, *parts):
        if "checkpoints" in parts:
            raise OSError(28, "No space left on device")
        return write(store, data, *parts)

    write = Store.write_bytes
    monkeypatch.setattr(Store, "write_bytes", full)
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()


def test_a_store_that_fails_after_the_record_does_not_undo_it(phase, whole, monkeypatch):
    away, group = Away(monkeypatch, "delete", times=99), phase.group()
    group._retried = True  # a failure would be its last
    assert phase.finish(group).status in ("complete", "stopped")
    assert {row["status"] for row in phase.rows_of(group)} <= {"complete", "stopped"}
    phase.train()
    assert away.asked
    assert phase.comparable_rows() == whole.comparable_rows()


def test_checkpoints_that_a_killed_worker_left_beside_its_record_are_deleted(phase):
    group = phase.group()
    phase.finish(group)
    phase.store.write_bytes(b"", "checkpoints", group.spec.id, "000001.pt")
    phase.store.write_bytes(b"", "checkpoints", "unfinished", "000001.pt")
    sweep(phase.store, {group.spec.id})
    assert phase.store.folders("checkpoints") == ["unfinished"]
    phase.store.write_bytes(b"", "checkpoints", group.spec.id, "000001.pt")
    SeedGroup(phase.source.context, group.spec).step()
    assert phase.store.folders("checkpoints") == ["unfinished"]


PARTS = [pytest.param(n / 20, marks=[pytest.mark.slow] if n % 4 else []) for n in range(20)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("driver_died", [False, True], ids=["driver and worker", "the driver first"])
def test_killed_after_any_step_the_phase_ends_the_same(phase, whole, part, driver_died):
    phase.train(steps=round(part * whole.steps), driver_died=driver_died)
    phase.restart().train()
    assert phase.comparable_rows() == whole.comparable_rows()
    assert not phase.store.folders("checkpoints")


def test_an_interruption_saves_what_an_unfinished_group_has(phase, whole):
    phase.checkpoint_seconds = 86_400.0
    group = phase.restart().group()
    for _ in range(3):
        phase.deliver(group, group.step())
    assert checkpoint_files(phase, group) == []
    group.save()
    assert checkpoint_files(phase, group) == ["000003.pt"]
    second = SeedGroup(phase.source.context, group.spec)
    phase.deliver(second, second.step())
    assert second.trainings == [] or second.trainings[0].epoch == 4
    phase.finish(second)
    second.save()  # it has ended
    assert phase.store.folders("checkpoints") == []
    phase.train()
    assert phase.comparable_rows() == whole.comparable_rows()
