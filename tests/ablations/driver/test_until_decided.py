"""Seeds until it is decided, in the driver: who gets further seeds, what runs ahead, and what a kill changes."""

import pytest

from ablations.driver import seed_gate
from ablations.driver.decider import Decider
from ablations.errors import StudyError
from silhouette.results import Store
from tests.helpers.known_effect import DIVERGE_AT, FAIL_AT
from tests.helpers.until_decided import Run, make_known


def decided(run):
    found = run.decider.ask(lambda: None)
    return {c.treatment: (c.verdict, c.decided_at) for c in found.comparisons}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The study as it runs without a fault, one trial at a time."""
    with Run(tmp_path_factory.mktemp("undisturbed")) as run:
        assert run.train()
        run.decisions = decided(run)
        yield run


def test_an_arm_gets_no_more_seeds_once_it_is_decided_and_the_baseline_as_many_as_any(undisturbed):
    found, seeds = undisturbed.decisions, undisturbed.seeds()
    assert found["gain=4"][0] == found["gain=1.5"][0] == "better"
    assert 6 <= found["gain=4"][1] < found["gain=1.5"][1] < 16
    assert found["gain=0.1"] == ("inconclusive", 0)
    assert seeds == {"gain=0": 16, "gain=4": found["gain=4"][1], "gain=1.5": found["gain=1.5"][1], "gain=0.1": 16}


def test_the_driver_says_each_decision_once(undisturbed):
    lines = [line for line in undisturbed.said if line.startswith("decided")]
    assert lines[0] == f"decided after {undisturbed.decisions['gain=4'][1]} seeds: gain=4 against gain=0: better"
    assert len(lines) == 2


def test_it_ends_when_all_is_decided_long_before_the_maximum(tmp_path):
    with Run(tmp_path, make_known(200, (0.0, 5.0, -5.0))) as run:
        assert run.train()
        assert {verdict for verdict, _ in decided(run).values()} == {"better", "worse"}
        assert max(run.seeds().values()) == max(at for _, at in decided(run).values()) < 12


@pytest.mark.parametrize("killed_after", [1, 24, 40])
def test_killed_and_resumed_it_has_the_same_decisions_and_records(tmp_path, undisturbed, killed_after):
    with Run(tmp_path) as run:
        assert not run.train(steps=killed_after)
    with Run(tmp_path) as run:
        assert run.train()
        assert decided(run) == undisturbed.decisions
        assert run.rows() == undisturbed.rows()


def test_a_finished_study_begins_nothing(undisturbed):
    with Run(undisturbed.store.location, undisturbed.study) as again:
        assert again.train()
        assert again.begun == []


@pytest.mark.parametrize("workers", [3, 50])
def test_many_workers_run_one_seed_ahead_and_decide_the_same(tmp_path, undisturbed, workers):
    with Run(tmp_path) as run:
        assert run.train(workers)
        assert decided(run) == undisturbed.decisions
        ahead = {arm: n - undisturbed.seeds()[arm] for arm, n in run.seeds().items()}
        assert all(0 <= n <= seed_gate.AHEAD for n in ahead.values())


def test_while_one_arm_is_slow_the_others_begin_the_next_seed(tmp_path):
    first = 6
    with Run(tmp_path) as run:
        run.train(workers=2, slow={("gain=0.1", first)})
        slow = run.begun.index(("gain=0.1", first))
        later = run.begun[slow + 1 :]
        assert (("gain=0", first + 1)) in later[:3]
        assert all(seed <= first + 2 for _, seed in later[:4])


def test_nothing_runs_ahead_by_more_than_a_seed_before_the_first_that_can_decide(tmp_path):
    with Run(tmp_path) as run:
        run.trials.next()
        while run.trials.next() is not None:
            pass
        begun = {run.gate.place[spec.trials[0].seed] for spec in run.trials.waiting}
        assert min(begun) == 6 + seed_gate.AHEAD + 1


def test_a_seed_that_failed_ends_the_run_and_is_tried_again_by_the_next(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv(FAIL_AT, "0:7")
    with Run(tmp_path) as run:
        assert run.train()
        assert max(seed for _, seed in run.begun) <= 8
        assert run.gate.decisions.open
    monkeypatch.delenv(FAIL_AT)
    with Run(tmp_path) as run:
        assert run.train()
        assert decided(run) == undisturbed.decisions


def test_a_seed_that_diverged_blocks_its_comparison_alone(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv(DIVERGE_AT, "0.1:7")
    with Run(tmp_path) as run:
        assert run.train()
        assert decided(run) == undisturbed.decisions
        assert run.seeds()["gain=0.1"] == 8
        assert (
            "not decided: gain=0.1 against gain=0: seed 7 of gain=0.1 diverged, and no seed may be left out" in run.said
        )
        assert run.gate.decisions.wanted["gain=0.1"] == 8


def test_a_larger_maximum_continues_without_a_note_of_an_extension(tmp_path, undisturbed):
    with Run(tmp_path, make_known(10)) as run:
        assert run.train()
        assert decided(run)["gain=0.1"] == ("inconclusive", 0)
    with Run(tmp_path) as run:
        assert run.train()
        assert "extended" not in run.store.read_json("study.json")
        assert run.rows() == undisturbed.rows()


def test_an_answer_that_does_not_come_stops_no_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(seed_gate, "PATIENCE", 0.0)
    with Run(tmp_path, make_known(9)) as run:
        monkeypatch.setattr(Decider, "waits", property(lambda self: 1.0))
        monkeypatch.setattr(Decider, "latest", property(lambda self: None))
        assert run.train()
        assert set(run.seeds().values()) == {9}


def test_an_answering_process_that_is_killed_is_started_again(tmp_path):
    with Run(tmp_path) as run:
        assert not run.train(steps=30)
        run.decider._child.kill()
        assert decided(run)["gain=4"][0] == "better"


def test_without_a_plan_there_is_one_line(tmp_path):
    with (
        Decider(Store(str(tmp_path), "none")) as decider,
        pytest.raises(StudyError, match=r"^stop: what the seeds decide .*no study\.json"),
    ):
        decider.ask(lambda: None)
