"""Budgets through `ablate run`: dropped seed blocks, resumption, raised and late budgets, and what the report says."""

import json

import pytest

from tests.helpers.ablate import TINY

STUDY = TINY.replace("seeds=(0, 1)", "seeds=range(6)")
SLOW = {"PRETEND_EPOCH_SECONDS": "0.5"}
"""A trial takes one second."""
PRICES = "currency: EUR\nmachines: {default: 3600.0}\n"
"""A second of a whole machine costs one euro, so that costs are seconds times the share of the machine."""


@pytest.fixture
def folder(ablate):
    (ablate.folder / "tiny.py").write_text(STUDY)
    return ablate.folder


def plan_of(folder):
    return json.loads((folder / "results/tiny/study.json").read_text())


def run(ablate, *options, **environment):
    return ablate("run", "tiny.py", "--jobs", "1", *options, **environment)


def test_a_budget_drops_whole_seeds_and_a_larger_one_is_an_extension(ablate, folder):
    first = run(ablate, "--max-hours", f"{6.5 / 3600:.6f}", **SLOW)
    assert first.returncode == 0, first.stderr
    assert "ends the study after" in first.stdout
    note = plan_of(folder)["budget"]
    bought = note["ended"]["seeds"]
    assert note["declared"] is True
    assert 2 <= len(bought) <= 3
    assert bought == list(range(len(bought)))
    assert note["ended"]["spent"]["hours"] <= 6.5 / 3600 * 1.2

    again = run(ablate, "--max-hours", f"{6.5 / 3600:.6f}", **SLOW)
    assert again.returncode == 0
    assert f"all {2 * len(bought)} trials already have records" in again.stdout
    kept = run(ablate)  # a run without a budget keeps that of the plan
    assert f"all {2 * len(bought)} trials already have records" in kept.stdout

    report = ablate("report", "tiny.py")
    assert f"The budget ended this study, not the evidence: {len(bought)} of 6 seeds" in report.stdout
    assert "interim" not in report.stdout
    assert f"{len(bought)} of 6 seeds" in ablate("status", "tiny.py").stdout

    refused = run(ablate, "--max-hours", "1")
    assert refused.returncode == 2
    assert "--extend" in refused.stderr
    assert f"6 instead of {len(bought)} seeds" in refused.stderr
    extended = run(ablate, "--max-hours", "1", "--extend")
    assert extended.returncode == 0, extended.stderr
    assert "ended" not in plan_of(folder)["budget"]
    assert plan_of(folder)["extended"][0]["from"] == len(bought)
    assert "Extended after looking: no verdict" in ablate("report", "tiny.py").stdout


def test_money_is_counted_over_all_runs_and_a_late_budget_gives_no_verdict(ablate, folder):
    (folder / "prices.yaml").write_text(PRICES)
    half = run(ablate, "--seeds", "3", **SLOW)
    assert half.returncode == 0, half.stderr
    late = run(ablate, "--extend", "--max-cost", "1.0", "--prices", "prices.yaml", **SLOW)
    assert late.returncode == 0, late.stderr
    assert "of 1 EUR ends the study after 3 of 6 seeds" in late.stdout
    note = plan_of(folder)["budget"]
    assert note["declared"] is False
    assert note["ended"]["spent"]["cost"] > 1.0
    assert "given or lowered after results could be seen" in ablate("report", "tiny.py").stdout


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--max-hours", "0"], "--max-hours: must be a number above 0, got 0"),
        (["--max-gpu-hours", "-1"], "--max-gpu-hours: must be a number above 0, got -1"),
        (["--max-cost", "nan", "--prices", "p.yaml"], "--max-cost: must be a number above 0, got nan"),
        (["--max-cost", "3"], "--max-cost: requires --prices with a file of machine prices, got --max-cost 3"),
        (["--prices", "p.yaml"], "--prices: belongs to --max-cost; give both or none, got 'p.yaml'"),
        (["--max-cost", "3", "--prices", "absent.yaml"], "--prices: must be a file that can be read"),
        (["--max-cost", "3", "--prices", "typo.yaml"], "there is no field 'machine'; did you mean machines?"),
        (["--max-cost", "3", "--prices", "text.yaml"], "machines.a100: must be the price of an hour"),
        (["--max-cost", "3", "--prices", "hosts.yaml"], "hosts.dgx-*: must be a type of machines; did you mean a100?"),
        (["--max-cost", "3", "--prices", "p.yaml"], "--prices: no price for this machine of type unknown on host"),
        (["--max-hours", "1", "--only", "x"], "--only: one trial is run without a budget; drop one of the two"),
    ],
)
def test_bad_budgets_end_with_one_line(ablate, folder, options, line):
    (folder / "p.yaml").write_text("machines: {a100: 2.5}\n")
    (folder / "typo.yaml").write_text("machine: {a100: 2.5}\n")
    (folder / "text.yaml").write_text("machines: {a100: cheap}\n")
    (folder / "hosts.yaml").write_text("machines: {a100: 2.5}\nhosts: {'dgx-*': a10}\n")
    done = run(ablate, *options)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "results").exists()


def test_plan_says_what_a_budget_buys(ablate, folder):
    nothing = ablate("plan", "tiny.py", "--max-gpu-hours", "2")
    assert "what 2 GPU-hours buys: unknown, there are no records of similar trials" in nothing.stdout
    assert run(ablate, **SLOW).returncode == 0
    said = ablate("plan", "tiny.py", "--max-hours", "0.1").stdout
    assert "what 0.1 hours buys" in said
    assert "finds, twice as much" in said
    assert "from 6 seeds; do not test with these seeds again" in said
