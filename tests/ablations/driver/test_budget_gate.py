"""Which seed blocks a budget lets begin, what it counts, and what it drops."""

import pytest

from ablations.design.budgets.limits import Budget
from ablations.design.budgets.prices import Prices
from ablations.driver.budget.gate import BudgetGate
from ablations.driver.budget.hold import may_begin_candidate
from ablations.driver.confirm import make_confirm_trials
from ablations.errors import StudyError
from ablations.state.pending import read_study_state
from ablations.state.spending import Spending, check_priced
from tests.helpers.engine import Phase

ROW = {
    "arm": "CE", "seed": 0, "phase": "confirm", "status": "complete", "tune_number": None, "earlier_seconds": None,
    "started_at": "2026-11-26T12:00:00.000+00:00", "seconds": 3600.0, "epochs_reached": 10, "epochs_planned": 10,
    "device": "cuda", "host": "dgx-1", "machine": None, "machine_share": 0.5, "gpus": 1.0,
}  # fmt: skip
PRICES = Prices({"a100": 4.0, "cpu": 1.0}, {"dgx-*": "a100"}, "EUR")


def row(number, **changes):
    return {**ROW, "trial_id": f"t{number}", **changes}


def spend(*rows, prices=PRICES):
    return Spending(prices, rows)


def test_failed_stopped_diverged_and_tuning_trials_count():
    rows = [
        row(0),
        row(1, status="failed", gpus=0.5),
        row(2, status="stopped", phase="tune", tune_number=0, earlier_seconds=None),
        row(3, status="diverged", earlier_seconds=7200.0),
    ]
    used = spend(*rows).used()
    assert used.gpu_hours == pytest.approx(1 + 0.5 + 1 + 3)
    assert used.cost == pytest.approx((1 + 1 + 1 + 3) * 0.5 * 4.0)
    assert used.hours == pytest.approx(1 + 2)  # all at the same time, and the two lost hours


def test_hours_are_those_in_which_at_least_one_trial_runs():
    later = [row(1, started_at="2026-11-26T12:30:00.000+00:00"), row(2, started_at="2026-11-27T12:00:00.000+00:00")]
    assert spend(row(0), *later).used().hours == pytest.approx(1.5 + 1)


def test_the_seeds_of_a_candidate_take_turns():
    seeds = [row(n, phase="tune", tune_number=4, seconds=1800.0) for n in range(2)]
    assert spend(*seeds).used().hours == pytest.approx(1.0)


def test_records_of_older_versions_count_a_gpu_by_their_device_and_a_whole_machine():
    old = {"gpus": None, "machine_share": None, "machine": None}
    used = spend(row(0, **old), row(1, **old, device="cpu")).used()
    assert (used.gpu_hours, used.cost) == (pytest.approx(1.0), pytest.approx(8.0))


def test_what_a_trial_takes_is_taken_from_its_arm_else_from_the_study_else_from_the_epochs_of_a_search():
    both = spend(row(0), row(1, arm="CE+Sil", seconds=7200.0))
    assert both.expected("CE+Sil", 10).hours == pytest.approx(2.0)
    assert both.expected("other", 10).hours == pytest.approx(1.5)
    tuned = spend(row(0, phase="tune", tune_number=0, epochs_reached=5))
    assert tuned.expected("CE", 10).hours == pytest.approx(2.0)
    assert spend().expected("CE", 10) is None


def test_a_machine_without_a_price_is_refused_and_one_that_comes_later_is_the_dearest():
    with pytest.raises(StudyError, match=r"no price for this machine of type gpu on host laptop.*did you mean cpu"):
        check_priced(PRICES, [("gpu", "laptop")], "this machine")
    assert spend(row(0, host="laptop")).used().cost == pytest.approx(2.0)


@pytest.fixture
def phase(tmp_path):
    return Phase("confirm", tmp_path)


