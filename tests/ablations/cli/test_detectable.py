"""What `ablate plan` and `ablate run` say about the seeds before anything runs."""

import pytest

from ablations.cli.detectable import correction, seed_line
from ablations.cli.parser import main
from ablations.design import measures
from ablations.design.loading import load_study
from ablations.design.seeds import rules
from ablations.design.study import make_study
from analysis.results import verdicts
from analysis.study import plan_checks
from tests.helpers.ablate import TINY


def study(**changes):
    base = {
        "question": "?",
        "factors": {"lambda_sil": (0.0, 0.05, 0.2, 1.0), "imbalance": ("none", "long_tail")},
        "fixed": {"imbalance_factor": 20},
        "baseline": {"lambda_sil": 0.0},
        "blocks": ("imbalance",),
        "seeds": range(10),
    }
    return make_study({**base, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("primary", 6)),
        ({"error_rate": "block"}, ("primary", 3)),
        ({"role": "ablation"}, ("ablation", 6)),
        ({"role": "exploratory"}, ("exploratory", 6)),
        (
            {
                "families": [
                    {"family": "a", "baseline": "λ=0 balanced", "treatments": ("λ=1 balanced",)},
                    {"family": "b", "role": "ablation", "baseline": "λ=0 balanced", "treatments": ("λ=0.2 balanced",)},
                ]
            },
            ("primary", 1),
        ),
        ({"factors": {"imbalance": ("none", "long_tail")}, "baseline": {}}, ("", 0)),
    ],
)
def test_the_comparisons_that_share_an_error_rate_are_counted(changes, expected):
    assert correction(study(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "line"),
    [  # statsmodels: TTestPower().solve_power(nobs=10, alpha=0.05 / m, power=0.8)
        (
            {},
            "10 seeds find a difference of 1.37 SD of the paired differences with 80 % power, at level 0.05 / 6",
        ),
        ({"error_rate": "block"}, "10 seeds find a difference of 1.22 SD of the paired differences"),
        ({"looks": (5, 10)}, "at level 0.0294 / 6 (6 primary comparisons)"),
        (  # 1.37 * sqrt(1 + 10 * 0.25 / 0.6): each seed draws a quarter of the samples to test on, and trains on 60 %
            {"fixed": {"imbalance_factor": 20, "vary": "all_and_test_split"}},
            "10 seeds find at best a difference of 3.12 SD of the paired differences",
        ),
        ({"seeds": (0, 1)}, "2 seeds: below 3 seeds there is no verdict"),
        ({"seeds": (0,)}, "1 seed: below 3 seeds there is no verdict"),
    ],
)
def test_the_line_says_what_the_seeds_can_show(changes, line):
    assert line in seed_line(study(**changes))


def test_a_study_that_compares_nothing_has_no_line():
    assert seed_line(study(factors={"imbalance": ("none", "long_tail")}, baseline={})) == ""


def test_study_and_report_have_the_same_limits():
    assert rules.MIN_SEEDS == verdicts.MIN_SEEDS
    assert measures.MAX_MARGIN == plan_checks.LARGEST_SHARE


def test_plan_and_run_print_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY)
    assert main(["plan", "tiny.py"]) == 0
    assert "2 seeds: below 3 seeds there is no verdict" in capsys.readouterr().out.splitlines()
    assert main(["plan", "tiny.py", "--seeds", "5"]) == 0
    assert seed_line(load_study("tiny.py").replaced(seeds=range(5))) in capsys.readouterr().out.splitlines()
    monkeypatch.setattr("ablations.driver.run.run_study", lambda study, options: 0)
    assert main(["run", "tiny.py"]) == 0
    assert "2 seeds: below 3 seeds there is no verdict" in capsys.readouterr().out.splitlines()
