"""What `ablate plan` says that a budget buys."""

import math

import pytest

from ablations import crossed
from ablations.cli.buying import Spread, buying_lines, source_lines
from ablations.design.budgets.limits import Amounts, Budget
from ablations.design.plan import adopt_plan
from ablations.design.study import make_study
from analysis.stats.designs.budget import purchases
from silhouette.results import Store
from tests.helpers.engine import Phase, small_study
from tests.helpers.pretend import PRETEND


def lines(budget, each, spread=Spread()):  # noqa: B008
    return list(buying_lines(small_study("confirm"), budget, each, spread, 2))


def test_the_limit_that_buys_the_fewest_seeds_counts():
    said = lines(Budget(hours=100.0, gpu_hours=20.0), Amounts(1.0, 1.0, 0.0))
    assert said[0] == "what 20 GPU-hours buys, at 1 GPU-hours a trial:"
    assert said[2].split()[:4] == ["1", "2", "10", "20"]
    assert said[2].split()[4:6] == ["0.996", "SD"]  # 1.00 at n = 10 in every table of power


def test_too_small_a_budget_and_unknown_trials_are_said():
    assert "fewer than 3 seeds" in lines(Budget(gpu_hours=2.0), Amounts(1.0, 1.0, 0.0))[1]
    assert "unknown, there are no records" in lines(Budget(gpu_hours=2.0), None)[0]
    assert "take none of it" in lines(Budget(gpu_hours=2.0), Amounts(1.0, 0.0, 0.0))[0]


def test_blocks_with_a_level_of_their_own_need_no_correction_over_blocks():
    apart = purchases(40, 1, 1.0, treatments=1, most_datasets=2, together=False)[1]
    alone = purchases(20, 1, 1.0, treatments=1, most_datasets=1)[0]
    assert apart.seeds == alone.seeds == 10
    assert apart.detectable == pytest.approx(alone.detectable)


def test_test_samples_that_seeds_share_widen_everything():
    plain, shared = (purchases(20, 1, 1.0, treatments=1, most_datasets=1, overlap=o)[0] for o in (0.0, 0.25))
    factor = math.sqrt(1 + 10 * 0.25)
    assert shared.detectable == pytest.approx(factor * plain.detectable)
    assert shared.equivalence == pytest.approx(factor * plain.equivalence)


def test_a_crossed_study_beside_says_which_source_may_be_fixed(tmp_path, monkeypatch):
    study = make_study(
        {
            "name": "s",
            "question": "What moves the runs?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
            "fixed": {"epochs": 2, "vary": "init*order"},
            "baseline": "CE",
            "seeds": crossed(2, 3),
            "experiment": PRETEND,
        }
    )
    phase = Phase("confirm", str(tmp_path), study)
    adopt_plan(study, phase.store, {})
    phase.train()
    adopt_plan(small_study("confirm").replaced(name="other"), Store(str(tmp_path), "other"), {})
    loaded, load = [], Store.load
    monkeypatch.setattr(Store, "load", lambda store, *columns: (loaded.append(store.study), load(store, *columns))[1])
    said = list(source_lines(Store(str(tmp_path), "new")))
    assert [line.partition(":")[0] for line in said] == [f"variance of one run in s, {a}" for a in ("CE", "CE+Sil")]
    assert set(loaded) == {"s"}  # the records of other studies may be many
