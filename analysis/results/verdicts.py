"""The verdict of a comparison, and when there is none."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.stats.comparison import Comparison

BETTER, WORSE, EQUIVALENT = "better", "worse", "equivalent"
INCONCLUSIVE, NONE = "inconclusive", "no verdict"
VERDICTS = (BETTER, WORSE, EQUIVALENT, INCONCLUSIVE, NONE)
MIN_SEEDS = 3


@dataclass(frozen=True)
class Verdict:
    """A verdict and its limits.

    Attributes:
        word: One of `VERDICTS`.
        size: `beyond the declared effect`, `size unclear` or empty.
        reason: Why there is no verdict, or empty.
    """

    word: str
    size: str = ""
    reason: str = ""


def reason_for_no_verdict(comparison: Comparison | None, complete_pairs: bool, phase: str, unpaired: bool) -> str:
    """Why there can be no verdict, or an empty text."""
    if phase != "confirm":
        return f"records of the {phase} phase give no verdict"
    if comparison is None:
        return "no seed has both arms"
    if not complete_pairs and not unpaired:
        return "the arms have different seeds"
    if comparison.n < MIN_SEEDS:
        return f"fewer than {MIN_SEEDS} seeds"
    if comparison.p_t is None:
        return "the differences have no spread"
    return ""


def decide(
    comparison: Comparison,
    p_adjusted: float,
    p_equivalence: float | None,
    *,
    alpha: float,
    better: int,
    margin: float | None,
) -> Verdict:
    """The verdict on one comparison, from p-values adjusted in its family.

    A difference inside the declared margin is `equivalent`, even if it is significantly different from zero: the study
    declared it too small to matter. Any other significant difference is `better` or `worse`. `size` says whether the
    whole interval lies beyond the margin.
    """
    if p_equivalence is not None and p_equivalence <= alpha:
        return Verdict(EQUIVALENT)
    if p_adjusted > alpha:
        return Verdict(INCONCLUSIVE)
    gain = better * comparison.difference
    return Verdict(BETTER if gain > 0 else WORSE, _size(comparison, better, margin))


def _size(comparison: Comparison, better: int, margin: float | None) -> str:
    if margin is None or comparison.ci is None:
        return ""
    near = min(abs(comparison.ci.low), abs(comparison.ci.high))
    crosses = comparison.ci.low <= 0 <= comparison.ci.high
    return "beyond the declared effect" if near > margin and not crosses else "size unclear"
