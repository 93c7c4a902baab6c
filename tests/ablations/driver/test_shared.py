"""Several drivers share a study: every trial is trained once, and the trials of a lost driver by another."""

import threading
from types import SimpleNamespace

import pytest

from ablations.cli.parser import main
from ablations.driver import shared
from ablations.driver.options import RunOptions
from ablations.driver.shared import SharedTrials, claim_search, confirm_shared, run_shared
from ablations.driver.tuner import TrialQueue
from ablations.state.claims import DRIVERS, STALE_SECONDS, Claims
from ablations.workers.seed_group import SeedGroup
from tests.helpers.engine import Phase


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def phase(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "POLL_SECONDS", 0.0)
    return Phase("confirm", tmp_path)


def driver(phase, name, clock=None, beat="1"):
    """A driver that shares the study, as the store is now."""
    phase.store.write_bytes(beat.encode(), DRIVERS, f"{name}.json")
    claims = Claims(phase.store, name, clock or Clock())
    own = phase.restart().source
    trials = SharedTrials(own.context, own.waiting, claims=claims, store=phase.store, ended_elsewhere=lambda _: None)
    if clock is None:  # a folder that is read anew each time
        trials.claims.clock = lambda: claims._listed_at + 2
    return trials


def train(trials, spec):
    group = SeedGroup(trials.context, spec)
    while not (report := group.step()).ended:
        trials.take(spec, report)
    trials.take(spec, report)


def test_two_drivers_train_every_trial_once_and_both_see_the_end(phase):
    alone = Phase("confirm", phase.folder / "alone")
    alone.train()
    first, second = driver(phase, "a"), driver(phase, "b")
    trained = []
    while first.left or second.left:
        for trials in (first, second):
            if spec := trials.next():
                trained.append(spec.id)
                train(trials, spec)
    assert len(trained) == len(set(trained)) == 6
    assert phase.comparable_rows() == alone.comparable_rows()


def test_a_trial_of_a_lost_driver_is_taken_over_once_its_heartbeat_is_old(phase):
    clock = Clock()
    lost, living = driver(phase, "a", clock), driver(phase, "b", clock)
    held = lost.next()
    while spec := living.next():
        train(living, spec)
        clock.now += 2
    assert (living.left, living.any_free()) == (1, False)
    clock.now += STALE_SECONDS + 1
    assert living.any_free()
    assert living.next().id == held.id


def test_while_others_hold_the_rest_a_queue_with_running_trials_waits(phase):
    first, second = driver(phase, "a"), driver(phase, "b")
    queue = TrialQueue(second)
    assert isinstance(queue.suggest("mine"), dict)
    while first.next():
        pass
    assert queue.suggest("next") is None  # one of those drivers may be lost
    queue.on_trial_complete("mine")
    assert queue.suggest("next") == TrialQueue.FINISHED


def test_a_driver_claims_no_more_trials_than_it_can_run(phase, monkeypatch):
    session = SimpleNamespace(
        store=phase.store, print=lambda *_: None, options=RunOptions(results=str(phase.folder)), budget=None,
        context=lambda: phase.source.context,
    )  # fmt: skip
    asked = []

    def run(trials, table, limit):
        asked.append(limit(SimpleNamespace(fits=lambda: 2))())
        while spec := trials.next():
            train(trials, spec)

    session.run = run
    confirm_shared(phase.study, session, driver(phase, "a").claims)
    assert asked == [2]
    assert len(phase.rows()) == 6


def test_one_idle_driver_stands_by_and_the_others_leave(phase):
    busy, standing, leaving = (driver(phase, name) for name in "abc")
    running = []
    while spec := busy.next():
        running.append(spec)
    said = []
    thread = threading.Thread(target=run_shared, args=(standing, lambda: None, said.append))
    thread.start()
    while not said:
        pass
    run_shared(leaving, lambda: pytest.fail("nothing can begin"), said.append)
    assert said == ["6 left in other processes; this one stands by, in case one of them is lost"]
    for spec in running:
        train(busy, spec)
    thread.join(30)
    assert (thread.is_alive(), standing.left) == (False, 0)


def test_a_driver_that_works_again_leaves_its_place_to_another(phase):
    clock = Clock()
    lost, standing = driver(phase, "a", clock), driver(phase, "b", clock)
    while lost.next():
        pass
    assert standing.claims.take(shared.STANDBY)
    clock.now += STALE_SECONDS + 1

    def run():
        assert shared.STANDBY not in standing.claims.mine
        while spec := standing.next():
            train(standing, spec)

    standing.any_free()
    clock.now += STALE_SECONDS + 1
    run_shared(standing, run, lambda _: None)
    assert standing.left == 0


def test_a_trial_that_tune_gave_up_can_be_claimed_again(phase):
    trials = driver(phase, "a")
    spec = trials.next()
    assert trials.again(spec)
    assert trials.waiting[-1] is spec
    assert trials.any_free()
    assert not trials.again(spec)


def test_the_search_runs_in_one_driver_and_the_others_wait_for_its_winners(phase):
    first, second = driver(phase, "a"), driver(phase, "b")
    said, frozen = [], []
    claim_search(first.claims, lambda: False, said.append)
    assert said == []

    def is_frozen():
        if said:
            frozen.append(True)
        return len(frozen) > 2

    claim_search(second.claims, is_frozen, said.append)
    assert said == ["another process runs the search; this one waits for its winners"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--address", "auto"],
            "--shared: needs a folder that all machines mount, and a Ray on each of",
        ),
        (["--only", "abc"], "--shared: one trial needs no sharing"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_one_line(tmp_path, capsys, options, expected):
    assert main(["run", "demo", "--shared", "--results", str(tmp_path), *options]) == 2
    errors = capsys.readouterr().err
    assert expected in errors
    assert len(errors.splitlines()) == 1
