"""A worker that is lost after it wrote its records and before its report reached the driver, in both phases."""

import types

import pytest

from ablations.driver.callbacks import ReportCallback, WorkerFailureCallback
from ablations.state.provenance import source_digest
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import ArmSpec, CandidateSpec, RunContext, SeedGroupSpec, TrialSpec
from ablations.workers.trainable import SPEC, SeedGroupTrainable
from silhouette.config import TrialConfig
from silhouette.results import Store
from tests.helpers.pretend import FAIL_AT, PRETEND, Pretend

CONFIG = TrialConfig(epochs=2).model_dump(mode="json")
COLUMNS = {"tune_number": 0, "tune_values": "{}", "tune_known": [], "tune_bracket": 0}
CONFIRM = SeedGroupSpec("aa", "the arm", "confirm", (TrialSpec("aa", 0),))
CANDIDATE = SeedGroupSpec(
    "cc", "the arm", "tune", (TrialSpec("aa", 70), TrialSpec("bb", 71)), CandidateSpec(0, CONFIG, COLUMNS)
)


@pytest.fixture(params=[CONFIRM, CANDIDATE], ids=["confirm trial", "candidate"])
def spec(request):
    return request.param


@pytest.fixture
def context(tmp_path):
    arms = {"the arm": ArmSpec({}, CONFIG)}
    return RunContext(str(tmp_path), "s", checkpoint_seconds=0.0, experiment=PRETEND, arms=arms, metric="val_top1")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "s")


def write(store, spec, status):
    curve = [{"epoch": 1, "val_top1": 0.5}, {"epoch": 2, "val_top1": 0.6}]
    for trial in spec.trials:
        record = {"trial_id": trial.trial_id, "arm": "the arm", "seed": trial.seed, "phase": spec.phase}
        store.write_record({**record, "status": status, "curve": curve, "test_top1": 0.5, "epochs_reached": 2})


def train(context, spec):
    group = SeedGroup(context, spec)
    while group.status == "running":
        report = group.step()
    return group, report


def statuses(store):
    return [row["status"] for row in store.load(["status"]).to_pylist()]


def test_the_next_worker_trains_nothing(context, store, spec):
    write(store, spec, "complete")
    group = SeedGroup(context, spec)
    report = group.step()
    assert (group.status, group.trainings) == ("complete", [])
    assert [record["test_top1"] for record in report.records] == [0.5] * len(spec.trials)
    assert all("curve" not in record for record in report.records)
    assert [[row["epoch"] for row in report.rows[trial.trial_id]] for trial in spec.trials] == [[1, 2]] * len(
        spec.trials
    )
    assert report.means == {1: 0.5, 2: 0.6}


def test_test_data_are_read_in_the_confirm_phase_only(context, store, spec):
    _, report = train(context, spec)
    assert [record.get("test_top1") is not None for record in report.records] == [spec.phase == "confirm"] * len(
        spec.trials
    )


@pytest.mark.parametrize("state", [{"training": {"epoch": 1}}, {"trainings": [{"epoch": 1}] * 2}, {"trainings": 7}])
def test_a_checkpoint_of_another_version_costs_its_epochs_and_not_the_trial(context, store, spec, state):
    group = SeedGroup(context, spec)
    state = {**state, "source_sha256": source_digest()}
    group.checkpoints.save(1, {**state, "started_at": "2025-01-01T00:00:00+00:00", "seconds": 3.0})
    _, report = train(context, spec)
    assert {record["status"] for record in report.records} == {"complete"}
    whole = Pretend(TrialConfig(**CONFIG), spec.trials[0].seed)
    while not whole.done:
        whole.step()
    assert report.records[0]["val_top1"] == whole.result()["val_top1"]


class Recorder:
    """Display, table and mirror that keep what they are told."""

    def __init__(self):
        self.rows, self.told, self.notes, self.status, self.table = [], [], [], {}, self

    def update(self, row):
        self.rows.append(row)

    def report(self, report):
        self.told.append(report)

    def note(self, text):
        self.notes.append(text)

    def show(self):
        """Called at the end."""


def callback(phase):
    """What the driver calls for the reports of a phase whose first group runs, that group, and what it tells."""
    recorder, spec = Recorder(), phase.source.next()
    return ReportCallback(phase.source, phase.store, recorder, recorder, {}), spec, recorder


