"""Settings trained in this process, without Ray: lock-step, stopping, divergence, failure, interruption at any step."""

import json

import pytest

from ablations.console.candidates import candidate_table, candidates_by_arm, tune_line, tune_seconds
from ablations.design.study import make_study
from ablations.driver.controller import make_conductor
from ablations.search.selection import freeze
from ablations.workers.seed_group import SettingRun
from search_spaces import Interval
from silhouette.config import make_config
from silhouette.results import Store
from silhouette.training.run import Training

EPOCHS, SEEDS = 4, (70, 71)
LR = Interval(1e-3, 1e-1, log=True)
SAME = ("trial_id", "arm", "seed", "status", "epochs_reached", "tune_number", "tune_values", "tune_known", "val_top1")


def study(lr=LR, **fixed):
    return make_study(
        {
            "name": "s",
            "question": "Does it help?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
            "fixed": {"epochs": EPOCHS, "width": 2, "train_fraction": 0.1, "batch_size": 32} | fixed,
            "baseline": "CE",
            "seeds": (0, 1, 2),
            "tuning": {"nuisance": {"lr": lr}, "settings": 4, "seeds": SEEDS, "grace": 1, "reduction": 2},
        }
    )


def begin(folder, one=None):
    store = Store(str(folder), "s")
    common = {
        "results": store.uri, "study": "s", "threads": 1, "checkpoint_seconds": 0.0, "experiment": None,
        "git_commit": None, "git_dirty": None,
    }  # fmt: skip
    return make_conductor(one or study(), store, common), store


def work(conductor, workers=1, steps=None, unheard=False) -> int:
    """Train what is left, as that many workers in turn; returns the number of steps.

    `steps` ends it early, as a SIGKILL does: nobody says goodbye. `unheard`: the driver dies during the last step.
    """
    live, done = [], 0
    while conductor.left or live:
        while len(live) < workers and (message := conductor.next()):
            live.append(SettingRun(conductor.work, message))
        for run in list(live):
            if done == steps:
                if unheard:
                    run.step()
                return done
            done += 1
            if not conductor.take(json.loads(json.dumps(run.step()))):
                live.remove(run)
    return done


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
    conductor, store = begin(tmp_path_factory.mktemp("whole"))
    steps = work(conductor)
    return conductor, store, steps


def test_each_arm_gets_its_settings_and_some_are_stopped(whole):
    conductor, store, _ = whole
    rows = records(store)
    assert len(rows) == 2 * 4 * len(SEEDS)
    assert {row["status"] for row in rows} == {"complete", "stopped"}
    assert [len(search.settings) for search in conductor.searches.values()] == [4, 4]
    by_setting = {}
    for row in rows:
        by_setting.setdefault((row["arm"], row["tune_number"]), []).append((row["status"], row["epochs_reached"]))
    assert all(len(set(ends)) == 1 for ends in by_setting.values())


def test_the_search_sees_the_means_of_the_records(whole):
    conductor, store, _ = whole
    rows = records(store)
    for row in rows:
        setting = conductor.searches[row["arm"]].settings[row["tune_number"]]
        pair = [r for r in rows if (r["arm"], r["tune_number"]) == (row["arm"], row["tune_number"])]
        for epoch, mean in setting.means.items():
            values = [value for r in pair for e, value, _ in r["curve"] if e == epoch]
            assert mean == sum(values) / len(SEEDS)


def test_seeds_in_lock_step_train_what_each_trains_alone(whole):
    _, store, _ = whole
    row = next(row for row in store.load().to_pylist() if row["status"] == "complete")
    alone = Training(make_config(json.loads(row["config"])), row["seed"], threads=1)
    while not alone.done:
        alone.step()
    assert [p["train_loss"] for p in alone.curve] == [p["train_loss"] for p in row["curve"]]
    assert row["val_top1"] == alone.curve[-1]["val_top1"]
    assert row["test_top1"] is None


@pytest.mark.parametrize("part", [0.6, *(pytest.param(p / 20, marks=pytest.mark.slow) for p in range(20))])
@pytest.mark.parametrize("unheard", [False, True])
def test_killed_after_any_step_the_search_ends_the_same(whole, tmp_path, part, unheard):
    _, store, steps = whole
    conductor, again = begin(tmp_path)
    work(conductor, steps=round(part * steps), unheard=unheard)
    resumed, again = begin(tmp_path)
    work(resumed)
    assert records(again) == records(store)
    assert not again.names("checkpoints")


def test_killed_between_the_records_of_a_setting_it_ends_where_it_had_ended(whole, tmp_path):
    _, store, _ = whole
    conductor, again = begin(tmp_path)
    work(conductor)
    victim = next(row for row in records(again) if row["status"] == "stopped")
    again.delete("trials", f"{victim['trial_id']}.parquet")
    resumed, again = begin(tmp_path)
    assert resumed.left == 1
    work(resumed)
    assert records(again) == records(store)


