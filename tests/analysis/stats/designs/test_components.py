"""Variance components: against statsmodels' mean squares, by hand, and the coverage of their bounds."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols

from analysis.stats.designs.components import FIX, RANDOMISE, UNCLEAR, variance_components

NAMES = ("init", "order")


def design(rng, sds, shape=(5, 5), rest=0.3):
    rows, columns = (rng.normal(0, sd, n) for sd, n in zip(sds, shape, strict=True))
    return 75 + rows[:, None] + columns[None, :] + rng.normal(0, rest, shape)


def by_name(values, names=NAMES):
    return {"×".join(c.sources): c for c in variance_components(values, names)}


def test_mean_squares_f_and_components_are_those_of_the_two_way_analysis():
    values = design(np.random.default_rng(0), (1.0, 0.4), (4, 6))
    frame = pd.DataFrame([(i, j, values[i, j]) for i, j in np.ndindex(4, 6)], columns=["i", "j", "y"])
    table = sm.stats.anova_lm(ols("y ~ C(i) + C(j)", frame).fit())
    found = by_name(values)
    squares = table["mean_sq"].tolist()
    assert [found[k].mean_square for k in ("init", "order", "init×order")] == pytest.approx(squares)
    assert [found[k].p for k in NAMES] == pytest.approx(table["PR(>F)"].tolist()[:2])
    assert found["init"].variance == pytest.approx((squares[0] - squares[2]) / 6)
    assert found["order"].variance == pytest.approx(max(0, (squares[1] - squares[2]) / 4))
    assert found["init×order"].variance == pytest.approx(squares[2])
    assert sum(c.share for c in found.values()) == pytest.approx(1)


def test_a_lower_bound_is_above_zero_exactly_where_f_rejects():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(300):
        found = by_name(design(rng, (0.2, 0.0)))
        rejected = found["init"].f > stats.f.isf(0.025, 4, 16)
        assert (found["init"].low > 0) == rejected
        seen.add(bool(rejected))
    assert seen == {True, False}


def test_three_sources_have_unbiased_components():
    """The mean square of a source is measured against its interactions, not against the noise alone."""
    rng, sums = np.random.default_rng(2), np.zeros(3)
    for _ in range(1500):
        a, b = rng.normal(0, 1.0, (4, 1, 1)), rng.normal(0, 0.5, (1, 4, 1))
        ab, noise = rng.normal(0, 0.7, (4, 4, 1)), rng.normal(0, 0.3, (4, 4, 3))
        found = {c.sources: c for c in variance_components(a + b + ab + noise, ("a", "b", "c"))}
        a_against = found["a", "b"].mean_square + found["a", "c"].mean_square - found["a", "b", "c"].mean_square
        sums += [
            (found["a",].mean_square - max(0.0, a_against)) / 12,
            (found["a", "b"].mean_square - found["a", "b", "c"].mean_square) / 3,
            found["a", "b", "c"].variance,
        ]
        if a_against > 0:
            assert found["a",].variance == pytest.approx(max(0.0, (found["a",].mean_square - a_against) / 12))
    assert sums / 1500 == pytest.approx([1.0, 0.49, 0.09], rel=0.12)


def test_advice_names_what_to_randomise_and_what_may_be_fixed():
    rng = np.random.default_rng(3)
    clear = by_name(design(rng, (3.0, 0.0), (12, 12), 0.5))
    assert (clear["init"].advice, clear["order"].advice) == (RANDOMISE, FIX)
    assert clear["init×order"].advice == ""
    few = by_name(design(rng, (0.1, 0.1), (3, 3), 1.0))
    assert {few[name].advice for name in NAMES} <= {UNCLEAR, FIX}


def test_no_spread_gives_nothing_and_a_source_of_one_level_is_refused():
    assert variance_components(np.full((3, 3), 0.5), NAMES) == ()
    with pytest.raises(ValueError, match=r"values: one axis of two levels or more for each of 2 sources, got \(1, 5\)"):
        variance_components(np.ones((1, 5)), NAMES)


def test_every_source_has_bounds_also_where_its_interactions_are_below_the_noise():
    """With three sources the mean square to measure against is a difference, which may be below zero."""
    rng, below = np.random.default_rng(4), 0
    for _ in range(60):
        found = variance_components(rng.normal(0, 1, (3, 3, 3)), ("a", "b", "c"))
        below += sum(c.f is None for c in found[:3])
        assert all(0 <= c.low <= c.high for c in found[:-1])
        assert found[-1].low is None
    assert below > 0