def tune_trial(spec):
    return types.SimpleNamespace(
        config={SPEC: spec}, error_file=None, trial_id="t", num_failures=1,
        temporary_state=types.SimpleNamespace(ray_actor=None),
    )  # fmt: skip


def test_the_driver_does_not_write_over_records_that_are_there(phase):
    reports, spec, recorder = callback(phase)
    left = phase.source.left
    write(phase.store, spec, "complete")
    reports.on_trial_error(0, [], tune_trial(spec))
    assert statuses(phase.store) == ["complete"] * len(spec.trials)
    assert phase.source.left == left
    assert {told.record["status"] for told in recorder.told} == {"complete"}


def test_a_record_that_a_worker_writes_while_the_driver_records_the_failure_is_kept(phase, monkeypatch):
    reports, spec, _ = callback(phase)
    look, open_trial = Store.finished_record, spec.trials[0].trial_id

    def look_too_early(store, trial_id):
        found = look(store, trial_id)
        if trial_id == open_trial and phase.source.given_up and found is None:
            write(store, spec, "complete")
        return found

    reports.on_trial_error(0, [], tune_trial(spec))
    monkeypatch.setattr(Store, "finished_record", look_too_early)
    records = reports._write_failed(spec, "lost")
    assert (records, statuses(phase.store)) == ([], ["complete"] * len(spec.trials))
    assert all(name.endswith(".parquet") for name in phase.store.names("trials"))


def test_a_group_that_tune_gives_up_runs_once_more_and_is_then_recorded_as_failed(phase):
    reports, spec, recorder = callback(phase)
    reports.on_trial_error(0, [], tune_trial(spec))
    assert statuses(phase.store) == []
    groups = []
    while spec not in groups:
        groups.append(phase.source.next())
    reports.on_trial_error(0, [], tune_trial(spec))
    assert statuses(phase.store) == ["failed"] * len(spec.trials)
    assert spec not in iter(phase.source.next, None)
    if spec.candidate is not None:
        assert phase.source.searches[spec.arm].candidates[spec.candidate.number].status == "failed"
        assert (spec.arm, spec.candidate.number) not in phase.source.open
    assert [told.record["status"] for told in recorder.told] == ["failed"] * len(spec.trials)
    assert "no worker could train it to its end: killed, out of memory" in recorder.told[0].record["error"]


def test_at_the_end_of_a_run_display_and_view_follow_the_records(phase):
    """The worker wrote its records, and a signal ended the run before its report came."""
    reports, spec, recorder = callback(phase)
    unfinished = phase.source.next()
    for one in (spec, unfinished):
        reports.on_trial_start(0, [], tune_trial(one))
        recorder.status[phase.source.name(one)] = "running"
    write(phase.store, spec, "complete")
    reports.settle(lambda: True)
    ended = [told for told in recorder.told if told.record is not None]
    assert [told.trial_id for told in ended] == [trial.trial_id for trial in spec.trials]
    assert all([row["epoch"] for row in told.rows] == [1, 2] for told in ended)
    assert recorder.rows[-1].record["status"] == "complete"
    assert phase.source.name(unfinished) not in recorder.status  # neither running nor finished: missing


def test_a_lost_worker_is_reported_and_a_preempted_node_is_no_failure(phase):
    recorder, spec = Recorder(), phase.source.next()
    failures, name = WorkerFailureCallback(phase.source, recorder), phase.source.name(spec)
    failures.on_trial_recover(0, [], tune_trial(spec))
    failures.on_trial_recover(0, [], tune_trial(spec))
    lost, preempted = recorder.notes
    assert lost.startswith(f"{name}: lost its worker (1 of 3: killed, out of memory, or its node was lost)")
    assert preempted.startswith(f"{name}: node preempted; not counted as a failure")


def test_tune_calls_a_group_through_the_one_trainable(context, store, spec, monkeypatch):
    worker = SeedGroupTrainable.__new__(SeedGroupTrainable)
    worker.setup({SPEC: spec}, context)
    result = worker.step()
    assert result["done"]
    assert statuses(store) == ["complete"] * len(spec.trials)
    monkeypatch.setenv(FAIL_AT, "1")
    other = SeedGroupSpec("dd", "the arm", "confirm", (TrialSpec("dd", 1),))
    assert worker.reset_config({SPEC: other})
    assert worker.step()["report"].status == "running"  # the second try is left
    assert worker.step()["report"].status == "failed"
