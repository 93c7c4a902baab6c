"""The driver's side of the tune phase: which candidate is next, and which may continue. It does not use Ray."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ablations.console.candidates import candidate_name
from ablations.console.status import TrialUpdate
from ablations.design.study import Study
from ablations.design.tuning import Space, budget_of, candidate_id, rungs
from ablations.errors import StudyError
from ablations.search.arm_search import ArmSearch
from ablations.search.candidates import OPEN, Candidate, columns_of, read_candidates, tune_rows
from ablations.workers.spec import Report, RunContext, SeedGroupSpec, TrialSpec, arm_specs, candidate_spec
from silhouette.config import trial_id
from silhouette.location import StoreError
from silhouette.results import Store


@dataclass
class SearchController:
    """All searches of a study. They share the workers, and no results.

    Attributes:
        searches: The search of each arm, by label.
        context: What the workers share.
        store: Where records are.
        seeds: Tuning seeds.
        waiting: Candidates to begin before any new one: those that an interruption left open.
        open: Candidates that run, by (arm, number).
        stopping: Epochs at which the search has stopped groups whose records are not yet written, by id.
        given_up: Ids of the groups on which Tune has given up once.
        aside: Candidates that stay noted as open while this run trains only another one; None where it trains all.
        may_begin: Whether the budget allows one more candidate of an arm beside so many that run.
    """

    searches: Mapping[str, ArmSearch]
    context: RunContext
    store: Store
    seeds: tuple[int, ...]
    waiting: list[tuple[str, Candidate]] = field(default_factory=list)
    open: dict[tuple[str, int], SeedGroupSpec] = field(default_factory=dict)
    stopping: dict[str, int] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    aside: list[tuple[str, Candidate]] | None = None
    may_begin: Callable[[str, int], bool] = lambda arm, running: True

    @property
    def left(self) -> int:
        """Candidates still to begin."""
        new = sum(search.left for search in self.searches.values()) if self.aside is None else 0
        return len(self.waiting) + new

    def keep_only(self, trial: str) -> bool:
        """Train the candidate of one trial and no other; return False if none that waits has that trial."""
        specs = [(place, self._spec(*place)) for place in self.waiting]
        wanted = [place for place, spec in specs if any(own.trial_id == trial for own in spec.trials)]
        self.aside = [place for place in self.waiting if place not in wanted]
        self.waiting = wanted
        return bool(wanted)

    def next(self) -> SeedGroupSpec | None:
        """Return the next candidate to train, from the arm that has had the fewest; None where none is left."""
        if not self.left:
            return None
        arm = self.waiting[0][0] if self.waiting else min(self.searches, key=lambda own: -self.searches[own].left)
        if not self.may_begin(arm, len(self.open)):
            return None
        if self.waiting:
            arm, candidate = self.waiting.pop(0)
        else:
            candidate = self.searches[arm].propose()
        spec = self._spec(arm, candidate)
        self.open[arm, candidate.number] = spec
        self._note_open()
        return spec

    def take(self, spec: SeedGroupSpec, report: Report) -> int | None:
        """Take a worker's report; return the epoch at which the worker must stop the candidate, None to continue.

        A candidate that is stopped counts as running until its worker reports that the records are written. A crash
        could change its outcome until then, so no proposal uses it earlier.
        """
        arm, number = _place(spec)
        may_continue = self.searches[arm].observe(number, report.means)
        if report.ended:
            self.end(spec, report.status)
        elif report.at_rung and not may_continue:
            self.stopping.setdefault(spec.id, max(report.means))
        return None if report.ended else self.stopping.get(spec.id)

    def again(self, spec: SeedGroupSpec) -> bool:
        """Put a candidate back on which Tune gave up; return False if that has happened before."""
        if spec.id in self.given_up:
            return False
        arm, number = _place(spec)
        self.given_up.add(spec.id)
        self.stopping.pop(spec.id, None)
        self.waiting.append((arm, self.searches[arm].candidates[number]))
        self.open.pop((arm, number), None)
        self._note_open()
        return True

    def end(self, spec: SeedGroupSpec, status: str) -> None:
        """Note that a candidate has ended and its records are written; delete its checkpoints."""
        arm, number = _place(spec)
        self.searches[arm].end(number, status)
        self.stopping.pop(spec.id, None)
        if self.open.pop((arm, number), None) is not None:
            with suppress(OSError):
                self.store.delete("checkpoints", spec.id)
        self._note_open()

    def name(self, spec: SeedGroupSpec) -> str:
        """Return the name that the display shows."""
        return candidate_name(*_place(spec))

    def row(self, spec: SeedGroupSpec, report: Report) -> TrialUpdate:
        """Return what the display shows of a report."""
        arm, number = _place(spec)
        last, metric = self.searches[arm].candidates[number].last, self.context.metric or ""
        record = {"status": report.status, metric: last}
        return TrialUpdate(candidate_name(arm, number), record if report.ended else None)

    def _spec(self, arm: str, candidate: Candidate) -> SeedGroupSpec:
        config, experiment = self.searches[arm].space.config(candidate.values), self.context.experiment
        trials = [TrialSpec(trial_id(config, seed, "tune", experiment), seed) for seed in self.seeds]
        own = candidate_id(arm, config, self.seeds, experiment)
        return candidate_spec(own, arm, candidate, config, trials)

    def _note_open(self) -> None:
        """Write the open candidates for the next driver. If this fails, the next driver proposes them again."""
        candidates = [(arm, self.searches[arm].candidates[number]) for arm, number in self.open]
        notes = [
            {"arm": arm, **columns_of(candidate)}
            for arm, candidate in (*candidates, *self.waiting, *(self.aside or ()))
        ]
        with suppress(OSError):
            self.store.write_json(notes, OPEN)


def _place(spec: SeedGroupSpec) -> tuple[str, int]:
    if spec.candidate is None:
        raise ValueError(f"group {spec.id}: a search takes candidates, got a confirm trial")
    return spec.arm, spec.candidate.number


def make_controller(study: Study, store: Store, context: RunContext) -> SearchController:
    """The searches of a study, with the candidates that have records.

    Args:
        study: A study with `tuning`.
        store: Its records.
        context: What both phases share.

    Raises:
        StudyError: If an arm has nothing to tune.
    """
    tuning = study.tuning
    if tuning is None:
        raise StudyError(f"tuning: study {study.name!r} has none")
    metric = study.chosen_by
    rows = tune_rows(store)
    searches = {}
    for arm in study.start_arms:
        ended = [c for c in read_candidates(rows, arm.label, tuning.seeds, metric) if c.status != "failed"]
        space = study.space(arm)
        for candidate in ended:
            _check_searched(candidate.values, space, arm.label)
        searches[arm.label] = ArmSearch(space, tuning, study.search_direction, budget_of(arm.config), ended)
    every_rung = {epoch for arm in study.start_arms for epoch in rungs(tuning, budget_of(arm.config))}
    own = replace(context, arms=arm_specs(study.start_arms), metric=metric, rungs=tuple(sorted(every_rung)))
    controller = SearchController(searches, own, store, tuning.seeds)
    _reopen(controller, store, rows)
    return controller


def _check_searched(values: Mapping[str, Any], space: Space, arm: str) -> None:
    """Refuse a record of another search.

    A record must not bring in a setting that the study does not search: it could name code to be imported. Candidates
    of an older version may lack a factor to which another tuned value gives an effect.
    """
    if values.keys() != space.domains.keys():
        raise StudyError(
            f"tuning.nuisance: arm {arm!r} is searched in {', '.join(space.domains)}, and its records are of a "
            f"search in {', '.join(values)}; give another --results"
        )
    for name, value in values.items():
        if value not in space.domains[name]:
            raise StudyError(
                f"tuning.nuisance: arm {arm!r} has a record with {name}={value!r}, which is not in its range; restore "
                "the range, or give another --results"
            )


def _reopen(controller: SearchController, store: Store, rows: list[dict[str, Any]]) -> None:
    """Put back the candidates that were open, those with some records or failed ones first."""
    seen = [row for row in rows if row["tune_number"] is not None]
    for note in sorted([*seen, *_noted(store, controller.searches)], key=lambda n: n["tune_number"]):
        search = controller.searches.get(note["arm"])
        if search is None or note["tune_number"] in search.candidates:
            continue
        values = json.loads(note["tune_values"])
        _check_searched(values, search.space, note["arm"])
        candidate = Candidate(note["tune_number"], values, tuple(note["tune_known"] or ()), note["tune_bracket"])
        search.candidates[candidate.number] = candidate
        controller.waiting.append((note["arm"], candidate))


def _noted(store: Store, searches: Mapping[str, ArmSearch]) -> list[dict[str, Any]]:
    """The open candidates that the last driver wrote. Damaged ones are ignored: they are proposed again."""
    try:
        notes = store.read_json(OPEN) or []
        whole = {"arm", "tune_number", "tune_values", "tune_known", "tune_bracket"}
        return [note for note in notes if whole <= note.keys() and _is_searched(note, searches)]
    except (StoreError, AttributeError, TypeError, ValueError):
        return []


def _is_searched(note: Mapping[str, Any], searches: Mapping[str, ArmSearch]) -> bool:
    search = searches.get(note["arm"])
    return search is not None and search.space.holds(json.loads(note["tune_values"]))
