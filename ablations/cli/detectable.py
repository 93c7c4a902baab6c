"""What the seeds of a study can show, said before it runs. In this room, since no other one may call `analysis`."""

from __future__ import annotations

from ablations.design.study import MIN_SEEDS, Study
from ablations.formatting import counted

POWER = 0.8
"""Probability with which the difference that is printed is found."""


def seed_line(study: Study) -> str:
    """What the planned seeds can show, in one line; empty for a study that compares nothing.

    The difference is in units of the SD of the paired differences (d_z), which no one knows before. The level is
    that of the strictest step of the correction over all comparisons that share one error rate.
    """
    seeds, (role, comparisons) = len(study.seeds), correction(study)
    if not comparisons:
        return ""
    if seeds < MIN_SEEDS:
        return f"{counted(seeds, 'seed')}: below {MIN_SEEDS} seeds there is no verdict"
    from analysis.stats.power import detectable
    from analysis.stats.sequential import nominal_level

    level = nominal_level(study.alpha, study.looks)
    found = detectable(seeds, level / comparisons, POWER)
    step = f"{level:.3g} / {comparisons}" if comparisons > 1 else f"{level:.3g}"
    return (
        f"{seeds} seeds find a difference of {found:.2f} SD of the paired differences with {100 * POWER:g} % power, "
        f"at level {step} ({counted(comparisons, f'{role} comparison')})"
    )


def correction(study: Study) -> tuple[str, int]:
    """Role of the comparisons that answer the question, and how many of them are corrected together.

    All primary ones are, unless the study holds its error rate for each block. Exploratory families stand apart.
    """
    families = study.all_families()
    role = next((role for role in ("primary", "ablation", "exploratory") if any(f.role == role for f in families)), "")
    sizes = [len(family.treatments) for family in families if family.role == role]
    apart = role == "exploratory" or study.error_rate == "block"
    return role, (max if apart else sum)(sizes) if sizes else 0
