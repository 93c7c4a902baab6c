"""Seed groups trained in this process, without Ray: lock-step, stopping, divergence, failure, a lost driver."""

import json
import pickle

import pytest

from ablations.console.candidates import candidate_table, candidates_by_arm, tune_line, tune_seconds
from ablations.design.study import make_study
from ablations.driver.controller import make_controller
from ablations.search.selection import freeze
from ablations.workers.seed_group import SeedGroup
from ablations.workers.spec import RunContext
from search_spaces import Interval
from silhouette.config import make_config
from silhouette.results import Store
from silhouette.training.run import Training
from tests.helpers.pretend import FAIL_AT, PRETEND

EPOCHS, SEEDS = 4, (70, 71)
LR = Interval(1e-3, 1e-1, log=True)
SAME = ("trial_id", "arm", "seed", "status", "epochs_reached", "tune_number", "tune_values", "tune_known", "val_top1")


def study(lr=LR, experiment=PRETEND, candidates=4, **fixed):
    return make_study(
        {
            "name": "s",
            "question": "Does it help?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
            "fixed": {"epochs": EPOCHS, "width": 2, "train_fraction": 0.1, "batch_size": 32} | fixed,
            "baseline": "CE",
            "seeds": (0, 1, 2),
            "tuning": {"nuisance": {"lr": lr}, "settings": candidates, "seeds": SEEDS, "grace": 1, "reduction": 2},
            "experiment": experiment,
        }
    )


def begin(folder, one=None):
    one, store = one or study(), Store(str(folder), "s")
    context = RunContext(store.uri, "s", checkpoint_seconds=0.0, experiment=one.experiment)
    return make_controller(one, store, context), store


def sent(message):
    """A message as the other process gets it."""
    return pickle.loads(pickle.dumps(message))


def work(controller, workers=1):
    """Train what is left, as that many workers in turn."""
    live = []
    while controller.left or live:
        while len(live) < workers and (spec := controller.next()):
            live.append(SeedGroup(sent(controller.context), sent(spec)))
        for group in list(live):
            report = sent(group.step())
            if (stop_at := controller.take(group.spec, report)) is not None:
                group.stop(stop_at)
            if report.ended:
                live.remove(group)


