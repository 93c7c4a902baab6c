"""Computing time to a decision: seeds until it is decided, against fixed numbers of seeds and declared looks.

Command:  ablate run demo --seeds 40 --results results/decide && python benchmarks/decide.py
Cost:     the records once (about three times as long as the demo with 10 seeds); the replays seconds

Each replay deals the recorded seeds of the study in another order, the same one in every arm, and analyses them as they
come: (a) t-mixture sequence after each seed, an arm ends when its comparison is decided; (b) a fixed number of seeds,
paired t; (c) Pocock's looks, all open comparisons go on to the next look. All are corrected by Holm over the primary
comparisons. The time of a trial is the mean of its arm in the records. A replay is deterministic.

*Decided* is the share of comparisons that get a word for the difference. *Other sign* is the share of these words that
contradict the mean difference over all recorded seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.results.analyse import load
from analysis.stats.anytime import anytime, decide_family, first_deciding
from analysis.stats.multiplicity import adjust
from analysis.stats.sequential import nominal_level
from analysis.study.ledger import make_ledger
from silhouette.results import Store

RESULTS = "results/decide"
FIXED, LOOKS = (10, 20), (5, 10, 20)


@dataclass(frozen=True)
class Recorded:
    """Values (arms, seeds), mean seconds of a trial (arms,), and the comparisons as indices (treatment, baseline)."""

    values: np.ndarray
    seconds: np.ndarray
    pairs: tuple[tuple[int, int], ...]

    @property
    def differences(self) -> np.ndarray:
        """Treatment minus baseline, shape (comparisons, seeds)."""
        return np.array([self.values[t] - self.values[b] for t, b in self.pairs])


@dataclass(frozen=True)
class Outcome:
    """Seeds at which each comparison ended, and the sign of its word; 0 where it got none."""

    seeds: tuple[int, ...]
    signs: tuple[int, ...]


def read(results: str, study: str) -> tuple[Recorded, float]:
    """The seeds that all arms have, and alpha."""
    plan, records = load(Store(results, study))
    ledger = make_ledger(plan, records)
    found = {arm.label: ledger.values(arm.label, plan.metric) for arm in plan.arms}
    seeds = [seed for seed in plan.seeds if all(seed in values for values in found.values())]
    labels = list(found)
    seconds = [np.mean([r.seconds or 0.0 for r in ledger.used[label].values()]) for label in labels]
    families = [f for f in plan.families if f.role == "primary"]
    pairs = tuple((labels.index(t), labels.index(f.baseline)) for f in families for t in f.treatments)
    if len(seeds) < first_deciding(len(pairs), plan.declared_alpha):
        raise SystemExit(f"{study}: {len(seeds)} common seeds decide nothing; see the command in this file")
    values = np.array([[found[label][seed] for seed in seeds] for label in labels])
    return Recorded(values, np.array(seconds), pairs), plan.declared_alpha


def until_decided(d: np.ndarray, alpha: float) -> Outcome:
    """After each seed, until each comparison is decided or the records end."""
    found = decide_family([anytime(row) for row in d], alpha)
    signs = [int(np.sign(row[: f.evidence_at].mean())) if f.kind else 0 for row, f in zip(d, found, strict=True)]
    return Outcome(tuple(f.seeds for f in found), tuple(signs))


def at_looks(d: np.ndarray, alpha: float, looks: Sequence[int]) -> Outcome:
    """At each look, until each comparison is rejected or the looks end; one look is a fixed number of seeds."""
    level = nominal_level(alpha, tuple(looks) if len(looks) > 1 else ())
    ends, signs = [looks[-1]] * len(d), [0] * len(d)
    for n in looks:
        p = [float(stats.ttest_1samp(row[:n], 0).pvalue) for row in d]
        for i, adjusted in enumerate(adjust([1.0 if np.isnan(x) else x for x in p], "holm")):
            if not signs[i] and adjusted is not None and adjusted <= level:
                ends[i], signs[i] = n, int(np.sign(d[i, :n].mean()))
    return Outcome(tuple(ends), tuple(signs))


def seconds_of(recorded: Recorded, outcome: Outcome) -> float:
    """Computing time: each arm runs as long as one of its comparisons needs it."""
    needed = np.zeros(len(recorded.values))
    for (treatment, baseline), n in zip(recorded.pairs, outcome.seeds, strict=True):
        for arm in (treatment, baseline):
            needed[arm] = max(needed[arm], n)
    return float(needed @ recorded.seconds)


def rules(seeds: int, alpha: float) -> dict[str, Callable[[np.ndarray], Outcome]]:
    """The rules that fit into so many recorded seeds."""
    found: dict[str, Callable[[np.ndarray], Outcome]] = {
        f"until decided, at most {seeds}": lambda d: until_decided(d, alpha)
    }
    for n in FIXED:
        if n <= seeds:
            found[f"fixed n = {n}"] = lambda d, n=n: at_looks(d, alpha, (n,))
    looks = tuple(n for n in LOOKS if n <= seeds)
    if len(looks) > 1:
        found[f"Pocock's looks {', '.join(map(str, looks))}"] = lambda d: at_looks(d, alpha, looks)
    return found


def main() -> None:
    """Print one row for each rule."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", default=RESULTS)
    parser.add_argument("--study", default="demo")
    parser.add_argument("--replays", type=int, default=400)
    given = parser.parse_args()
    recorded, alpha = read(given.results, given.study)
    d = recorded.differences
    truth, seeds = np.sign(d.mean(axis=1)), d.shape[1]
    print(f"{given.study}: {len(d)} comparisons, {seeds} recorded seeds, {given.replays} replays\n")
    print("| rule | hours | seeds of a comparison | decided | other sign |\n|---|---:|---:|---:|---:|")
    orders = [np.random.default_rng(i).permutation(seeds) for i in range(given.replays)]
    for name, rule in rules(seeds, alpha).items():
        found = [rule(d[:, order]) for order in orders]
        hours = np.mean([seconds_of(recorded, one) for one in found]) / 3600
        signs = np.array([one.signs for one in found])
        wrong = np.sum((signs != 0) & (signs != truth)) / max(1, np.sum(signs != 0))
        mean = np.mean([one.seeds for one in found])
        print(f"| {name} | {hours:.3g} | {mean:.1f} | {100 * np.mean(signs != 0):.0f} % | {100 * wrong:.1f} % |")


if __name__ == "__main__":
    main()
