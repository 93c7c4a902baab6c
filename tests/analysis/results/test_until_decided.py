"""`decide`: which comparisons the seeds so far decide, whatever order the records come in."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import decide
from analysis.errors import ReportError
from analysis.report.page import make_page
from analysis.report.writers.markdown import render
from analysis.results.analyse import analyse, summary_of
from analysis.results.seeds.until_decided import OVERLAPPING, seeds_wanted
from analysis.study.ledger import AHEAD
from tests.analysis.rates.reports import family, records, study

GAPS = {"win": 1.2, "loss": -1.2, "same": 0.0}
SEEDS = 30


def values(seeds=SEEDS, noise=0.3):
    rng = np.random.default_rng(1)
    shared = 75 + rng.normal(0, 1, seeds)
    return {"base": shared, **{name: shared + gap + rng.normal(0, noise, seeds) for name, gap in GAPS.items()}}


def plan(seeds=SEEDS, **changes):
    return study([family("b", "base", list(GAPS))], seeds, **{"stop": "decided", **changes})


ROWS = records(values())


def by_name(decisions):
    return {c.treatment: c for c in decisions.comparisons}


def until(seeds, rows=ROWS):
    return [r for r in rows if r.seed < seeds]


def test_large_differences_are_decided_soon_and_need_no_more_seeds():
    found = decide(plan(), until(12))
    win, loss, same = (by_name(found)[name] for name in GAPS)
    assert (win.verdict, loss.verdict, same.verdict) == ("better", "worse", "inconclusive")
    assert 6 <= win.decided_at <= 12
    assert win.seeds == win.decided_at
    assert 0 < win.low <= 0.012 <= win.high
    assert loss.high < 0
    assert same.low < 0 < same.high
    assert found.open_arms == ("base", "same")
    assert not found.finished


def test_less_is_better_where_the_plan_says_so():
    found = by_name(decide(plan(direction="min"), until(12)))
    assert (found["win"].verdict, found["loss"].verdict) == ("worse", "better")


def test_with_a_margin_an_equal_arm_is_called_equivalent_and_the_study_ends():
    found = decide(plan(sesoi=0.004), ROWS)
    same = by_name(found)["same"]
    assert same.verdict == "equivalent"
    assert same.low > -0.004
    assert same.high < 0.004
    assert found.finished
    assert found.open_arms == ()


def test_two_seeds_decide_nothing_and_all_arms_go_on():
    found = decide(plan(), until(2))
    assert {c.verdict for c in found.comparisons} == {"inconclusive"}
    assert {(c.low, c.reason) for c in found.comparisons} == {(None, "not decided after 2 seeds")}
    assert found.open_arms == ("base", *GAPS)
    assert decide(plan(), []).open_arms == ("base", *GAPS)


def test_records_that_ran_ahead_or_came_in_another_order_change_nothing():
    first = [r for r in ROWS if r.seed < 8 or (r.arm == "win" and r.seed > 12)]
    assert decide(plan(), first[::-1]) == decide(plan(), until(8))
    late = [r for r in ROWS if (r.arm, r.seed) != ("same", 4)]
    assert by_name(decide(plan(), late))["same"].seeds == 4


def test_seeds_after_a_decision_change_nothing():
    early, late = by_name(decide(plan(), until(12))), by_name(decide(plan(), ROWS))
    assert early["win"] == late["win"]


def test_the_largest_number_of_seeds_ends_the_study_without_a_decision():
    found = decide(plan(), ROWS)
    assert by_name(found)["same"].reason == "not decided after the largest number of 30 seeds"
    assert found.finished


def test_a_diverged_seed_blocks_its_comparison_alone_and_a_failed_one_waits():
    def with_status(status):
        return [
            replace(r, status=status, metrics={}) if (r.arm, r.seed) == ("same", 4) else r for r in until(12)
        ]  # fmt: skip

    diverged = decide(plan(), with_status("diverged"))
    assert by_name(diverged)["same"].reason == "seed 4 of same diverged, and no seed may be left out"
    assert diverged.finished
    assert decide(plan(), with_status("failed")).open_arms == ("base", "same")


def test_copied_runs_are_refused_and_get_no_more_seeds():
    five = {name: np.tile(v[:5], 4) for name, v in values().items()}
    found = decide(plan(20), records(five))
    assert {c.verdict for c in found.comparisons} == {"no verdict"}
    assert found.finished


def test_comparisons_of_one_role_are_corrected_together_over_blocks():
    both = study([family("b", "base", ["win"]), family("c", "base", ["same"])], SEEDS, stop="decided")
    alone = study([family("b", "base", ["win"])], SEEDS, stop="decided")
    p = [by_name(decide(one, until(5)))["win"].p_adjusted for one in (both, alone)]
    assert p[0] == pytest.approx(2 * p[1])


def test_moving_test_splits_are_refused():
    own = [replace(r, origin={"test_pool_sha256": f"pool of {r.seed}"}) for r in until(12)]
    found = decide(plan(), own)
    assert {c.verdict for c in found.comparisons} == {"no verdict"}
    assert found.comparisons[0].reason == OVERLAPPING


def test_a_plan_with_a_fixed_number_of_seeds_is_refused():
    with pytest.raises(ReportError, match="stop must be 'decided' to decide after any seed, got ''"):
        decide(plan(stop=None), ROWS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": "soon"}, "stop: must be 'decided' or absent, got 'soon'"),
        ({"looks": [5, 30]}, r"looks: leave them out with stop='decided'.*got \(5, 30\)"),
        ({"mixture": 0}, "mixture: must be a number above 0, got 0"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_in_one_line(changes, message):
    with pytest.raises(ReportError, match=message):
        plan(**changes)


def test_fewer_seeds_than_can_decide_are_refused():
    with pytest.raises(ReportError, match="seeds: 3 comparisons can be decided by 6 seeds or more, got 5"):
        plan(5)


def test_each_arm_needs_the_seeds_of_its_comparisons_and_the_baseline_the_most_of_all():
    found = decide(plan(), until(12))
    at = {c.treatment: c.decided_at for c in found.comparisons}
    assert seeds_wanted(plan(), found) == {"base": SEEDS, "win": at["win"], "loss": at["loss"], "same": SEEDS}
    ended = decide(plan(sesoi=0.004), ROWS)
    assert max(c.decided_at for c in ended.comparisons) == seeds_wanted(plan(), ended)["base"] < SEEDS


def test_a_seed_that_diverged_was_needed_and_later_ones_are_not():
    rows = [replace(r, status="diverged", metrics={}) if (r.arm, r.seed) == ("same", 8) else r for r in ROWS]
    assert seeds_wanted(plan(), decide(plan(), rows))["same"] == 9


def test_the_report_has_the_same_verdicts_and_intervals():
    rows = until(12)
    found = by_name(decide(plan(), rows))
    for c in summary_of(plan(), rows)["comparisons"]:
        one = found[c["treatment"]]
        assert (c["verdict"], c["n"], c["reason"]) == (one.verdict, one.evidence_at or one.seeds, "")
        assert c["difference"] == pytest.approx(one.difference, rel=1e-12)
        assert (c["ci_verdict_low"], c["ci_verdict_high"]) == (one.low, one.high)
        assert c["p_adjusted"] == one.p_adjusted


def test_the_sentences_say_when_it_was_decided_and_of_how_many_seeds():
    win, loss, same = (c["sentence"] for c in summary_of(plan(), until(12))["comparisons"])
    at = by_name(decide(plan(), until(12)))["win"].decided_at
    assert win.startswith("win is above base by 1.")
    assert "confidence sequence +0." in win
    assert f"decided after {at} of at most 30 seeds" in win
    assert "anytime-valid p = " in win
    assert "Holm over 3 comparisons" in win
    assert loss.startswith("loss is below base by 1.")
    assert same.startswith("Between same and base nothing is decided after 12 of at most 30 seeds (")
    assert "Further seeds may decide it." in same
    assert "paired t" not in win + loss + same


def test_records_that_ran_ahead_change_no_number_and_are_named():
    early = until(12)
    at = by_name(decide(plan(), early))["win"].decided_at
    wanted = seeds_wanted(plan(), decide(plan(), early))
    exact = [r for r in early if r.seed < wanted[r.arm]]
    ahead, clean = (summary_of(plan(), rows, ["until_decided"]) for rows in (early, exact))
    for key in ("arms", "comparisons"):
        assert ahead[key] == clean[key]
    assert {e["reason"] for e in ahead["ledger"]["exclusions"]} == {AHEAD}
    named = {a["arm"]: a["seeds"] for a in ahead["until_decided"]["ahead"]}
    assert named["win"] == list(range(at, 12))
    assert clean["until_decided"]["ahead"] == []


def test_what_was_saved_is_counted_against_the_largest_number_in_every_arm():
    wanted = seeds_wanted(plan(), decide(plan(), ROWS))
    rows = [replace(r, seconds=2.0) for r in ROWS if r.seed < wanted[r.arm]]
    found = summary_of(plan(), rows, ["until_decided"])["until_decided"]
    assert found["trials"] == len(rows) == sum(wanted.values())
    assert found["trials_at_most"] == 4 * SEEDS
    assert found["seconds"] == 2.0 * len(rows)
    assert found["seconds_saved"] == 2.0 * (4 * SEEDS - len(rows))
    assert found["first"] == 6


def test_the_sequence_of_the_figure_excludes_zero_at_the_decision_and_at_no_seed_before():
    for one in summary_of(plan(), ROWS, ["until_decided"])["until_decided"]["comparisons"]:
        known = [(low, high) for low, high in zip(one["low"], one["high"], strict=True) if low is not None]
        outside = [low > 0 or high < 0 for low, high in known]
        assert any(outside) == (one["verdict"] in ("better", "worse"))
        if any(outside):
            assert outside.index(True) == len(outside) - 1
            assert len(one["low"]) == one["decided_at"]


def test_an_unfinished_study_says_that_its_verdicts_stand_and_a_finished_one_says_nothing():
    notices = [[n["key"] for n in summary_of(plan(), rows)["notices"]] for rows in (until(12), ROWS)]
    assert notices == [["undecided"], []]


def test_an_ablation_family_is_exploratory_until_a_primary_comparison_is_won():
    two = [family("p", "base", ["same"]), family("a", "base", ["win"], role="ablation")]
    roles = [c["role"] for c in summary_of(study(two, SEEDS, stop="decided"), ROWS)["comparisons"]]
    assert roles == ["primary", "exploratory"]
    two = [family("p", "base", ["win"]), family("a", "base", ["loss"], role="ablation")]
    roles = [c["role"] for c in summary_of(study(two, SEEDS, stop="decided"), ROWS)["comparisons"]]
    assert roles == ["primary", "ablation"]


def test_nothing_that_holds_for_a_fixed_number_of_seeds_is_on_the_page():
    page = make_page(analyse(plan(sesoi=0.001), ROWS))
    shown = "\n".join(render(page).splitlines())
    for word in (
        "sign-flip",
        "(Wilcoxon)",
        "80 % power",
        "extended after looking",
        "interim",
        "t-interval, not corrected",
    ):
        assert word not in shown
    assert "Seeds until it was decided" in shown
    assert "stopping saved" in shown
