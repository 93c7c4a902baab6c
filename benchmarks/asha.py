"""What early stopping saves, and what it costs, on recorded learning curves of 60 settings (see `curves.py`).

Command:  python benchmarks/asha.py
Cost:     about two minutes on one core

Each replay draws an order of the settings, and deals the six seeds: three to tune on, two to confirm on, and one that
nobody has seen, which says what the chosen setting is worth. Two workers train in virtual time, an epoch each in turn.
Compared are

(a) no early stopping: all settings run all epochs, the best mean over the tuning seeds is reported;
(b) Ray's ASHA with every seed as a trial of its own: the best mean over the seeds that finished is reported;
(c) ours: the seeds of a setting stop together on their mean, the winner is trained again on the confirm seeds, and
    their mean is reported.

The bias is what is reported less the value on the unseen seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ablations.search.asha import Rungs

DATA = Path(__file__).parent / "data" / "digits_curves.parquet"
GRACE, REDUCTION, WORKERS = 3, 3, 2
TUNING_SEEDS, CONFIRM_SEEDS = 3, 2


@dataclass(frozen=True)
class Curves:
    """Recorded values: `values` (settings, seeds, epochs), NaN where a trial had diverged; worst is 0."""

    values: np.ndarray

    @property
    def final(self) -> np.ndarray:
        """(settings, seeds) values at full budget."""
        return self.values[:, :, -1]


@dataclass(frozen=True)
class Replay:
    """One search: the share of all epochs that it trained, the settings that ran to the end, its choice and claim."""

    share: float
    kept: frozenset[int]
    chosen: int
    reported: float
    unseen: float


def load(path: Path) -> Curves:
    """The recorded curves; a diverged trial counts as 0 from there on."""
    table = pq.read_table(path).to_pandas()
    shape = (table["setting"].max() + 1, table["seed"].max() + 1, table["epoch"].max())
    values = np.zeros(shape)
    values[table["setting"], table["seed"], table["epoch"] - 1] = table["val_top1"]
    return Curves(values)


def run_asha(curves: np.ndarray, order: list[int], grace: int, reduction: float) -> np.ndarray:
    """Epochs that each trial reached when `WORKERS` share them: `curves` (trials, epochs)."""
    epochs = curves.shape[1]
    rungs = Rungs(epochs, grace, reduction, "max")
    reached = np.zeros(len(curves), dtype=int)
    waiting, running = list(order), []
    while waiting or running:
        while waiting and len(running) < WORKERS:
            running.append(waiting.pop(0))
        for trial in list(running):
            reached[trial] += 1
            keeps = rungs.keep(trial, int(reached[trial]), float(curves[trial, reached[trial] - 1]))
            if reached[trial] == epochs or not keeps:
                running.remove(trial)
    return reached


@dataclass(frozen=True)
class Deal:
    """What chance decides in a replay: seeds by their use, and the order of the settings."""

    tuning: np.ndarray
    confirm: np.ndarray
    unseen: np.ndarray
    order: list[int]


def deal(curves: Curves, rng: np.random.Generator) -> Deal:
    """Draw seeds and order."""
    settings, seeds, _ = curves.values.shape
    drawn, fresh = rng.permutation(seeds), TUNING_SEEDS + CONFIRM_SEEDS
    return Deal(drawn[:TUNING_SEEDS], drawn[TUNING_SEEDS:fresh], drawn[fresh:], list(rng.permutation(settings)))


def replay(curves: Curves, dealt: Deal, reached: np.ndarray, scores: np.ndarray, confirm: bool) -> Replay:
    """Choose the best of `scores` (settings,), -inf where nothing finished, and report it or confirm it first."""
    best = int(scores.argmax())
    reported = curves.final[best, dealt.confirm].mean() if confirm else scores[best]
    share = reached.mean() / curves.values.shape[2]
    kept = frozenset(np.flatnonzero(scores > -np.inf).tolist())
    return Replay(float(share), kept, best, float(reported), float(curves.final[best, dealt.unseen].mean()))


def no_stopping(curves: Curves, dealt: Deal) -> Replay:
    """Method (a)."""
    reached = np.full(len(curves.values), curves.values.shape[2])
    return replay(curves, dealt, reached, curves.final[:, dealt.tuning].mean(1), confirm=False)


def seeds_apart(curves: Curves, dealt: Deal) -> Replay:
    """Method (b)."""
    finals, reached = finals_of_seeds_apart(curves, dealt)
    scores = np.full(len(finals), -np.inf)
    some = ~np.isnan(finals).all(1)
    scores[some] = np.nanmean(finals[some], axis=1)
    return replay(curves, dealt, reached, scores, confirm=False)


def finals_of_seeds_apart(curves: Curves, dealt: Deal) -> tuple[np.ndarray, np.ndarray]:
    """Final values (settings, tuning seeds) where every seed is a trial, NaN for a stopped one; epochs reached."""
    settings, _, epochs = curves.values.shape
    flat = curves.values[:, dealt.tuning].reshape(-1, epochs)
    order = [setting * TUNING_SEEDS + seed for setting in dealt.order for seed in range(TUNING_SEEDS)]
    reached = run_asha(flat, order, GRACE, REDUCTION)
    return np.where(reached == epochs, flat[:, -1], np.nan).reshape(settings, TUNING_SEEDS), reached


def seeds_together(curves: Curves, dealt: Deal) -> Replay:
    """Method (c)."""
    means = curves.values[:, dealt.tuning].mean(1)
    reached = run_asha(means, dealt.order, GRACE, REDUCTION)
    scores = np.where(reached == means.shape[1], means[:, -1], -np.inf)
    return replay(curves, dealt, reached, scores, confirm=True)


METHODS = {"a": no_stopping, "b": seeds_apart, "c": seeds_together}


def as_good_as_best(curves: Curves) -> frozenset[int]:
    """The true best setting and those within its seed noise: one SD between seeds, of a mean over the tuning seeds."""
    means = curves.final.mean(1)
    best = int(means.argmax())
    noise = curves.final[best].std(ddof=1) / np.sqrt(TUNING_SEEDS)
    return frozenset(np.flatnonzero(means >= means[best] - noise).tolist())


def partly_finished(curves: Curves, dealt: Deal) -> tuple[float, float]:
    """Under (b): share of the finishing settings that finish with some seeds only, and their bias in seed SDs."""
    finals, _ = finals_of_seeds_apart(curves, dealt)
    done = ~np.isnan(finals)
    partial = done.any(1) & ~done.all(1)
    if not partial.any():
        return 0.0, float("nan")
    spread = curves.final[partial].std(axis=1, ddof=1)
    gaps = np.nanmean(finals[partial], axis=1) - curves.final[partial].mean(1)
    return float(partial.sum() / done.any(1).sum()), float((gaps[spread > 0] / spread[spread > 0]).mean())


def replays(curves: Curves, count: int, seed: int = 0) -> Iterator[dict]:
    """Summary of each method over `count` replays, all with the same draws."""
    good, truth = as_good_as_best(curves), curves.final.mean(1)
    best = int(truth.argmax())
    for name, method in METHODS.items():
        runs = [method(curves, deal(curves, np.random.default_rng([seed, n]))) for n in range(count)]
        errors = 100 * np.array([run.reported - run.unseen for run in runs])
        yield {
            "method": name,
            "epochs": float(np.mean([run.share for run in runs])),
            "best_kept": float(np.mean([best in run.kept for run in runs])),
            "good_kept": float(np.mean([bool(good & run.kept) for run in runs])),
            "good_chosen": float(np.mean([run.chosen in good for run in runs])),
            "regret": float(100 * np.mean([truth[best] - truth[run.chosen] for run in runs])),
            "bias": float(errors.mean()),
            "bias_error": float(errors.std(ddof=1) / np.sqrt(count)),
        }


def main() -> None:
    """Print the table of docs/search.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    curves = load(given.data)
    settings, seeds, epochs = curves.values.shape
    print(f"{settings} settings, {seeds} seeds, {epochs} epochs; {len(as_good_as_best(curves))} as good as the best")
    print("| method | epochs | best kept | one as good kept | one as good chosen | regret, points | bias, points |")
    print("|---|---|---|---|---|---|---|")
    for row in replays(curves, given.replays):
        print(
            f"| {row['method']} | {row['epochs']:.1%} | {row['best_kept']:.0%} | {row['good_kept']:.0%} | "
            f"{row['good_chosen']:.0%} | {row['regret']:.2f} | {row['bias']:+.3f} ± {row['bias_error']:.3f} |"
        )
    dealt = [deal(curves, np.random.default_rng([0, n])) for n in range(given.replays)]
    partial = [partly_finished(curves, one) for one in dealt]
    shares, biases = (np.nanmean(column) for column in zip(*partial, strict=True))
    print(f"(b): {shares:.0%} of the settings that finish do so with only some seeds, biased by {biases:+.2f} seed SD")


if __name__ == "__main__":
    main()
