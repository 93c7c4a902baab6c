"""The status of every candidate of the tune phase, for `ablate plan`, `ablate status` and the live display.

It comes from the records alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from ablations.console.status import StatusTable
from ablations.design.arms import Trial
from ablations.design.study import Study
from ablations.formatting import counted, metric_value
from ablations.search.candidates import Candidate, read_candidates, tune_rows
from ablations.search.selection import FILE
from silhouette.results import Store


class CandidateTable(StatusTable):
    """Arms × candidates: the tune phase. A candidate that was stopped early has ended as planned."""

    unit = "candidates"
    column = "best"

    def __init__(
        self,
        trials: Sequence[Trial],
        status: Mapping[str, str],
        values: Mapping[str, float],
        metric: str,
        direction: str,
    ) -> None:
        super().__init__(trials, status, values, metric)
        self.direction = direction

    def line(self) -> str:
        """Finished candidates, those that were stopped early, and what went wrong or is left."""
        counts = self.counts()
        finished = counts["complete"] + counts["stopped"] + counts["diverged"]
        parts = [f"{finished}/{len(self.trials)} finished", *self._notes(counts)]
        return ", ".join(parts)

    @staticmethod
    def _notes(counts: Mapping[str, int]) -> list[str]:
        words = {"stopped": "stopped early", "diverged": "diverged", "failed": "failed", "running": "running"}
        return [f"{counts[name]} {text}" for name, text in words.items() if counts[name]]

    def best(self) -> str:
        """The best candidate so far, by the value that the search sees; empty without values."""
        if not self.values:
            return ""
        pick = max if self.direction == "max" else min
        place = pick(self.values, key=lambda name: self.values[name])
        return f"best candidate so far: {place} ({self.metric} {metric_value(self.values[place])})"

    def heading(self, values: Mapping[str, Sequence[float]]) -> str:
        """Heading of the last column."""
        return f"{self.column} {self.metric}"

    def values_by_arm(self) -> dict[str, list[float]]:
        """Values of each arm's candidates."""
        found: dict[str, list[float]] = {}
        for trial in self.trials:
            if trial.trial_id in self.values:
                found.setdefault(trial.arm.label, []).append(self.values[trial.trial_id])
        return found

    def summarise(self, values: Sequence[float]) -> float:
        """What the last column shows of an arm: the value of its best candidate."""
        return max(values) if self.direction == "max" else min(values)


def candidates_by_arm(study: Study, store: Store) -> dict[str, list[Candidate]]:
    """The candidates of each arm that have ended; none for a study that tunes nothing."""
    if study.tuning is None:
        return {}
    rows, metric = tune_rows(store), study.chosen_by
    return {arm.label: read_candidates(rows, arm.label, study.tuning.seeds, metric) for arm in study.start_arms}


def tune_line(study: Study, store: Store) -> str:
    """What the tune phase plans and has finished, in one line; empty for a study that tunes nothing."""
    if study.tuning is None:
        return ""
    frozen = store.read_json(FILE)
    if frozen is not None:
        return f"tune phase: frozen as {frozen['hash']} at {frozen['frozen_at']}"
    arms, planned = len(study.start_arms), study.tuning.settings
    finished = sum(c.status != "failed" for found in candidates_by_arm(study, store).values() for c in found)
    size = " × ".join((counted(arms, "arm"), counted(planned, "candidate"), counted(len(study.tuning.seeds), "seed")))
    return f"tune phase: {size}, {counted(finished, 'candidate')} finished, {arms * planned - finished} to run"


def tune_pace(store: Store) -> dict[str, float]:
    """Median seconds per epoch of each arm in the tune phase; empty without any."""
    found: dict[str, list[float]] = {}
    for row in store.load(("arm", "phase", "seconds", "epochs_reached")).to_pylist():
        if row["phase"] == "tune" and row["seconds"] and row["epochs_reached"]:
            found.setdefault(row["arm"], []).append(row["seconds"] / row["epochs_reached"])
    return {arm: statistics.median(values) for arm, values in found.items()}


def tune_seconds(study: Study, store: Store, pace: Mapping[str, float]) -> float:
    """Computing time that the tune phase still takes at most, if early stopping saves nothing.

    Args:
        study: The study.
        store: Its records.
        pace: Seconds per epoch by arm; 0 is returned where there is none.
    """
    if study.tuning is None or not pace or store.read_json(FILE) is not None:
        return 0.0
    ended, usual = candidates_by_arm(study, store), statistics.median(pace.values())
    left = {arm.label: study.tuning.settings - len(ended[arm.label]) for arm in study.start_arms}
    each = {a.label: len(study.tuning.seeds) * (a.budget or 0) * pace.get(a.label, usual) for a in study.start_arms}
    return sum(left[label] * each[label] for label in left)


def candidate_name(arm: str, number: int) -> str:
    """A candidate as the display names it.

    >>> candidate_name("CE", 3)
    'CE #3'
    """
    return f"{arm} #{number}"


def candidate_table(study: Study, candidates: Mapping[str, Iterable[Candidate]]) -> CandidateTable:
    """Arms × candidates, as far as they have come.

    Args:
        study: The study.
        candidates: What is known of each arm's candidates, by label of the arm.

    Raises:
        ValueError: If the study tunes nothing.
    """
    if study.tuning is None:
        raise ValueError(f"tuning: study {study.name!r} has none")
    status, values = {}, {}
    for arm, found in candidates.items():
        for candidate in found:
            name = candidate_name(arm, candidate.number)
            if candidate.status != "running":
                status[name] = candidate.status
            if candidate.status == "complete" and candidate.last is not None:
                values[name] = candidate.last
    arms, numbers = study.start_arms, range(study.tuning.settings)
    trials = [Trial(candidate_name(arm.label, n), arm, n, "tune") for n in numbers for arm in arms]
    return CandidateTable(trials, status, values, study.chosen_by, study.search_direction)
