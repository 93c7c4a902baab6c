"""Every order in which records can arrive, and the path of the simulations against the whole document."""

import itertools

import numpy as np
import pytest

from analysis.results.analyse import analyse, summary_of
from tests.analysis.rates.datasets import DECIDED
from tests.analysis.rates.reports import MARGIN, SD, accuracies, family, records, study, table_study, verdicts, words
from tests.analysis.rates.seeds import EXTENDED, arms

RNG = 20261125


def large_difference(n):
    return arms(np.random.default_rng(RNG), n, effect=MARGIN)


def one_family(n, **changes):
    return study([family("b", "base", ["t0"])], n, **changes)


def sets_with_a_verdict(n, **changes):
    """The sets of (arm, seed) whose report has a verdict word; any order of arrival leads through some of all sets."""
    rows, plan = records(large_difference(n)), one_family(n, **changes)
    subsets = (kept for size in range(1, len(rows) + 1) for kept in itertools.combinations(rows, size))
    return [
        {(r.arm, r.seed) for r in kept} for kept in subsets if words(verdicts(plan, list(kept)))
    ]  # fmt: skip


def first(seeds):
    return {(arm, seed) for arm in ("base", "t0") for seed in range(seeds)}


def test_no_order_of_arrival_gives_a_verdict_before_all_records_are_there():
    assert sets_with_a_verdict(4) == [first(4)]


def test_with_declared_looks_only_the_first_seeds_of_a_look_give_a_verdict():
    """Any other choice of as many seeds could have been made after looking."""
    assert sets_with_a_verdict(4, looks=[3, 4]) == [first(3), first(4)]


TABLES = {
    "one block": table_study(accuracies(np.random.default_rng(1), 1, 4, 5, SD * np.array([0, 2, -5])), sesoi=1.0),
    "data sets": table_study(accuracies(np.random.default_rng(2), 4, 3, 5, SD * np.array([0, 6])), sesoi=1.0),
}
STUDIES = {
    "complete": (one_family(10), records(large_difference(10))),
    "interim": (one_family(12), records(large_difference(10))),
    "extended": (one_family(10, extended=EXTENDED), records(large_difference(10))),
    "look": (one_family(5, looks=[5, 10]), records(large_difference(5))),
}


@pytest.mark.parametrize("name", [*TABLES, *STUDIES])
def test_the_shorter_ways_have_the_verdicts_of_the_whole_document(name):
    plan, rows = {**TABLES, **STUDIES}[name]
    whole, judged = analyse(plan, rows), verdicts(plan, rows)
    assert [{key: c.get(key) for key in judged[0]} for c in whole["comparisons"]] == judged
    assert summary_of(plan, rows, ("across",)).items() >= {k: whole[k] for k in ("comparisons", "families")}.items()


def test_a_single_part_has_the_verdicts_of_the_whole_document():
    plan, rows = TABLES["data sets"]
    assert _over(summary_of(plan, rows, ("across",))) == _over(analyse(plan, rows))
    assert set(DECIDED) & {word for pair in _over(analyse(plan, rows)) for word in pair}


def _over(document):
    return [(p["verdict"], p["verdict_new"]) for part in document["across"] for p in part["pairs"]]
