"""Values that no honest set of seeds gives: copied runs give no verdict, a collapsed seed is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ablations.cli.parser import main
from analysis.report.cells import rates_line
from analysis.results.analyse import analyse, analyse_table
from analysis.results.guards import COPIED, copied
from analysis.stats.pairing import pair
from analysis.study.ledger import make_ledger
from analysis.study.records import Record
from analysis.study.study_file import make_plan
from analysis.study.table import TableOptions

OPTIONS = TableOptions(arm="arm", seed="seed", metric="acc", baseline="CE", sesoi=0.5)


def table(**arms):
    rows = [(arm, seed, value) for arm, values in arms.items() for seed, value in enumerate(values)]
    return dict(zip(("arm", "seed", "acc"), map(list, zip(*rows, strict=True)), strict=True))


def notices(document):
    return {notice["key"]: notice["text"] for notice in document["notices"]}


FIVE = [74.92, 75.13, 75.41, 74.66, 75.27]
COPIES = table(CE=2 * FIVE, A=2 * [v + g for v, g in zip(FIVE, (0.9, 0.35, 0.6, 0.2, 0.75), strict=True)])
TEN = [*FIVE, 75.02, 74.9, 75.1, 75.0, 75.2]
COLLAPSED = table(CE=[*FIVE, 75.0, 75.33, 74.81, 75.09, 31.0], A=[v + 0.2 for v in TEN])


def test_five_runs_copied_under_other_seeds_give_no_verdict():
    document = analyse_table(COPIES, OPTIONS)
    (c,) = document["comparisons"]
    assert c["p_t"] < 0.01  # it would have been called better
    assert (c["verdict"], c["reason"]) == ("no verdict", COPIED)
    assert notices(document)["copied_seeds"].startswith(
        "Identical values under different seeds: no verdict on 1 of 1 comparison."
    )
    assert analyse_table(table(CE=FIVE, A=[v + 0.5 for v in FIVE[::-1]]), OPTIONS)["comparisons"][0]["reason"] == ""


RNG = np.random.default_rng(4)


def normal(n):
    return RNG.normal(75, 0.3, n).tolist()


@pytest.mark.parametrize("times", [(5, 2), (4, 2), (3, 2), (3, 3)])
@pytest.mark.parametrize("digits", [16, 4, 2])
def test_copies_are_found_whatever_the_values(times, digits):
    n, k = times
    for _ in range(20):
        ours, base = ([round(v, digits) for v in k * normal(n)] for _ in range(2))
        if digits > 2 or n > 3:
            assert analyse_table(table(CE=base, A=ours), OPTIONS)["comparisons"][0]["reason"] == COPIED


COPIED_ONCE = normal(10)


@pytest.mark.parametrize(
    ("ours", "base"),
    [
        (2 * normal(5), normal(10)),  # one arm alone
        ([75.823456789123] * 9 + [75.1], normal(10)),
        ([*COPIED_ONCE[:9], COPIED_ONCE[0]], normal(10)),  # one seed of ten
    ],
)
@pytest.mark.parametrize("unpaired", [False, True])
def test_copies_in_one_arm_are_found(ours, base, unpaired):
    options = replace(OPTIONS, unpaired=unpaired)
    assert analyse_table(table(CE=base, A=ours), options)["comparisons"][0]["reason"] == COPIED


def test_a_few_equal_rounded_values_are_no_copies():
    values = [75.1, 75.3, 75.1, 74.8, 75.0, 75.3, 74.9, 75.2, 75.1, 75.4]
    ours = [75.6, 75.9, 75.6, 75.1, 75.7, 75.7, 75.5, 75.8, 75.4, 75.9]
    assert analyse_table(table(CE=values, A=ours), OPTIONS)["comparisons"][0]["verdict"] == "better"
    assert analyse_table(table(CE=[99.5, 100, 100, 100], A=4 * [100]), OPTIONS)["comparisons"][0]["reason"] != COPIED


def test_a_method_without_chance_may_have_one_value_under_every_seed():
    (c,) = analyse_table(table(CE=FIVE, A=[76.9] * 5), OPTIONS)["comparisons"]
    assert c["verdict"] == "better"


def studied(losses):
    """A study whose accuracies differ between seeds, with the losses given."""
    arms = [{"arm": a, "settings": {"m": a}, "block": "b", "baseline": a == "CE"} for a in ("CE", "A")]
    family = {"family": "b", "role": "primary", "correction": "holm", "baseline": "CE", "treatments": ["A"]}
    given = {"study": "s", "metric": "test_top1", "direction": "max", "seeds": list(range(5)), "error_rate": "study"}
    plan = make_plan({**given, "arms": arms, "families": [family]})
    rng = np.random.default_rng(1)
    records = [
        Record(f"{arm}{s}", "confirm", arm, s, "complete", 3, 3,
               {"test_top1": 0.9 + gain + rng.normal(0, 0.004), "test_loss": losses[arm][s]})
        for arm, gain in (("CE", 0.0), ("A", 0.05)) for s in range(5)
    ]  # fmt: skip
    return analyse(plan, records)


def test_two_records_with_one_loss_are_one_run():
    losses = {"CE": [0.31, 0.32, 0.33, 0.34, 0.35], "A": [0.21, 0.22, 0.23, 0.24, 0.25]}
    assert studied(losses)["comparisons"][0]["verdict"] == "better"
    losses["A"][4] = losses["A"][1]
    assert studied(losses)["comparisons"][0]["reason"] == COPIED


@pytest.mark.parametrize("failed", [2, 4, 5, 6])
@pytest.mark.parametrize("unpaired", [False, True])
def test_runs_that_end_at_the_accuracy_of_a_guess_are_collapsed_not_copied(failed, unpaired):
    ours = [10.0] * failed + normal(10 - failed)
    document = analyse_table(table(CE=normal(10), A=ours), replace(OPTIONS, unpaired=unpaired))
    (c,) = document["comparisons"]
    assert c["reason"] != COPIED
    assert [x["seed"] for x in c["collapsed"]] == list(range(failed))


def test_two_values_alone_tell_no_collapse_from_a_copy():
    ours = [10.0] * 5 + [75.2] * 5
    assert analyse_table(table(CE=normal(10), A=ours), OPTIONS)["comparisons"][0]["reason"] == COPIED


@pytest.mark.parametrize("correlation", [0.6, 0.95])
@pytest.mark.parametrize(("n", "images"), [(3, 450), (10, 90), (10, 450), (10, 10_000), (30, 450)])
def test_honest_accuracies_are_not_called_copies(n, images, correlation):
    """Rounded accuracies tie often, more so where a seed moves both arms alike; at most 1 of 300 is an alarm."""
    rng, alarms = np.random.default_rng(n + images), 0
    given = {"study": "s", "metric": "acc", "direction": "max", "seeds": [0], "arms": []}
    ledger = make_ledger(make_plan(given), [])
    for _ in range(300):
        shared = rng.normal(0.95, 0.006 * correlation**0.5, n)
        own = rng.normal(0, 0.006 * (1 - correlation) ** 0.5, (2, n))
        a, b = np.round(images * np.minimum(shared + own, 1)) / images
        alarms += bool(copied(ledger, ("a", "b"), pair(dict(enumerate(a)), dict(enumerate(b)))))
    assert alarms <= 1


def test_a_collapsed_seed_is_named_and_nothing_is_planned_from_it():
    document = analyse_table(COLLAPSED, OPTIONS)
    (c,) = document["comparisons"]
    assert [(x["arm"], x["seed"], x["value"]) for x in c["collapsed"]] == [("CE", 9, 31.0)]
    assert "Seed 9 of CE collapsed: 31, where the other seeds have 74.7 to 75.4." in c["sentence"]
    assert notices(document)["collapsed"].startswith("Collapsed: seed 9 of CE, far on the worse side")
    assert c["feasibility"]["seeds_for_effect"] is c["feasibility"]["detectable"] is None
    assert rates_line(document).endswith("It does not hold where a seed collapsed.")
    assert c["feasibility_line"].startswith("A seed collapsed: ")
    assert "80 % power" not in c["sentence"]


def test_two_collapsed_seeds_do_not_hide_each_other():
    document = analyse_table(table(CE=[*FIVE, 75.0, 75.33, 74.81, 31.0, 30.0], A=[v + 0.2 for v in TEN]), OPTIONS)
    (c,) = document["comparisons"]
    assert [(x["seed"], x["value"]) for x in c["collapsed"]] == [(8, 31.0), (9, 30.0)]
    assert "80 % power" not in c["sentence"]


def test_honest_seeds_rarely_collapse():
    rng = np.random.default_rng(2)
    values = [table(CE=rng.normal(75, 0.3, 10).tolist(), A=rng.normal(75, 0.3, 10).tolist()) for _ in range(50)]
    assert not any("collapsed" in notices(analyse_table(v, OPTIONS)) for v in values)


def test_a_lucky_seed_is_no_collapse():
    assert "collapsed" not in notices(analyse_table(table(CE=FIVE, A=[*FIVE[:4], 99.0]), OPTIONS))


@pytest.mark.parametrize(("given", "key"), [(COPIES, "copied_seeds"), (COLLAPSED, "collapsed")])
def test_the_command_line_prints_what_is_wrong(tmp_path, capsys, given, key):
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(["arm,seed,acc", *(f"{a},{s},{v}" for a, s, v in zip(*given.values(), strict=True))]))
    options = ["--arm", "arm", "--seed", "seed", "--metric", "acc", "--baseline", "CE", "--out", str(tmp_path)]
    assert main(["report", "--table", str(file), *options]) == 0
    shown = capsys.readouterr().out
    report = json.loads(next(tmp_path.rglob("report.json")).read_text())
    assert key in notices(report)
    assert "better" not in {c["verdict"] for c in report["comparisons"]}
    assert {"collapsed": "note: Collapsed: seed 9 of CE", "copied_seeds": COPIED}[key] in shown


def test_the_numbers_of_a_collapse_are_written_like_all_others():
    losses = {"CE": [*(0.1 + s / 1000 for s in range(9)), -0.31], "A": [0.1 + s / 990 for s in range(10)]}
    (c,) = analyse_table(table(**losses), OPTIONS)["comparisons"]
    assert "collapsed: −0.31, where the other seeds have 0.10 to 0.11." in c["sentence"]