def records(store) -> list[dict]:
    rows = sorted(store.load().to_pylist(), key=lambda row: (row["arm"], row["tune_number"], row["seed"]))
    return [
        {
            **{name: row[name] for name in SAME},
            "curve": [(p["epoch"], p["val_top1"], p["train_loss"]) for p in row["curve"]],
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    controller, store = begin(tmp_path_factory.mktemp("whole"))
    work(controller)
    return controller, store


def test_each_arm_gets_its_candidates_and_some_are_stopped(whole):
    controller, store = whole
    rows = records(store)
    assert len(rows) == 2 * 4 * len(SEEDS)
    assert {row["status"] for row in rows} == {"complete", "stopped"}
    assert [len(search.candidates) for search in controller.searches.values()] == [4, 4]
    ends = {}
    for row in rows:
        ends.setdefault((row["arm"], row["tune_number"]), set()).add((row["status"], row["epochs_reached"]))
    assert all(len(found) == 1 for found in ends.values())


def test_the_search_sees_the_means_of_the_records(whole):
    controller, store = whole
    rows = records(store)
    for row in rows:
        candidate = controller.searches[row["arm"]].candidates[row["tune_number"]]
        pair = [r for r in rows if (r["arm"], r["tune_number"]) == (row["arm"], row["tune_number"])]
        for epoch, mean in candidate.means.items():
            values = [value for r in pair for e, value, _ in r["curve"] if e == epoch]
            assert mean == sum(values) / len(SEEDS)


def test_seeds_in_lock_step_train_what_each_trains_alone(tmp_path):
    controller, store = begin(tmp_path, study(experiment=None, candidates=1))
    work(controller)
    row = next(row for row in store.load().to_pylist() if row["status"] == "complete")
    alone = Training(make_config(json.loads(row["config"])), row["seed"], threads=1)
    while not alone.done:
        alone.step()
    assert [p["train_loss"] for p in alone.curve] == [p["train_loss"] for p in row["curve"]]
    assert row["val_top1"] == alone.curve[-1]["val_top1"]
    assert row["test_top1"] is None


def test_a_driver_that_dies_between_decision_and_record_loses_nothing(whole, tmp_path):
    controller, again = begin(tmp_path)
    stopped = None
    while stopped is None:
        group = SeedGroup(controller.context, controller.next())
        while group.status == "running" and stopped is None:
            report = sent(group.step())
            stopped = None if controller.take(group.spec, report) is None else group  # and nobody tells the worker
    arm, number = stopped.spec.arm, stopped.spec.candidate.number
    assert controller.searches[arm].candidates[number].status == "running"  # no proposal may rest on it yet
    assert not {trial.trial_id for trial in stopped.spec.trials} & again.trial_ids()
    resumed, again = begin(tmp_path)
    work(resumed)
    assert records(again) == records(whole[1])


def test_a_decision_that_a_worker_did_not_get_is_sent_again(tmp_path):
    controller, _ = begin(tmp_path)
    deaf, decisions = SeedGroup(controller.context, controller.next()), []
    for epoch in controller.context.rungs:  # better rivals stand on each rung already
        for number in range(100, 104):
            controller.searches[deaf.spec.arm]._rungs[0].keep(number, epoch, 2.0)
    while deaf.status == "running":
        report = sent(deaf.step())
        decisions.append((report.at_rung, report.ended, controller.take(deaf.spec, report) is None))
    assert decisions[0] == (True, False, False)
    assert all(not go_on for at_rung, ended, go_on in decisions if not ended)
    assert decisions[-1][1:] == (True, True)


def test_a_candidate_that_tune_gives_up_runs_once_more_and_the_search_ends_the_same(whole, tmp_path):
    controller, store = begin(tmp_path)
    spec = controller.next()
    group = SeedGroup(controller.context, spec)
    controller.take(spec, sent(group.step()))  # its worker dies after this report
    assert controller.again(spec)
    assert not controller.open
    assert controller.next() == spec
    assert not controller.again(spec)  # a second time is no accident
    controller.waiting.append((spec.arm, controller.searches[spec.arm].candidates[spec.candidate.number]))
    work(controller)
    assert records(store) == records(whole[1])


def test_two_workers_train_every_candidate_once_and_record_what_was_known(tmp_path):
    controller, store = begin(tmp_path)
    work(controller, workers=2)
    rows = records(store)
    assert len({row["trial_id"] for row in rows}) == len(rows) == 16
    for row in rows:
        assert set(row["tune_known"]) <= set(range(row["tune_number"]))
    configs = {row["trial_id"]: row["config"] for row in store.load().to_pylist()}
    assert len(set(configs.values())) == 8


def test_a_diverged_candidate_ends_for_all_seeds_and_the_search_continues(tmp_path):
    wide = study(lr=Interval(0.05, 100, log=True), candidates=6)
    controller, store = begin(tmp_path, wide)
    work(controller)
    rows = records(store)
    diverged = {(row["arm"], row["tune_number"]) for row in rows if row["status"] == "diverged"}
    assert diverged
    for key in diverged:
        assert {r["status"] for r in rows if (r["arm"], r["tune_number"]) == key} <= {"diverged", "stopped"}
        assert controller.searches[key[0]].candidates[key[1]].status == "diverged"
    frozen = freeze(study(), controller.searches, store)
    assert any("diverged" in flag for arm in frozen["arms"] for flag in arm["flags"])
    rebuilt, _ = begin(tmp_path, wide)
    for arm, search in rebuilt.searches.items():
        assert search.candidates == controller.searches[arm].candidates


def test_what_fails_is_recorded_with_its_error_and_tried_again_by_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setenv(FAIL_AT, "1")
    controller, store = begin(tmp_path)
    work(controller)
    rows = store.load().to_pylist()
    assert {row["status"] for row in rows} == {"failed"}
    assert all("RuntimeError: told to fail at epoch 1" in row["error"] for row in rows)
    assert {row["tune_number"] for row in rows} == {0, 1, 2, 3}
    again, _ = begin(tmp_path)
    assert again.left == 8
    values = {row["tune_number"]: json.loads(row["tune_values"]) for row in rows if row["arm"] == "CE"}
    retried = [again.next() for _ in range(8)]
    columns = [spec.candidate.columns for spec in retried if spec.arm == "CE"]
    assert {own["tune_number"]: json.loads(own["tune_values"]) for own in columns} == values


def test_overview_counts_candidates(whole, tmp_path):
    _, store = whole
    assert tune_line(study(), store) == "tune phase: 2 arms × 4 candidates × 2 seeds, 8 candidates finished, 0 to run"
    empty = Store(str(tmp_path), "s")
    assert tune_line(study(), empty) == "tune phase: 2 arms × 4 candidates × 2 seeds, 0 candidates finished, 8 to run"
    assert tune_seconds(study(), empty, {"CE": 2.0}) == 2 * 4 * 2 * EPOCHS * 2.0
    assert tune_seconds(study(), store, {"CE": 2.0}) == 0
    board = candidate_table(study(), candidates_by_arm(study(), store))
    assert sum(board.counts().values()) == 8
    assert board.counts()["missing"] == 0


def until_first_rung(group):
    """Train a group to its first rung; returns the report."""
    while not (report := group.step()).at_rung:
        assert not report.ended
    return report


def until_end(group):
    """Train a group to its end; returns the last report."""
    while not (report := group.step()).ended:
        pass
    return report


def test_a_decision_to_stop_outlives_an_error_while_the_records_are_written(tmp_path, monkeypatch):
    controller, _ = begin(tmp_path)
    group = SeedGroup(sent(controller.context), sent(controller.next()))
    rung = max(until_first_rung(group).means)
    write, errors = group.store.write_record, [RuntimeError("once")]

    def fail_once(record):
        if errors:
            raise errors.pop()
        write(record)

    monkeypatch.setattr(group.store, "write_record", fail_once)
    group.stop(rung)
    report = until_end(group)
    assert report.status == "stopped"
    assert {record["epochs_reached"] for record in report.records} == {rung}


def test_a_worker_that_replaces_a_lost_one_ends_at_the_rung_of_the_decision(tmp_path):
    controller, _ = begin(tmp_path)
    spec = controller.next()
    late = controller.context.rungs[1]
    controller.stopping[spec.id] = late  # decided, and then the worker was lost
    group = SeedGroup(sent(controller.context), sent(spec))
    assert controller.take(spec, until_first_rung(group)) == late
    group.stop(late)
    assert {record["epochs_reached"] for record in until_end(group).records} == {late}


def test_a_record_that_is_written_stays_when_another_seed_fails(tmp_path, monkeypatch):
    controller, store = begin(tmp_path)
    group = SeedGroup(sent(controller.context), sent(controller.next()))
    first, second = (trial.trial_id for trial in group.spec.trials)
    write, errors = group.store.write_record, [RuntimeError("twice"), RuntimeError("once")]

    def fail_twice(record):
        if record["trial_id"] == second and errors:
            raise errors.pop()
        write(record)

    monkeypatch.setattr(group.store, "write_record", fail_twice)
    until_end(group)
    assert not errors
    statuses = {row["trial_id"]: row["status"] for row in store.load(["trial_id", "status"]).to_pylist()}
    assert statuses == {first: "complete", second: "failed"}
