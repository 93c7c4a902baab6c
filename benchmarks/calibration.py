"""How often a study of 20 equal arms claims that one is better: tuned and confirmed, and by the usual short cut.

Command:  python benchmarks/calibration.py
Cost:     about three minutes on one core

No arm differs from any other, nor any setting from another; only seeds differ. Every arm is searched by the real
search and stopped by the real rungs; its winner is then trained on ten fresh seeds and judged by the real analysis
(paired t-tests, Holm over the 19 comparisons). The short cuts take the same searches and test the winner of each arm
on the seeds that it was chosen on, and claim the best arm: against the baseline tuned alike, or left as it was.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ablations.design.arms import Arm
from ablations.design.tuning import Tuning, make_space
from ablations.search.arm_search import ArmSearch
from ablations.search.candidates import Candidate
from analysis.results.verdicts import BETTER, Corrected, decide
from analysis.stats.comparison import compare_paired
from analysis.stats.multiplicity import adjust
from analysis.stats.pairing import Pairs, pair
from silhouette.config import make_config

ARMS, SETTINGS, TUNING_SEEDS, CONFIRM_SEEDS, EPOCHS = 20, 8, 5, 10, 9
SEED_SD, SHARED = 0.003, 0.5
"""SD between seeds, and the share of its variance that all arms have in common because they share the split."""
ALPHA = 0.05
TUNING = Tuning(nuisance={"lr": None}, settings=SETTINGS, seeds=tuple(range(1000, 1000 + TUNING_SEEDS)), grace=1)
SPACE = make_space(TUNING, Arm("arm", {}, make_config({"epochs": EPOCHS}), "all", baseline=False))


@dataclass(frozen=True)
class Claims:
    """Whether a study without any effect claims one: by tuning and confirming, and by the short cuts."""

    confirmed: bool
    tuned_baseline: bool
    plain_baseline: bool


def draw(rng: np.random.Generator, shape: tuple[int, ...], seeds: int) -> np.ndarray:
    """Values (*shape, seeds): equal on average, with a part that is common to a seed."""
    common = rng.normal(0, SEED_SD * np.sqrt(SHARED), seeds)
    return 0.9 + common + rng.normal(0, SEED_SD * np.sqrt(1 - SHARED), (*shape, seeds))


def curve(rng: np.random.Generator, finals: np.ndarray) -> np.ndarray:
    """(epochs, seeds) values that rise to the finals; the noise of an epoch shrinks on the way."""
    left = 1 - np.arange(1, EPOCHS + 1)[:, None] / EPOCHS
    return finals - 0.3 * left**2 + rng.normal(0, SEED_SD, (EPOCHS, len(finals))) * left


def search(rng: np.random.Generator, finals: np.ndarray) -> int:
    """Number of the setting that the search of one arm chooses; `finals` (settings, seeds)."""
    found = ArmSearch(SPACE, TUNING, "max", EPOCHS)
    for number, values in enumerate(finals):
        found.candidates[number] = Candidate(number, {"lr": 0.01})
        status = "complete"
        for epoch, row in enumerate(curve(rng, values), 1):
            if not found.observe(number, {epoch: float(row.mean())}):
                status = "stopped"
                break
        found.end(number, status)
    winner = found.winner()
    assert winner is not None  # the first setting of a search is never stopped
    return winner.number


def paired(treatment: np.ndarray, baseline: np.ndarray) -> Pairs:
    """Values of two arms paired by seed."""
    return pair(dict(enumerate(treatment.tolist())), dict(enumerate(baseline.tolist())))


def claims_better(treatments: np.ndarray, baseline: np.ndarray) -> bool:
    """Whether the analysis finds any of `treatments` (arms, seeds) better than the baseline, corrected over all."""
    results = [compare_paired(paired(values, baseline), alpha=ALPHA) for values in treatments]
    adjusted = adjust([result.p_t for result in results], "holm")
    corrected = [Corrected(len(results), ALPHA, p, ALPHA / len(results), None, ALPHA) for p in adjusted]
    verdicts = [decide(result, own, better=1, margin=None) for result, own in zip(results, corrected, strict=True)]
    return BETTER in {verdict.word for verdict in verdicts}


def study(seed: int) -> Claims:
    """One study without any effect."""
    rng = np.random.default_rng([2604, seed])
    finals = draw(rng, (ARMS, SETTINGS), TUNING_SEEDS)
    chosen = [search(rng, arm) for arm in finals]
    tuned = finals[np.arange(ARMS), chosen]
    confirmed = draw(rng, (ARMS,), CONFIRM_SEEDS)
    best = 1 + int(tuned[1:].mean(1).argmax())
    return Claims(
        confirmed=claims_better(confirmed[1:], confirmed[0]),
        tuned_baseline=claims_better(tuned[[best]], tuned[0]),
        plain_baseline=claims_better(tuned[[best]], finals[0, 0]),
    )


def rates(studies: int) -> dict[str, float]:
    """Share of the studies that claim something, by path."""
    found = [study(seed) for seed in range(studies)]
    return {name: float(np.mean([getattr(one, name) for one in found])) for name in Claims.__dataclass_fields__}


def main() -> None:
    """Print the table of docs/search.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=500)
    given = parser.parse_args()
    names = {
        "confirmed": "tuned, then confirmed on fresh seeds (ours)",
        "tuned_baseline": "best arm on its own tuning seeds, baseline tuned alike",
        "plain_baseline": "best arm on its own tuning seeds, baseline not tuned",
    }
    print(f"{given.studies} studies of {ARMS} equal arms, {SETTINGS} settings, {TUNING_SEEDS} tuning seeds")
    print("| path | studies that falsely claim better | standard error |\n|---|---|---|")
    for name, rate in rates(given.studies).items():
        error = np.sqrt(rate * (1 - rate) / given.studies)
        print(f"| {names[name]} | {rate:.1%} | {error:.1%} |")


if __name__ == "__main__":
    main()
