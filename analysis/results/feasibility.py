"""What a comparison can and cannot show with its number of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from analysis.stats.comparison import Comparison
from analysis.stats.power import detectable, seeds_needed, smallest_family_n
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan


@dataclass(frozen=True)
class Feasibility:
    """What a comparison with this n can and cannot show. Effects are in the unit of the records.

    Attributes:
        smallest_p: Smallest p that the exact tests can give with n pairs.
        smallest_p_adjusted: The same under Holm over the family's m comparisons.
        smallest_n: Fewest seeds with which the exact tests can reject in this family.
        detectable: Difference found with 80 % power at level alpha.
        detectable_adjusted: The same at the family's hardest step, alpha / m.
        seeds_for_effect: Seeds that detect the declared smallest effect; None without one or above 100,000.
        seeds_for_effect_high: The same with the upper 80 % bound of the SD of the differences.
        seconds_for_effect: Computing time of the seeds still needed, both arms, from the records.
        device: Kind of device on which these seconds were measured.
    """

    smallest_p: float
    smallest_p_adjusted: float
    smallest_n: int
    detectable: float | None
    detectable_adjusted: float | None
    seeds_for_effect: int | None
    seeds_for_effect_high: int | None
    seconds_for_effect: float | None
    device: str


def feasibility(
    plan: Plan, ledger: Ledger, arms: Sequence[str], result: Comparison | None, m: int
) -> Feasibility | None:
    """What the comparison can show with its n, and the seeds that the declared effect needs; None without pairs.

    Args:
        plan: The study.
        ledger: Its records, sorted.
        arms: Labels of the treatment and of its baseline.
        result: Their comparison.
        m: Number of comparisons that are corrected together.
    """
    if result is None or result.sd_difference is None:
        return None
    floor = result.sign_flip.smallest if result.sign_flip else 1.0
    sd, n = result.sd_difference, result.n
    wanted = _seeds_for(plan.sesoi, sd, plan.alpha)
    seconds, device = _cost(ledger, arms)
    return Feasibility(
        smallest_p=floor,
        smallest_p_adjusted=min(1.0, floor * m),
        smallest_n=smallest_family_n(m, plan.alpha),
        detectable=detectable(n, plan.alpha) * sd,
        detectable_adjusted=detectable(n, plan.alpha / m) * sd,
        seeds_for_effect=wanted,
        seeds_for_effect_high=_seeds_for(plan.sesoi, upper_sd(sd, n), plan.alpha),
        seconds_for_effect=None if wanted is None or seconds is None else max(0, wanted - n) * seconds,
        device=device,
    )


def upper_sd(sd: float, n: int, level: float = 0.8) -> float:
    """One-sided upper bound of an SD from n normal values, for planning when n is small."""
    return sd * _upper_factor(n, level)


@lru_cache(maxsize=1024)
def _upper_factor(n: int, level: float) -> float:
    return float(np.sqrt((n - 1) / stats.chi2.ppf(1 - level, n - 1)))


def _seeds_for(effect: float | None, sd: float, alpha: float) -> int | None:
    if effect is None or effect <= 0 or sd <= 0:
        return None
    return seeds_needed(round(effect / sd, 12), alpha)


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
