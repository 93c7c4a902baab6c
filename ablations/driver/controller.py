"""The driver's side of the tune phase: which setting is next, who may go on, what is written. No Ray in here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ablations.design.study import Study
from ablations.design.tuning import make_space, rungs
from ablations.errors import StudyError
from ablations.search.arm_search import ArmSearch, Setting
from ablations.search.candidates import OPEN, begun, columns_of, read_settings, tune_rows
from ablations.workers.seed_group import SettingWork
from silhouette.location import StoreError
from silhouette.metrics import METRICS
from silhouette.results import Store


@dataclass
class Conductor:
    """All searches of a study; they share the workers and nothing else.

    Attributes:
        searches: The search of each arm, by label.
        work: What the workers know.
        store: Where records are.
        waiting: Settings to begin before any new one: those that a kill left open.
        open: Settings under way, by (arm, number): their message.
        until: How settings ended of which a kill left only some records, by (arm, number).
        lost: Settings that Tune has given up once, by (arm, number).
    """

    searches: Mapping[str, ArmSearch]
    work: SettingWork
    store: Store
    waiting: list[tuple[str, Setting]] = field(default_factory=list)
    open: dict[tuple[str, int], str] = field(default_factory=dict)
    until: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    lost: set[tuple[str, int]] = field(default_factory=set)

    @property
    def left(self) -> int:
        """Settings still to begin."""
        return len(self.waiting) + sum(search.left for search in self.searches.values())

    def next(self) -> str | None:
        """Message of the next setting to train, from the arm that has had the fewest; None where none is left."""
        if not self.left:
            return None
        if self.waiting:
            arm, setting = self.waiting.pop(0)
        else:
            arm = min(self.searches, key=lambda label: -self.searches[label].left)
            setting = self.searches[arm].propose()
        config = self.searches[arm].space.config(setting.values)
        message = self.work.message(arm, setting, config, self.until.get((arm, setting.number)))
        self.open[arm, setting.number] = message
        self._note()
        return message

    def take(self, report: dict[str, Any]) -> bool:
        """Take a worker's report, and mark in it how the setting has ended, if it has; whether it may go on."""
        arm, number = report["arm"], report["number"]
        means = {int(epoch): value for epoch, value in report["means"].items()}
        go_on = self.searches[arm].observe(number, means) or (arm, number) in self.until
        if report["status"] == "running" and not go_on and report["records"]:
            try:
                for record in report["records"]:
                    self.store.write_record(record)
            except OSError:  # a full disk, or a store that is away: it goes on, and is judged again on its next rung
                return True
            report["status"] = "stopped"
        if report["status"] != "running":
            self.end(arm, number, report["status"])
        return bool(report["status"] == "running")

    def again(self, arm: str, number: int) -> bool:
        """Put a setting back that Tune gave up without its fault; once, then it has failed."""
        if (arm, number) in self.lost:
            return False
        self.lost.add((arm, number))
        self.waiting.append((arm, self.searches[arm].settings[number]))
        self.open.pop((arm, number), None)
        self._note()
        return True

    def end(self, arm: str, number: int, status: str) -> None:
        """A setting has ended and its records are written: forget its message and its checkpoints."""
        self.searches[arm].end(number, status)
        message = self.open.pop((arm, number), None)
        if message is not None:
            with suppress(OSError):
                self.store.delete("checkpoints", json.loads(message)["id"])
        self._note()

    def _note(self) -> None:
        """Keep what is open where the next driver finds it; without it, a proposal would only be made anew."""
        settings = [(arm, self.searches[arm].settings[number]) for arm, number in self.open]
        notes = [{"arm": arm, **columns_of(setting)} for arm, setting in (*settings, *self.waiting)]
        with suppress(OSError):
            self.store.write_json(notes, OPEN)


def make_conductor(study: Study, store: Store, common: Mapping[str, Any]) -> Conductor:
    """The searches of a study, as far as the records say they have come.

    Raises:
        StudyError: If an arm has nothing to tune.
    """
    tuning = study.tuning
    if tuning is None:
        raise StudyError(f"tuning: study {study.name!r} has none")
    metric = tuning.chooses_by(study.metric)
    rows = tune_rows(store)
    searches = {}
    for arm in study.start_arms:
        ended = [s for s in read_settings(rows, arm.label, tuning.seeds, metric) if s.status != "failed"]
        space = make_space(tuning, arm)
        searches[arm.label] = ArmSearch(space, tuning, METRICS[metric].direction, arm.config.epochs, ended)
    every_rung = {epoch for arm in study.start_arms for epoch in rungs(tuning, arm.config.epochs)}
    settings = {arm.label: arm.settings for arm in study.start_arms}
    work = SettingWork(common, settings, tuning.seeds, metric, tuple(sorted(every_rung)))
    conductor = Conductor(searches, work, store)
    conductor.until = {(arm, number): end for arm in searches for number, end in begun(rows, arm, tuning.seeds).items()}
    _reopen(conductor, store, rows)
    return conductor


def _reopen(conductor: Conductor, store: Store, rows: list[dict[str, Any]]) -> None:
    """Put back the settings that were under way, those with some records or failed ones first."""
    noted = _noted(store)
    seen = [row for row in rows if row["tune_number"] is not None]
    for note in sorted([*seen, *noted], key=lambda n: n["tune_number"]):
        search = conductor.searches.get(note["arm"])
        if search is None or note["tune_number"] in search.settings:
            continue
        setting = Setting(
            note["tune_number"], json.loads(note["tune_values"]), tuple(note["tune_known"] or ()), note["tune_bracket"]
        )
        search.settings[setting.number] = setting
        conductor.waiting.append((note["arm"], setting))


def _noted(store: Store) -> list[dict[str, Any]]:
    """The notes of the last driver; damaged ones are done without, since a proposal would only be made anew."""
    try:
        notes = store.read_json(OPEN) or []
        whole = {"arm", "tune_number", "tune_values", "tune_known", "tune_bracket"}
        return [note for note in notes if whole <= note.keys()]
    except (StoreError, AttributeError, TypeError):
        return []
