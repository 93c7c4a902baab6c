"""Run one trial alone: a confirm trial, or the candidate of the tune phase to which a trial belongs."""

from __future__ import annotations

from ablations.design.study import Study
from ablations.driver.confirm import confirm
from ablations.driver.controller import make_controller
from ablations.driver.session import RunSession
from ablations.driver.tune import run_candidates
from ablations.errors import StudyError
from ablations.search.selection import FILE
from silhouette.results import FINISHED, Store


def run_only(study: Study, session: RunSession, trial: str) -> None:
    """Run a trial that has no finished record. A trial of the tune phase runs with the other seeds of its candidate.

    Args:
        study: The study, with its winners where they are frozen.
        session: Runs the trial.
        trial: Its trial_id.

    Raises:
        StudyError: If the study has no such trial that can run now.
    """
    store = session.store
    if status := _status(store, trial):
        session.print(f"{study.name}: {trial} already has a record ({status}); --verify trains it again and compares")
        return
    frozen = study.tuning is None or store.read_json(FILE) is not None
    if frozen and any(own.trial_id == trial for own in study.trials()):
        confirm(study, session, trial)
        return
    if not frozen:
        controller = make_controller(study, store, session.context())
        if controller.keep_only(trial):
            run_candidates(study, controller, session)
            return
    rule = "a trial of the study" if frozen else "a trial of an open or failed candidate until the search is frozen"
    raise StudyError(f"--only: must be {rule}; `ablate status` names those that failed, got {trial!r}")


def only_exit_code(store: Store, trial: str) -> int:
    """0 if the trial has a record that ended as planned, else 1."""
    return 0 if _status(store, trial) in ("complete", "stopped") else 1


def _status(store: Store, trial: str) -> str | None:
    """Status of a trial that has finished; None if it has not."""
    table = store.load(("trial_id", "status"))
    found = dict(zip(table["trial_id"].to_pylist(), table["status"].to_pylist(), strict=True))
    return found[trial] if found.get(trial) in FINISHED else None
