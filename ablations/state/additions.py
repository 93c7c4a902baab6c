"""What a run would add to a results folder, and what needs a word of the user first: other code, seeds after a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

from ablations.design.plan import planned_extension
from ablations.design.study import Study
from ablations.errors import StudyError
from ablations.formatting import counted
from ablations.state.provenance import plugin_sources, source_digest
from silhouette.registry import sources_in
from silhouette.results import FINISHED, Store


def check_additions(study: Study, store: Store, *, mixed_code: bool, extend: bool) -> None:
    """Check, before a run changes anything, that the report will still be able to give a verdict.

    Args:
        study: The study to run, with its winners if it was tuned.
        store: Its results folder.
        mixed_code: Records of this code may be added to records of other code.
        extend: Seeds may be added although results could be seen.

    Raises:
        StudyError: One line that says what would follow, and the option that allows it.
    """
    if not extend and (line := extension_line(study, store)):
        raise StudyError(f"--extend: {line}; declare looks in a new study with other seeds, or pass --extend")
    if not mixed_code:
        _check_code(study, store)


def extension_line(study: Study, store: Store) -> str:
    """What follows from the seeds that the study adds to those of its folder; empty if nothing does.

    Args:
        study: A study that `check_plan` has accepted.
        store: Its results folder.
    """
    note = planned_extension(study, store)
    if note is None or note["declared"]:
        return ""
    seeds = f"{note['to']} instead of {note['from']} seeds"
    seen = f"{store.root} has results that could be seen"
    return f"{seen}; with {seeds} the report will give no verdict: extended after looking"


def _check_code(study: Study, store: Store) -> None:
    """Refuse to add records of this code to records of other code, unless nothing is to be added."""
    code_of, plugins = _code_of_finished(store)
    others = Counter(code for code in code_of.values() if code != source_digest())
    changed = _changed_plugins(study, plugins)
    if not (others or changed) or not _adds(study, store, code_of):
        return
    if changed:
        raise StudyError(f"--allow-mixed-code: {store.root} has {changed}; {_ADVICE}")
    found = ", ".join(f"{counted(n, 'record')} of {code or 'code that was not recorded'}" for code, n in others.items())
    raise StudyError(f"--allow-mixed-code: {store.root} has {found}, and this code is {source_digest()}; {_ADVICE}")


_ADVICE = (
    "over mixed code the report gives no verdict; give another --results, go back to that code, "
    "or pass --allow-mixed-code"
)


def _changed_plugins(study: Study, recorded: Iterable[Mapping[str, str | None]]) -> str:
    """The first plugin of a study whose source differs from that in records, in words; empty if none does."""
    now = plugin_sources(study.plugins)
    others = Counter((name, code) for found in recorded for name, code in found.items() if name in now)
    for (name, code), count in sorted(others.items(), key=str):
        if code != now[name]:
            return f"{counted(count, 'record')} of {name} with source {code}, which is now {now[name] or 'not here'}"
    return ""


def _code_of_finished(store: Store) -> tuple[dict[str, str | None], list[dict[str, str | None]]]:
    """Digest of the code by trial_id, of all finished trials, None where the record has none; and of their plugins."""
    names = ("trial_id", "status", "source_sha256", "plugins")
    table = store.load(names)
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    finished = [(trial_id, code, plugins) for trial_id, status, code, plugins in rows if status in FINISHED]
    return {trial_id: code for trial_id, code, _ in finished}, [sources_in(plugins) for *_, plugins in finished]


def _adds(study: Study, store: Store, finished: Container[str]) -> bool:
    if study.tuning is not None and store.read_json("frozen.json") is None:
        return True
    return any(trial.trial_id not in finished for trial in study.trials())