def gated(phase, limit, each, clock=lambda: 0.0, slots=1.0):
    """The confirm phase with a budget of GPU-hours, in which each trial takes `each` of them."""
    state = read_study_state(phase.study, phase.store)
    trials = make_confirm_trials(state.to_run, phase.source.context)
    listed = [(spec, 8) for spec in trials.waiting]
    gate = BudgetGate(Budget(gpu_hours=limit), Spending(None), listed, phase.store, lambda: slots, clock=clock)
    gate.live, trials.gates = trials.live, [gate]
    add = gate.spending.add
    for found in phase.store.load().to_pylist(maps_as_pydicts="strict"):
        add({**found, "seconds": each * 3600, "gpus": 1.0})
    gate.spending.add = lambda found: add({**found, "seconds": each * 3600, "gpus": 1.0})
    return trials, gate


def train(phase, trials, spec):
    from ablations.workers.seed_group import SeedGroup

    group = SeedGroup(trials.context, spec)
    while not (report := group.step()).ended:
        trials.take(spec, report)
    trials.take(spec, report)


def run(phase, trials):
    while trials.left and (spec := trials.next()):
        train(phase, trials, spec)


@pytest.mark.parametrize(("limit", "seeds"), [(6.0, 3), (5.9, 2), (4.0, 2), (3.9, 1), (0.5, 1)])
def test_whole_seed_blocks_run_while_they_fit_and_the_arms_stay_paired(phase, limit, seeds):
    trials, gate = gated(phase, limit, 1.0)
    run(phase, trials)
    rows = phase.rows()
    assert {(r["arm"], r["seed"]) for r in rows} == {(arm, s) for arm in ("CE", "CE+Sil") for s in range(seeds)}
    assert gate.dropped == list(range(seeds, 3))
    assert gate.ended_by == ("gpu_hours" if seeds < 3 else "")


def test_the_second_block_waits_for_what_the_first_takes(phase):
    trials, _ = gated(phase, 4.0, 1.0)
    first, second = trials.next(), trials.next()
    assert {first.trials[0].seed, second.trials[0].seed} == {0}
    assert trials.next() is None
    assert trials.left == 4
    train(phase, trials, first)
    third = trials.next()
    assert third.trials[0].seed == 1


def test_trials_under_way_and_the_rest_of_their_block_count_as_used(phase):
    trials, gate = gated(phase, 5.0, 1.0)
    first = trials.next()
    train(phase, trials, first)
    begun = [trials.next() for _ in range(3)]
    assert [spec.trials[0].seed for spec in begun] == [0, 1, 1]
    assert trials.next() is None
    assert gate.dropped == [2]


def test_a_resumed_run_goes_on_counting_and_does_not_begin_a_block_that_no_longer_fits(phase):
    trials, _ = gated(phase, 4.0, 1.0)
    for _ in range(3):
        train(phase, trials, trials.next())
    again, gate = gated(phase.restart(), 4.0, 1.0)
    run(phase, again)
    assert len(phase.rows()) == 4
    assert gate.dropped == [2]
    nothing, gate = gated(phase.restart(), 4.0, 1.0)
    assert nothing.left == 0
    assert gate.dropped == [2]


def test_hours_of_a_block_depend_on_how_many_trials_run_at_once(phase):
    for slots, begins in ((1.0, False), (2.0, True)):
        trials, gate = gated(phase, 9.0, 1.0, slots=slots)
        gate.budget = Budget(hours=2.5)
        gate.spending.add(row(0, seconds=3600.0))
        assert (trials.next() is not None) is begins


def test_a_candidate_begins_while_it_fits_the_budget(phase):
    rows = [row(n, phase="tune", tune_number=n // 2) for n in range(4)]
    for found in rows:
        phase.store.write_record(found)
    assert may_begin_candidate(Budget(gpu_hours=6.0), phase.store, 2)("CE", 0)
    assert not may_begin_candidate(Budget(gpu_hours=6.0), phase.store, 2)("CE", 1)
    assert not may_begin_candidate(Budget(gpu_hours=4.0), phase.store, 2)("CE", 0)
    assert may_begin_candidate(None, phase.store, 2)("CE", 9)
