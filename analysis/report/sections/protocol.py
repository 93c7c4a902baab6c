"""The section on the protocol: what was declared before the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analysis.formatting import count, listing, show_alpha, show_level
from analysis.report.cells import rates_line, table
from analysis.report.elements import Cell, Section
from analysis.report.sections.frozen_plan import looks_text
from analysis.report.sections.until_decided import stop_text
from analysis.results.document import Document, FactorData, FamilyData, ValidationData, scale_of
from analysis.results.sentences import CORRECTION_NAMES
from search_spaces.terms import objective_label

PROFILES = {
    "balanced": "taken before the imbalance (balanced if the data are), so rare classes have a larger share of them "
    "than of the training data",
    "train": "with the imbalance of the training data, which makes them fewer",
    "unchanged": "with the classes of the training data",
    "none": "none, so nothing was chosen on them",
}
CONFIRM_ON = {
    "train": "training data only, as while tuning",
    "train+val": "training and validation data together: validation data of the tune phase are trained on",
}
"""What confirm trials of a tuned study train on, in words."""


PLACE = 10


def section(data: Document) -> Section:
    """What was declared before the run."""
    rows = [(Cell(name), Cell(text)) for name, text in _declared(data) if text]
    caption = (
        "What the table and the options of this report say; a table cannot tell when they were chosen."
        if data["from_table"]
        else "What the plan declared before the first trial, except where a warning at the top says otherwise."
    )
    return Section(
        "protocol", "Protocol", tables=(table("protocol", caption, ("what", "declared"), rows, text=(0, 1)),)
    )


def _declared(data: Document) -> Iterable[tuple[str, str]]:
    scale, metric = scale_of(data), data["metric"]
    better = "higher" if metric["direction"] == "max" else "lower"
    yield "metric", f"{scale.label}; {better} is better"
    yield "datasets", listing(data["datasets"], 12)
    yield "seeds", _seeds(data)
    if not data["from_table"]:
        yield "phase", f"{data['phase']}: full budget, no scheduler" if data["phase"] == "confirm" else data["phase"]
    yield "recipe", _recipe(data)
    yield "validation data", "; ".join(_validation(data, v) for v in data["validation"])
    yield "confirm trials train on", _confirmed_on(data)
    yield "factors", "; ".join(_factor(f) for f in data["factors"])
    yield "level", f"α = {show_alpha(data['alpha'])}, two-sided"
    yield "error rate", rates_line(data)
    yield "looks", looks_text(data)
    yield "stop", stop_text(data)
    margin = f"{scale.value(data['sesoi'])}{scale.unit_after}" if data["sesoi"] else "none declared"
    yield "smallest effect that matters", margin
    yield from ((f"family {f['family']}", _family(f)) for f in data["families"])
    yield "pairing", "declared unpaired (Welch)" if data["unpaired"] else "by seed"
    yield "plan hash", data["plan_hash"]


def _recipe(data: Document) -> str:
    """The recipe, and each of its settings that is another one in some arm."""
    recipe = data["recipe"]
    if recipe is None:
        return ""
    own = [
        f"{field} = {_values(values)} (recipe: {_values([recipe['settings'].get(field)])})"
        for field, values in recipe["overridden"].items()
    ]
    return f"{recipe['name']} ({recipe['source']}); overridden: {'; '.join(own) or 'nothing'}"


def _values(values: Sequence[Any]) -> str:
    """Values of a setting; a list is one value."""
    return " or ".join(listing(map(show_level, v)) if isinstance(v, list) else show_level(v) for v in values)


def _confirmed_on(data: Document) -> str:
    """What confirm trials of a tuned study train on; an imbalance then meets validation data too."""
    words = CONFIRM_ON.get(data["confirm_on"] or "", "")
    if data["confirm_on"] == "train+val" and any(v["profile"] == "balanced" for v in data["validation"]):
        words += "; the imbalance, which came after the choice of validation data, then leaves out some of these too"
    return words


def _validation(data: Document, found: ValidationData) -> str:
    """Where validation data come from, with the arms for which this holds where others differ."""
    words = PROFILES.get(found["profile"], found["profile"])
    if found["fraction"]:
        share = f"{100 * found['fraction']:.4g} %"
        words = f"{share} of all data, or of the training data where a test split is official; {words}"
    return words if len(data["validation"]) == 1 else f"{words} ({listing(found['arms'], 6)})"


def _seeds(data: Document) -> str:
    most = "at most " if data["stop"] else ""
    shown = f"{most}{count(len(data['seeds']), 'seed')} ({listing(data['seeds'], 12)})"
    return shown if data["from_table"] else f"{shown}, the same in every arm"


def _family(f: FamilyData) -> str:
    own, name = count(len(f["treatments"]), "comparison"), CORRECTION_NAMES[f["correction"]]
    text = f"{f['declared_role']}, {own} with {f['baseline']}, {name} over {f['m']}"
    if f["role"] == f["declared_role"]:
        return text
    return f"{text}, reported as {f['role']} because no primary comparison was won"


def _factor(f: FactorData) -> str:
    levels = [show_level(v) for v in f["values"]]
    if f["name"] == "objective":  # all of them, with the names of papers: the arms have those of the config
        levels = [f"{level} ({objective_label(level)})" for level in levels]
        return f"{f['label']} ({f['name']}): {', '.join(levels)}"
    values = listing(levels, 12)
    return f"{f['label']} ({f['name']}): {values}"
