"""The tune phase at a glance, from the records alone: for `ablate plan`, `ablate status` and the live display."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

from ablations.console.status import Board
from ablations.design.arms import Trial
from ablations.design.study import Study
from ablations.search.arm_search import Setting
from ablations.search.candidates import read_settings, tune_rows
from ablations.search.selection import FILE
from silhouette.results import Store


def settings_of(study: Study, store: Store) -> dict[str, list[Setting]]:
    """The settings of each arm that have ended; none for a study that tunes nothing."""
    if study.tuning is None:
        return {}
    rows, metric = tune_rows(store), study.tuning.chooses_by(study.metric)
    return {arm.label: read_settings(rows, arm.label, study.tuning.seeds, metric) for arm in study.start_arms}


def tune_line(study: Study, store: Store) -> str:
    """What the tune phase wants, has and lacks, in one line; empty for a study that tunes nothing."""
    if study.tuning is None:
        return ""
    frozen = store.read_json(FILE)
    if frozen is not None:
        return f"tune phase: frozen as {frozen['hash']} at {frozen['frozen_at']}"
    arms, wanted = len(study.start_arms), study.tuning.settings
    present = sum(s.status != "failed" for found in settings_of(study, store).values() for s in found)
    size = f"{arms} arms × {wanted} settings × {len(study.tuning.seeds)} seeds"
    return f"tune phase: {size}, {present} settings present, {arms * wanted - present} to run"


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
    ended, usual = settings_of(study, store), statistics.median(pace.values())
    left = {arm.label: study.tuning.settings - len(ended[arm.label]) for arm in study.start_arms}
    each = {a.label: len(study.tuning.seeds) * a.config.epochs * pace.get(a.label, usual) for a in study.start_arms}
    return sum(left[label] * each[label] for label in left)


def slot(arm: str, number: int) -> str:
    """Where the display shows a setting."""
    return f"{arm} #{number}"


def make_board(study: Study, settings: Mapping[str, Iterable[Setting]]) -> Board:
    """Arms × settings, as far as they have come.

    Raises:
        ValueError: If the study tunes nothing.
    """
    if study.tuning is None:
        raise ValueError(f"tuning: study {study.name!r} has none")
    status, values = {}, {}
    for arm, found in settings.items():
        for setting in found:
            if setting.status != "running":
                status[slot(arm, setting.number)] = setting.status
            if setting.status == "complete" and setting.last is not None:
                values[slot(arm, setting.number)] = setting.last
    arms, numbers = study.start_arms, range(study.tuning.settings)
    places = [Trial(slot(arm.label, n), arm, n, "tune") for n in numbers for arm in arms]
    return Board(places, status, values, study.tuning.chooses_by(study.metric), unit="settings")
