"""The answer of a study in one or two sentences, from the verdicts of its comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from analysis.formatting import Scale, count
from analysis.results.document import ComparisonData
from analysis.results.verdicts import BETTER, EQUIVALENT, INCONCLUSIVE, NONE, WORSE
from analysis.study.plan import EXPLORATORY

MAX_NAMED = 3
"""With more comparisons of one verdict only their number is given, and the largest difference."""
Names = Callable[[str], str]
"""Label of an arm -> name of its method."""


def answer(comparisons: Sequence[ComparisonData], scale: Scale, method: Names, blocks: Sequence[str]) -> str:
    """Return what the comparisons of a study have shown; empty where nothing is compared.

    Args:
        comparisons: All of them. Exploratory ones have a part only where there are no others.
        scale: How differences are shown.
        method: Name of an arm's method, which leaves out the block.
        blocks: All blocks; a comparison is placed in its block where there are several.
    """
    found = [c for c in comparisons if c["role"] != EXPLORATORY] or list(comparisons)
    if not found:
        return ""
    shown = [_decided(word, found, scale, method, len(blocks) > 1) for word in (BETTER, WORSE, EQUIVALENT)]
    parts = [*filter(None, shown), *_rest(found)]
    text = " ".join(parts)
    return f"Exploratory: {text}" if found[0]["role"] == EXPLORATORY else text


def _decided(word: str, found: Sequence[ComparisonData], scale: Scale, method: Names, places: bool) -> str:
    """The comparisons of one verdict, by name where they are few."""
    those = sorted((c for c in found if c["verdict"] == word), key=lambda c: -abs(c["difference"] or 0.0))
    if not those:
        return ""
    if len(those) > MAX_NAMED:
        largest = _named(those[0], scale, method, places)
        most = "" if word == EQUIVALENT else f", most of all {largest}"
        return f"{len(those)} of {count(len(found), 'comparison')} are {_WORDS[word]}{most}."
    groups = Counter((method(c["baseline"]), c["block"] if places else "") for c in those)
    if len(groups) == 1 and len(those) > 1:  # they share a baseline
        *names, last = [f"{method(c['treatment'])}{_by(c, scale)}" for c in those]
        than = f"{_WORDS[word]} {_TO[word]} {method(those[0]['baseline'])}{_place(those[0], places)}"
        return f"{', '.join(names)} and {last} are {than}."
    return " ".join(
        f"{method(c['treatment'])} is {_WORDS[word]} {_TO[word]} {method(c['baseline'])}{_after(c, scale)}"
        f"{_place(c, places)}."
        for c in those
    )


_WORDS = {BETTER: "better", WORSE: "worse", EQUIVALENT: "equivalent"}
_TO: Mapping[str, str] = {BETTER: "than", WORSE: "than", EQUIVALENT: "to"}


def _named(c: ComparisonData, scale: Scale, method: Names, places: bool) -> str:
    return f"{method(c['treatment'])}{_place(c, places)}{_after(c, scale)}"


def _size(c: ComparisonData, scale: Scale) -> str:
    return f"{scale.value(abs(c['difference'] or 0.0))}{scale.unit_after}"


def _after(c: ComparisonData, scale: Scale) -> str:
    return "" if c["verdict"] == EQUIVALENT else f" by {_size(c, scale)}"


def _by(c: ComparisonData, scale: Scale) -> str:
    return "" if c["verdict"] == EQUIVALENT else f" (by {_size(c, scale)})"


def _place(c: ComparisonData, places: bool) -> str:
    return f" ({c['block']})" if places and c["block"] else ""


def _rest(found: Sequence[ComparisonData]) -> list[str]:
    """What was not decided: without a difference that could be shown, and without a verdict."""
    open_ones = [c for c in found if c["verdict"] == INCONCLUSIVE]
    refused = [c for c in found if c["verdict"] == NONE]
    parts = []
    if open_ones:
        parts.append(f"No difference could be shown in {_part(len(open_ones), len(found))}.")
    if refused:
        reasons = Counter(c["reason"] for c in refused)
        why = f": {next(iter(reasons))}" if len(reasons) == 1 else "; each line below gives its reason"
        parts.append(f"There is no verdict in {_part(len(refused), len(found))}{why}.")
    return parts


def _part(some: int, of: int) -> str:
    if some < of:
        return f"{some} of {of} comparisons"
    return "the only comparison" if of == 1 else f"any of the {of} comparisons"
