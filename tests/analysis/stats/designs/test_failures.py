"""Runs without a result rank last: exact p-values by hand and by enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from analysis.stats.designs.failures import failures_last


def arms(ours, theirs):
    return dict(enumerate(ours)), dict(enumerate(theirs))


def test_one_diverged_seed_no_longer_forbids_every_test():
    found = failures_last(*arms([0.9] * 9 + [0.8], [0.8 - i / 100 for i in range(9)] + [None]))
    assert (found.n, found.wins, found.losses, found.failed_baseline) == (10, 10, 0, 1)
    assert found.wilcoxon.p == found.sign.p == 2 / 2**10


def test_a_failure_has_the_largest_rank():
    found = failures_last(*arms([None, 0.9, 0.9, 0.9, 0.9, 0.9], [0.5, 0.8, 0.7, 0.6, 0.5, 0.4]))
    ranks, signs = np.array([6, 1, 2, 3, 4, 5]), np.array(list(itertools.product([0, 1], repeat=6)))
    sums = signs @ ranks
    assert found.wilcoxon.p == pytest.approx(np.mean(np.abs(sums - 10.5) >= abs(15 - 10.5)))
    assert found.sign.p == pytest.approx(stats.binomtest(5, 6).pvalue)


def test_two_failures_on_one_seed_tie_and_two_on_different_seeds_cancel():
    tie = failures_last(*arms([None, 0.9], [None, 0.8]))
    assert (tie.wins, tie.losses, tie.ties) == (1, 0, 1)
    both = failures_last(*arms([None, 0.9], [0.8, None]))
    assert both.wilcoxon.p == 1


def test_only_failures_leave_the_order_and_all_equal_says_nothing():
    assert failures_last(*arms([None] * 3, [0.1] * 3)).losses == 3
    assert failures_last(*arms([0.5] * 4, [0.5] * 4)).sign.p == 1
    assert failures_last({0: 0.5}, {1: 0.5}) is None


def test_less_is_better_turns_the_values_but_not_the_failures():
    found = failures_last(*arms([0.1, None], [0.2, 5.0]), better=-1)
    assert (found.wins, found.losses) == (1, 1)


def test_equal_arms_with_failures_hold_the_level():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(600):
        ours, theirs = ([v if rng.random() > 0.2 else None for v in rng.normal(0, 1, 10)] for _ in range(2))
        hits += failures_last(*arms(ours, theirs)).wilcoxon.p <= 0.05
    assert 0.015 <= hits / 600 <= 0.07
