"""What single datasets allow to be said over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.formatting import listing
from analysis.results.comparisons import Evidence
from analysis.results.standing import BY_SEQUENCE
from analysis.results.verdicts import NONE
from analysis.study.plan import UNTIL_DECIDED, Plan, dataset_of

UNDECIDED = "no comparison on a single dataset has a verdict of this kind"
REFUSED = "no verdict on"
"""Start of the reason where a comparison on a single dataset has no verdict, followed by the datasets."""


def refused_on(plan: Plan, primary: Sequence[Evidence]) -> str:
    """Return on which datasets the comparisons of a method have no verdict of a fixed number of seeds, or nothing."""
    if plan.stop == UNTIL_DECIDED:
        return f"{REFUSED} several datasets together: {BY_SEQUENCE}"
    names = [str(dataset_of(plan.arm[e.treatment])) for e in primary if e.verdict.word == NONE]
    return f"{REFUSED} {listing(list(dict.fromkeys(names)))}" if names else ""
