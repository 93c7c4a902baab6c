"""Properties that must hold whatever the data: order, sign, bounds, keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import ReportError
from analysis.formatting import show_p
from analysis.report.writers.escape import csv_text, latex, markdown, one_line
from analysis.results.document import to_plain
from analysis.stats.comparison import compare_paired
from analysis.stats.description import describe
from analysis.stats.exact_tests import hodges_lehmann, sign_flip, smallest_p, wilcoxon
from analysis.stats.multi_dataset import cliques, friedman, rank_rows
from analysis.stats.multiplicity import adjust, benjamini_hochberg, holm, max_t_sign_flip
from analysis.stats.pairing import pair
from analysis.stats.plateau import compare_with_best, full_grid
from analysis.stats.search_curves import expected_best
from analysis.stats.types import as_floats

numbers = st.integers(-1000, 1000).map(lambda i: i / 8)  # exact in binary, so that ties are ties
samples = st.lists(numbers, min_size=3, max_size=9)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(samples, st.randoms())
def test_tests_do_not_depend_on_the_order_of_the_seeds(d, random):
    shuffled = list(d)
    random.shuffle(shuffled)
    assert sign_flip(d).p == sign_flip(shuffled).p
    assert wilcoxon(d).p == wilcoxon(shuffled).p
    assert hodges_lehmann(d) == hodges_lehmann(shuffled)


@given(samples)
def test_tests_are_two_sided_and_bounded(d):
    for test in (sign_flip, wilcoxon):
        p = test(d).p
        assert p == test([-v for v in d]).p
        assert smallest_p(len(d)) <= p <= 1
    assert hodges_lehmann([-v for v in d]).estimate == -hodges_lehmann(d).estimate


@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=9))
@settings(deadline=None)
def test_swapping_the_arms_changes_signs_only(rows):
    a, b = ({i: r[j] for i, r in enumerate(rows)} for j in (0, 1))
    one, two = compare_paired(pair(a, b)), compare_paired(pair(b, a), better=-1)
    assert one.difference == -two.difference
    assert (one.p_t, one.wins, one.ties) == (two.p_t, two.wins, two.ties)
    assert one.p_better == two.p_better
    if one.ci is not None and two.ci is not None:
        assert one.ci.low == pytest.approx(-two.ci.high)


@given(st.dictionaries(st.integers(0, 50), numbers, max_size=20), st.dictionaries(st.integers(0, 50), numbers))
def test_pairing_is_by_key(a, b):
    both = pair(dict(reversed(a.items())), b)
    assert list(both.keys) == sorted(a.keys() & b.keys())
    assert [a[k] - b[k] for k in both.keys] == both.differences.tolist()
    assert both.complete == (a.keys() == b.keys())


@given(probabilities)
def test_holm_and_bh_bounds(p):
    h, q = holm(p), benjamini_hochberg(p)
    assert (h >= np.array(p) - 1e-15).all()
    assert (h <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()
    assert (q <= h + 1e-15).all()
    assert (q >= np.array(p) - 1e-15).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(h[order]) >= 0).all()
    assert (np.diff(q[order]) >= 0).all()


@given(probabilities, st.randoms())
def test_adjustment_does_not_depend_on_order(p, random):
    places = list(range(len(p)))
    random.shuffle(places)
    assert holm([p[i] for i in places]) == pytest.approx(holm(p)[places])


def test_a_comparison_without_p_still_counts_in_its_family():
    assert adjust([0.02, None, None], "holm") == [pytest.approx(0.06), None, None]
    assert adjust([], "holm") == []


@given(st.integers(3, 7), st.integers(1, 4), st.integers(0, 99))
def test_max_t_is_never_below_the_raw_p_nor_the_smallest_possible(n, k, seed):
    d = np.random.default_rng(seed).normal(0, 1, (n, k))
    joint = max_t_sign_flip(d)
    single = np.array([max_t_sign_flip(d[:, [j]])[0] for j in range(k)])
    assert (joint >= single - 1e-12).all()
    assert (joint >= 2 / 2**n - 1e-12).all()


@given(st.dictionaries(st.integers(0, 99), numbers, min_size=2, max_size=20))
def test_a_description_holds_its_values(values):
    d = describe(dict(reversed(values.items())))
    assert d.n == len(values)
    assert d == describe(values)
    assert d.low <= d.mean <= d.high
    assert d.ci.low <= d.mean <= d.ci.high


@given(st.lists(numbers, min_size=1, max_size=12, unique=True))
def test_expected_best_rises_to_the_best(values):
    curve = expected_best(values)
    assert curve[0] == pytest.approx(np.mean(values))
    assert curve[-1] == max(values)
    assert (np.diff(curve) >= -1e-9).all()


@given(st.integers(0, 200), st.integers(3, 4), st.integers(2, 5))
@settings(deadline=None, max_examples=30)
def test_rank_test_ignores_the_order_of_datasets_and_any_increasing_scale(seed, k, d):
    scores = np.random.default_rng(seed).normal(0, 1, (d, k))
    rng = np.random.default_rng(0)
    one = friedman(rank_rows(scores), rng)
    two = friedman(rank_rows(np.exp(scores[::-1])), rng)
    assert one.chi2 == pytest.approx(two.chi2)
    assert one.p_permutation == two.p_permutation
    assert sum(one.mean_ranks) == pytest.approx(k * (k + 1) / 2)


@given(st.integers(0, 500))
def test_the_setting_with_the_best_mean_can_always_be_the_best(seed):
    matrix = np.random.default_rng(seed).normal(0, 1, (6, 5)) + np.arange(5)
    assert compare_with_best(matrix).can_be_best[int(matrix.mean(axis=0).argmax())]


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_the_grid_found_is_a_full_crossing(cells):
    kept, left_out = full_grid({c: str(c) for c in cells})
    rows, columns = {a for a, _ in kept}, {b for _, b in kept}
    assert len(kept) == len(rows) * len(columns)
    assert len(kept) + len(left_out) == len(cells)


def test_cliques_join_neighbours_without_a_significant_difference():
    apart = [[False, False, True], [False, False, False], [True, False, False]]
    assert cliques([1.2, 2.0, 2.8], apart) == ((0, 1), (1, 2))
    assert cliques([1.0, 2.0], [[False, True], [True, False]]) == ()


@given(st.floats(1e-300, 1), st.sampled_from([0.05, 0.01]))
def test_a_shown_p_never_crosses_alpha_and_is_never_zero(p, alpha):
    shown = show_p(p, alpha)
    assert float(shown.removeprefix("< ")) > 0 or p < 1e-9
    if not shown.startswith("<"):
        assert (float(shown) <= alpha) == (p <= alpha)


@given(st.text(max_size=60))
def test_escaped_text_is_one_harmless_line(text):
    for shown in (markdown(text), latex(text), one_line(text)):
        assert "\n" not in shown
        assert "\x00" not in shown
    bare = latex(text).replace("\\_", "").replace("\\%", "").replace("\\&", "").replace("\\#", "").replace("\\$", "")
    assert not set(bare) & set("_%&#$")
    assert "<" not in markdown(text).replace("\\<", "")


def test_latex_sets_the_signs_that_reports_use():
    assert latex("λ=0.2 ± 1 − 2 × ≈ “q” 雪") == (
        r"\ensuremath{\lambda}=0.2 \ensuremath{\pm} 1 \ensuremath{-} 2 \ensuremath{\times} \ensuremath{\approx} ?q? ?"
    )
    assert csv_text("=cmd()") == "'=cmd()"
    assert csv_text(-0.5) == -0.5


def test_numbers_that_are_not_finite_are_refused_and_become_null_in_json():
    with pytest.raises(ReportError, match="finite"):
        as_floats([1.0, float("nan")])
    assert to_plain({"a": np.float64("inf"), "b": (np.int64(1),)}) == {"a": None, "b": [1]}


def test_differences_without_spread_give_no_t_test():
    flat = compare_paired(pair({0: 1.0, 1: 2.0, 2: 3.0}, {0: 0.5, 1: 1.5, 2: 2.5}))
    assert flat.p_t is None
    assert flat.d_z is None
    assert any("no spread" in w for w in flat.warnings)


def test_friedman_of_twelve_methods_draws_permutations_instead_of_listing_all_479_million():
    rng = np.random.default_rng(0)
    test = friedman(rank_rows(rng.normal(size=(2, 12))), rng, draws=99)
    assert test.permutation_method == "99 random permutations"
