"""The verdict of a comparison, and when there is none."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.stats.comparison import Comparison
from analysis.stats.types import Interval

BETTER, WORSE, EQUIVALENT = "better", "worse", "equivalent"
INCONCLUSIVE, NONE = "inconclusive", "no verdict"
VERDICTS = (BETTER, WORSE, EQUIVALENT, INCONCLUSIVE, NONE)
BEYOND, UNCLEAR = "beyond the declared effect", "size unclear"
MIN_SEEDS, FRAGILE_BELOW = 3, 5
"""Below the first number of seeds there is no verdict; below the second it is named fragile."""


@dataclass(frozen=True)
class Verdict:
    """A verdict and its limits.

    Attributes:
        word: One of `VERDICTS`.
        size: `BEYOND`, `UNCLEAR` or empty.
        reason: Why there is no verdict, or empty.
    """

    word: str
    size: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Corrected:
    """What the correction over m comparisons makes of one of them.

    Attributes:
        m: Size of the correction.
        alpha: Level of all m together.
        p: Adjusted p of the difference; None where there is no test.
        level: The level at which it was tested.
        p_equivalence: Adjusted p of the equivalence test; None without a declared margin.
        level_equivalence: The level at which that was tested.
    """

    m: int
    alpha: float
    p: float | None
    level: float
    p_equivalence: float | None
    level_equivalence: float


def untestable(comparison: Comparison | None, *, unpaired: bool = False) -> str:
    """Why these values allow no test, or an empty text."""
    if comparison is None and not unpaired:
        return "no seed has both arms; if the runs share no seeds, declare them unpaired (--unpaired for a table)"
    if comparison is None or comparison.n < MIN_SEEDS:
        return f"fewer than {MIN_SEEDS} seeds"
    if comparison.p_t is None:
        return "the differences have no spread"
    return ""


def decide(comparison: Comparison, corrected: Corrected, *, better: int, margin: float | None) -> Verdict:
    """The verdict on one comparison, from p-values adjusted over all comparisons of its correction.

    A difference inside the declared margin is `equivalent`, even if it is significantly different from zero: the study
    declared it too small to matter. Any other significant difference is `better` or `worse`. It is `BEYOND` the
    declared effect only if the interval that holds for all m comparisons together lies past the margin.
    """
    if corrected.p_equivalence is not None and corrected.p_equivalence <= corrected.alpha:
        return Verdict(EQUIVALENT)
    if corrected.p is None or corrected.p > corrected.alpha:
        return Verdict(INCONCLUSIVE)
    gain = better * comparison.difference
    joint = comparison.interval(1 - corrected.alpha / corrected.m)
    return Verdict(BETTER if gain > 0 else WORSE, size_of(joint, margin))


def size_of(joint: Interval | None, margin: float | None) -> str:
    """Whether a difference lies beyond the margin, by the interval for all comparisons together; empty without one."""
    if margin is None or joint is None:
        return ""
    return BEYOND if joint.low > margin or joint.high < -margin else UNCLEAR


def verdict_interval(comparison: Comparison | None, verdict: Verdict, corrected: Corrected) -> Interval | None:
    """The interval that belongs to a verdict; None without a verdict.

    For a difference it excludes zero exactly where the correction rejects. For `BEYOND` it is the one that holds for
    all m comparisons together. For an equivalence it lies inside the margin exactly where that correction rejects.
    """
    if comparison is None or verdict.word == NONE:
        return None
    if verdict.word == EQUIVALENT:
        return comparison.interval(1 - 2 * corrected.level_equivalence)
    if verdict.size == BEYOND:
        return comparison.interval(1 - corrected.alpha / corrected.m)
    return comparison.interval(1 - corrected.level)
