"""The only owner of `study.json`: who writes it, and what a run makes of the stored one.

A results folder belongs to one plan. A later run may repeat it, run a part of it, or extend it by arms and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import FILE, covers
from ablations.design.seeds.extension import extension, extension_notes
from ablations.design.seeds.stopping import stop_settings
from ablations.design.study import Study
from ablations.errors import StudyError
from silhouette.config import is_of_version_0_1
from silhouette.results import Store


def adopt_plan(study: Study, store: Store, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that the results folder now follows; written unless the stored one covers the study.

    Args:
        study: The study to run.
        store: Its results folder.
        provenance: Code, versions and command of this run, written beside the plan.

    Raises:
        StudyError: If the folder holds a plan that contradicts the study.
    """
    stored, new = store.read_json(FILE), describe_study(study)
    if covers(stored, new, store.root):
        return _with_keep(stored, study, store)
    new |= extension_notes(stored, new, store)
    if stored is not None and is_of_version_0_1(stored):  # a report must still know that other rules held then
        new.pop("error_rate")
    new["provenance"] = dict(provenance)
    store.write_json(new, FILE)
    return new


def _with_keep(stored: Mapping[str, Any], study: Study, store: Store) -> dict[str, Any]:
    """The stored plan, which also says what the trials of this run keep; a change of that is noted in it."""
    before = stored.get("keep", "none")
    if before == study.keep:
        return dict(stored)
    change = {"from": before, "to": study.keep, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    plan = {**stored, "keep": study.keep, "keep_changes": [*stored.get("keep_changes", ()), change]}
    store.write_json(plan, FILE)
    return plan


def read_description(store: Store) -> dict[str, Any] | None:
    """Return the content of `study.json`; None if nothing has run there.

    Raises:
        StudyError: If it is not in the format of a study.
    """
    stored = store.read_json(FILE)
    needed = ("study", "question", "plan_hash")
    if stored is not None and not (isinstance(stored, dict) and all(isinstance(stored.get(k), str) for k in needed)):
        raise StudyError(f"{store.root}/{FILE}: not in the format of a study; restore it")
    return stored


def planned_extension(study: Study, store: Store) -> dict[str, Any] | None:
    """The note on seeds that the study would add to a plan whose results could be seen; None if it adds none."""
    return extension(store.read_json(FILE), describe_study(study), store)


def last_command(store: Store) -> str | None:
    """The command line that last wrote the stored plan; None if there is none."""
    command = ((read_description(store) or {}).get("provenance") or {}).get("command")
    return command if isinstance(command, str) and command.startswith("ablate run ") else None


def check_plan(study: Study, store: Store) -> None:
    """Raise `StudyError` if the results folder holds a plan that contradicts the study."""
    covers(store.read_json(FILE), describe_study(study), store.root)


def plan_to_follow(study: Study, store: Store) -> dict[str, Any] | None:
    """The plan of a folder as a run of the study would leave it; None before the first run, or if the two contradict.

    Args:
        study: The study, with its winners where it was tuned.
        store: Its results folder.
    """
    stored, new = store.read_json(FILE), describe_study(study)
    try:
        return stored if stored is None or covers(stored, new, store.root) else {**stored, **new}
    except StudyError:
        return None


def as_stored(study: Study, store: Store) -> tuple[Study, list[str]]:
    """The study with all seeds of the stored plan, which the report shows, and what else differs, in words.

    Args:
        study: The study as its file and the command line define it.
        store: Its results folder.
    """
    stored = store.read_json(FILE)
    try:
        study = study if stored is None or study.stop else study.replaced(**stop_settings(stored))
        if stored is None or not covers(stored, describe_study(study), store.root):
            return study, []
    except StudyError as error:
        return study, [f"note: the report shows another plan than this one: {error}"]
    others = len(stored["arms"]) - len(study.start_arms)
    notes = [f"note: the report shows {others} more of the arms; give the --set that they were run with"]
    own = stop_settings(stored) or {"seeds": stored["seeds"]}
    return study.replaced(**own), notes if others else []


def note_winners(study: Study, frozen_hash: str, description: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Write the confirmed configs, and the hash they are frozen under, into `study.json`; returns its content.

    Args:
        study: The study with its winners.
        frozen_hash: Hash of `frozen.json`.
        description: The present content of `study.json`.
        store: The results folder.
    """
    configs = {arm.label: arm.config.model_dump(mode="json") for arm in study.arms}
    arms = [{**arm, "config": configs.get(arm["arm"], arm["config"])} for arm in description["arms"]]
    confirmed = {**description, "arms": arms, "frozen": frozen_hash}
    if confirmed != description:
        store.write_json(confirmed, FILE)
    return confirmed
