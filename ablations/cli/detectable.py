"""What the seeds of a study can show, said before it runs. In this room, since no other one may call `analysis`."""

from __future__ import annotations

import math

from ablations.cli.decided import stop_line
from ablations.design.seeds.rules import MIN_SEEDS
from ablations.design.study import Study
from ablations.formatting import counted
from silhouette.config import TrialConfig, crossed_sources

POWER = 0.8
"""Probability with which the difference that is printed is found."""


def seed_line(study: Study) -> str:
    """What the planned seeds can show, in one line; empty for a study that compares nothing.

    The difference is in units of the SD of the paired differences (d_z), which no one knows before. The level is
    that of the strictest step of the correction over all comparisons that share one error rate.
    """
    if study.stop:
        return stop_line(study)
    seeds, (role, comparisons) = len(study.seeds), correction(study)
    if not comparisons:
        return ""
    if crosses_sources(study):
        return f"{counted(seeds, 'run')} of each arm cross sources of chance: variances of the sources, but no verdict"
    if seeds < MIN_SEEDS:
        return f"{counted(seeds, 'seed')}: below {MIN_SEEDS} seeds there is no verdict"
    from analysis.stats.power import detectable_shift
    from analysis.stats.sequential import nominal_level

    level, shared = nominal_level(study.alpha, study.looks), shared_samples(study)
    found = detectable_shift(seeds - 1, level / comparisons, POWER) * math.sqrt(1 / seeds + shared)
    at_best = "at best " if shared else ""
    step = f"{level:.3g} / {comparisons}" if comparisons > 1 else f"{level:.3g}"
    return (
        f"{seeds} seeds find {at_best}a difference of {found:.2f} SD of the paired differences "
        f"with {100 * POWER:g} % power, at level {step} ({counted(comparisons, f'{role} comparison')})"
    )


def crosses_sources(study: Study) -> bool:
    """Whether the runs of an arm share levels of a source of chance, so that they are no independent seeds."""
    values = (getattr(arm.config, "vary", None) for arm in study.arms)
    return any(isinstance(vary, str) and crossed_sources(vary) for vary in values)


def shared_samples(study: Study) -> float:
    """Test samples over training samples, where every seed draws its own test samples; 0 where all have the same ones.

    The seeds then share most of their samples, and the variance of a mean difference over n of them is 1/n and this
    times that of one (Nadeau and Bengio, Inference for the generalization error, 2003). Fewer training samples in an
    arm, as under an imbalance, make it larger.
    """
    configs = [arm.config for arm in study.arms]
    drawn = [config for config in configs if isinstance(config, TrialConfig) and config.draws_test_split]
    shares = [c.test_fraction / ((1 - c.test_fraction - c.val_fraction) * c.train_fraction) for c in drawn]
    return min(shares, default=0.0)


def correction(study: Study) -> tuple[str, int]:
    """Role of the comparisons that answer the question, and how many of them are corrected together.

    All of a role are, unless the study holds its error rate for each block.
    """
    families = study.all_families()
    role = next((role for role in ("primary", "ablation", "exploratory") if any(f.role == role for f in families)), "")
    sizes = [len(family.treatments) for family in families if family.role == role]
    return role, (max if study.error_rate == "block" else sum)(sizes) if sizes else 0