def test_a_setting_that_tune_gives_up_runs_once_more_and_the_search_ends_the_same(whole, tmp_path):
    conductor, store = begin(tmp_path)
    message = json.loads(conductor.next())
    arm, number = message["arm"], message["number"]
    run = SettingRun(conductor.work, json.dumps(message))
    conductor.take(json.loads(json.dumps(run.step())))  # its worker dies after this report
    assert conductor.again(arm, number)
    assert not conductor.open
    assert json.loads(conductor.next()) == message
    assert not conductor.again(arm, number)  # twice is no accident
    conductor.waiting.append((arm, conductor.searches[arm].settings[number]))
    work(conductor)
    assert records(store) == records(whole[1])


def test_a_setting_whose_worker_is_lost_after_its_records_is_not_trained_again(whole, tmp_path):
    conductor, store = begin(tmp_path)
    message, report = conductor.next(), {"status": "running"}
    first = SettingRun(conductor.work, message)
    while report["status"] == "running":  # the driver hears all but the end
        report = json.loads(json.dumps(first.step()))
        if report["status"] == "running":
            conductor.take(report)
    second = SettingRun(conductor.work, message)
    again = json.loads(json.dumps(second.step()))
    assert second.trainings == []
    assert (again["status"], again["records"][0]["trial_id"]) == (report["status"], report["records"][0]["trial_id"])
    assert not conductor.take(again)
    work(conductor)
    assert records(store) == records(whole[1])


def test_two_workers_train_every_setting_once_and_say_what_they_knew(tmp_path):
    conductor, store = begin(tmp_path)
    work(conductor, workers=2)
    rows = records(store)
    assert len({row["trial_id"] for row in rows}) == len(rows) == 16
    for row in rows:
        assert set(row["tune_known"]) <= set(range(row["tune_number"]))
    configs = {row["trial_id"]: row["config"] for row in store.load().to_pylist()}
    assert len(set(configs.values())) == 8


def test_a_diverged_setting_ends_for_all_seeds_and_the_search_goes_on(tmp_path):
    conductor, store = begin(
        tmp_path, study(lr=Interval(1e-3, 100, log=True), optimizer="sgd", weight_decay=10, batch_size=16)
    )
    work(conductor)
    rows = records(store)
    diverged = {(row["arm"], row["tune_number"]) for row in rows if row["status"] == "diverged"}
    assert diverged
    for key in diverged:
        assert {r["status"] for r in rows if (r["arm"], r["tune_number"]) == key} <= {"diverged", "stopped"}
        assert conductor.searches[key[0]].settings[key[1]].status == "diverged"
    frozen = freeze(study(), conductor.searches, store)
    assert any("diverged" in flag for arm in frozen["arms"] for flag in arm["flags"])
    rebuilt, _ = begin(
        tmp_path, study(lr=Interval(1e-3, 100, log=True), optimizer="sgd", weight_decay=10, batch_size=16)
    )
    for arm, search in rebuilt.searches.items():
        assert search.settings == conductor.searches[arm].settings


def test_what_fails_is_recorded_with_its_error_and_tried_again_by_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path / "no data here"))
    broken = study(dataset=f"image_folder:{tmp_path}/nothing")
    conductor, store = begin(tmp_path, broken)
    work(conductor)
    rows = store.load().to_pylist()
    assert {row["status"] for row in rows} == {"failed"}
    assert all("nothing" in row["error"] for row in rows)
    assert {row["tune_number"] for row in rows} == {0, 1, 2, 3}
    again, _ = begin(tmp_path, broken)
    assert again.left == 8
    values = {row["tune_number"]: json.loads(row["tune_values"]) for row in rows if row["arm"] == "CE"}
    retried = [json.loads(again.next()) for _ in range(8)]
    assert {m["number"]: json.loads(m["columns"]["tune_values"]) for m in retried if m["arm"] == "CE"} == values


def test_the_tune_line_counts_candidates(whole, tmp_path):
    _, store, _ = whole
    assert tune_line(study(), store) == "tune phase: 2 arms × 4 candidates × 2 seeds, 8 candidates finished, 0 to run"
    empty = Store(str(tmp_path), "s")
    assert tune_line(study(), empty) == "tune phase: 2 arms × 4 candidates × 2 seeds, 0 candidates finished, 8 to run"
    assert tune_seconds(study(), empty, {"CE": 2.0}) == 2 * 4 * 2 * EPOCHS * 2.0
    assert tune_seconds(study(), store, {"CE": 2.0}) == 0
    board = candidate_table(study(), candidates_by_arm(study(), store))
    assert sum(board.counts().values()) == 8
    assert board.counts()["missing"] == 0
