"""Paired differences of accuracies over groups of classes: tests, intervals and their correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.stats.description import mean
from analysis.stats.multiplicity import adjust, step_levels
from analysis.stats.paired_t import PairedTest, paired_test
from analysis.stats.types import SCOPE_SEEDS, Floats


@dataclass(frozen=True)
class SeedPair:
    """One quantity on one seed: both accuracies, in [0, 1], and the training counts of its classes."""

    treatment: float
    baseline: float
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Series:
    """One quantity over the seeds of a comparison; None on a seed that does not have it."""

    name: str
    pairs: tuple[SeedPair | None, ...]

    @property
    def known(self) -> tuple[SeedPair, ...]:
        """The pairs of the seeds that have it."""
        return tuple(pair for pair in self.pairs if pair is not None)


@dataclass(frozen=True)
class Terms:
    """What the tests of one comparison share.

    Attributes:
        alpha: Level of all of them together.
        overlap: As in `paired_test`.
        refused: Why there are no adjusted p-values, or an empty text.
        scope: What the intervals describe.
    """

    alpha: float
    overlap: float | None
    refused: str
    scope: str


@dataclass(frozen=True)
class Gap:
    """Paired difference of a quantity over seeds.

    Attributes:
        name: `many`, `medium`, `few`, `macro`, `worst class`, or a class by label or rank.
        n: Seeds that have it.
        of: Seeds of the comparison.
        treatment: Mean accuracy of the treatment.
        baseline: Mean accuracy of the baseline.
        difference: Mean of the paired differences.
        ci_low: Lower end of its interval at the level of the plan.
        ci_high: Upper end.
        p: Raw p of the paired t-test; None without a test.
        p_adjusted: Adjusted over the m quantities; None if `n` is not `of`, or without a verdict.
        m: Quantities that were corrected together.
        ci_verdict_low: Lower end at the level at which the correction tested it; None like `p_adjusted`.
        ci_verdict_high: Upper end.
        ci_verdict_level: That level.
        classes: Largest number of classes on one seed.
        classes_low: Smallest number of classes on one seed that has it.
        train_count: Training samples of a class, mean over classes and seeds.
        train_low: Fewest training samples of a class on a seed.
        train_high: Most.
        scope: What the intervals describe.
    """

    name: str
    n: int
    of: int
    treatment: float
    baseline: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None
    m: int
    ci_verdict_low: float | None
    ci_verdict_high: float | None
    ci_verdict_level: float | None
    classes: int = 0
    classes_low: int = 0
    train_count: float | None = None
    train_low: int | None = None
    train_high: int | None = None
    scope: str = SCOPE_SEEDS


def make_gaps(rows: Sequence[Series], correction: str, terms: Terms) -> tuple[Gap, ...]:
    """Test several quantities of one comparison and correct them together; those on no seed are left out.

    A quantity that some seeds lack is tested on the others but gets no adjusted p, because its number of seeds is not
    the planned one. It still counts in the size of the correction.

    Args:
        rows: The quantities.
        correction: `holm` or `bh`.
        terms: Level, scope and whether there are adjusted p-values.
    """
    present = [row for row in rows if row.known]
    tests = [paired_test(_differences(row), terms.overlap) for row in present]
    decided = [_decided(row, test, terms) for row, test in zip(present, tests, strict=True)]
    adjusted = adjust(decided, correction)
    levels = step_levels(decided, correction, terms.alpha)
    rest = zip(present, tests, adjusted, levels, strict=True)
    return tuple(_gap(row, test, p, level, len(present), terms) for row, test, p, level in rest)


def _differences(row: Series) -> Floats:
    return np.array([pair.treatment - pair.baseline for pair in row.known], dtype=np.float64)


def _decided(row: Series, test: PairedTest | None, terms: Terms) -> float | None:
    whole = len(row.known) == len(row.pairs) and not terms.refused
    return test.p if test is not None and whole else None


def _gap(row: Series, test: PairedTest | None, adjusted: float | None, level: float, m: int, terms: Terms) -> Gap:
    known = row.known
    counts = [count for pair in known for count in pair.counts]
    sizes = [len(pair.counts) for pair in known]
    return Gap(
        name=row.name,
        n=len(known),
        of=len(row.pairs),
        treatment=mean([pair.treatment for pair in known]),
        baseline=mean([pair.baseline for pair in known]),
        difference=mean(_differences(row)),
        **tested(test, adjusted, level, m, terms.alpha),
        classes=max(1, *sizes),
        classes_low=max(1, min(sizes)),
        train_count=mean(counts) if counts else None,
        train_low=min(counts, default=None),
        train_high=max(counts, default=None),
        scope=terms.scope,
    )


def tested(test: PairedTest | None, adjusted: float | None, level: float, m: int, alpha: float) -> dict[str, Any]:
    """The fields of a `Gap` or `Contrast` that its test gives: both intervals, p and correction.

    Args:
        test: The paired t-test; None where there is none.
        adjusted: Its p after the correction; None where it takes no part in that.
        level: The level at which the correction tested it.
        m: Size of the correction.
        alpha: Level of all of them together.
    """
    ci = test.interval(1 - alpha) if test else None
    own = test.interval(1 - level) if test and adjusted is not None else None
    return {
        "ci_low": ci.low if ci else None,
        "ci_high": ci.high if ci else None,
        "p": test.p if test else None,
        "p_adjusted": adjusted,
        "m": m,
        "ci_verdict_low": own.low if own else None,
        "ci_verdict_high": own.high if own else None,
        "ci_verdict_level": own.level if own else None,
    }
