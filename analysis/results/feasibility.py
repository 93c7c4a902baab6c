"""What a comparison can and cannot show with its number of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from analysis.results.verdicts import MIN_SEEDS
from analysis.stats.comparison import Comparison
from analysis.stats.description import sd_factors
from analysis.stats.power import detectable_shift, seeds_needed, smallest_family_n
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan

POWER = 0.8


@dataclass(frozen=True)
class Feasibility:
    """What a comparison with this n can and cannot show, at the level of its verdict: alpha / m.

    Effects are in the unit of the records.

    Attributes:
        smallest_p: Smallest p that the exact tests can give with the differences that are not zero.
        smallest_p_adjusted: The same after the correction over the m comparisons.
        smallest_n: Fewest differences other than zero with which the exact tests can reject after the correction.
        detectable: Difference found with 80 % power; None without spread.
        detectable_low: The same with the lower 95 % bound of the SD.
        detectable_high: The same with the upper one.
        seeds_for_effect: Seeds that detect the declared smallest effect; None without one, without spread, above
            100,000, or where more seeds of the same data cannot help.
        seeds_for_effect_high: The same with the upper 80 % bound of the SD of the differences.
        seconds_for_effect: Computing time of the seeds still needed, both arms, from the records.
        device: Kind of device on which these seconds were measured.
    """

    smallest_p: float
    smallest_p_adjusted: float
    smallest_n: int
    detectable: float | None
    detectable_low: float | None
    detectable_high: float | None
    seeds_for_effect: int | None
    seeds_for_effect_high: int | None
    seconds_for_effect: float | None
    device: str

    def without_plans(self) -> Feasibility:
        """The same without what is planned from the SD, where it does not describe the runs."""
        planned = replace(self, seeds_for_effect=None, seeds_for_effect_high=None, seconds_for_effect=None)
        return replace(planned, detectable=None, detectable_low=None, detectable_high=None)


def feasibility(
    plan: Plan, ledger: Ledger, arms: Sequence[str], result: Comparison | None, m: int, correction: str
) -> Feasibility | None:
    """What the comparison can show with its n, and the seeds that the declared effect needs; None without pairs.

    Args:
        plan: The study.
        ledger: Its records, sorted.
        arms: Labels of the treatment and of its baseline.
        result: Their comparison.
        m: Number of comparisons that are corrected together.
        correction: `holm` or `bh`.
    """
    if result is None or result.n < 2:
        return None
    floor = result.sign_flip.smallest if result.sign_flip else 1.0
    hardest = m if correction == "holm" else 1  # Benjamini and Hochberg leave m equal p-values as they are
    wanted, at_most = _seeds(plan, result, m)
    seconds, device = _cost(ledger, arms)
    found, low, high = _detectable(result, plan.alpha / m)
    return Feasibility(
        smallest_p=floor,
        smallest_p_adjusted=min(1.0, floor * hardest),
        smallest_n=smallest_family_n(hardest, plan.alpha),
        detectable=found,
        detectable_low=low,
        detectable_high=high,
        seeds_for_effect=wanted,
        seeds_for_effect_high=at_most,
        seconds_for_effect=None if wanted is None or seconds is None else max(0, wanted - result.n) * seconds,
        device=device,
    )


def _detectable(result: Comparison, alpha: float) -> tuple[float | None, float | None, float | None]:
    """Detectable difference with the measured SD, and with both ends of its 95 % interval."""
    if result.error is None or result.df is None:
        return None, None, None
    found = detectable_shift(result.df, alpha, POWER) * result.error
    low, high = sd_factors(0.95, result.df)
    return found, found * low, found * high


def _seeds(plan: Plan, result: Comparison, m: int) -> tuple[int | None, int | None]:
    """Seeds for the declared effect, with the measured SD and with its upper bound; none for overlapping splits."""
    sd = result.sd_difference
    if plan.sesoi is None or not sd or result.error is None or result.overlap is not None:
        return None, None
    sds = sd, upper_sd(sd, result.n)
    wanted, at_most = (seeds_needed(round(plan.sesoi / s, 12), plan.alpha / m, POWER) for s in sds)
    return _at_least(wanted), _at_least(at_most)


def _at_least(seeds: int | None) -> int | None:
    """The seeds that a verdict needs, where fewer would do for the power."""
    return None if seeds is None else max(seeds, MIN_SEEDS)


def upper_sd(sd: float, n: int, level: float = 0.8) -> float:
    """One-sided upper bound of an SD from n normal values, for planning when n is small."""
    return sd * float(np.sqrt((n - 1) / stats.chi2.ppf(1 - level, n - 1)))


def _cost(ledger: Ledger, arms: Sequence[str]) -> tuple[float | None, str]:
    """Mean seconds of one seed of the arms together, and the kind of device."""
    total, kinds = 0.0, set()
    for arm in arms:
        known = [r for r in ledger.used.get(arm, {}).values() if r.seconds is not None]
        if not known:
            return None, ""
        total += sum(r.seconds or 0.0 for r in known) / len(known)
        kinds |= {"CPU" if (r.device or "cpu").startswith("cpu") else "GPU" for r in known}
    return total, "/".join(sorted(kinds))
