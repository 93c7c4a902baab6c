"""The section on the frozen plan, and the banners on plans that changed after results could be seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.formatting import MISSING, count, listing, show_alpha, show_level, show_number
from analysis.report.cells import number, table, whole
from analysis.report.elements import Cell, Section, Table
from analysis.results.document import Document, FrozenData

ENOUGH_CANDIDATES = 10
"""With fewer, even a high rank correlation of first rung and full budget is too uncertain to support anything."""


PLACE = 20


def section(data: Document) -> Section:
    """What was fixed between the tune and the confirm phase; empty for a study that tunes nothing."""
    frozen = data["frozen"]
    if "hash" not in frozen:
        return Section("frozen", "Frozen plan")
    return Section("frozen", "Frozen plan", (_text(frozen),), (_plan_table(frozen), _winners(frozen)))


def banners(data: Document) -> Iterable[str]:
    """Departures from the plan."""
    frozen = data["frozen"]
    if "hash" in frozen and not frozen["intact"]:
        yield "The frozen plan differs from the plan of the confirm phase: frozen.json or study.json was changed."
    flagged = [arm["arm"] for arm in frozen.get("arms") or [] if arm["flags"]]
    if flagged:
        yield f"There are warnings on the tuning of {listing(flagged, 4)}; see the section on the frozen plan."


def looks_text(data: Document) -> str:
    """The declared looks and the level of each, or an empty text."""
    frozen = data["frozen"]
    if not frozen["looks"]:
        return ""
    numbers = listing([str(n) for n in frozen["looks"]])
    return (
        f"after {numbers} seeds, α = {show_alpha(frozen['declared_alpha'])} over all looks (Pocock), "
        f"so {show_alpha(data['alpha'])} at each; approximate for t-tests"
    )


def _text(frozen: FrozenData) -> str:
    pooled = frozen["rank_correlation"]
    trust = ""
    if pooled["rho"] is not None:
        enough = pooled["settings"] >= ENOUGH_CANDIDATES
        high = (
            "which supports the early stopping" if enough else "from too few candidates to support the early stopping"
        )
        word = "too low to trust the early stopping" if pooled["trusted"] is False else high
        trust = (
            f" For the {count(pooled['settings'], 'candidate')} with both, the Spearman correlation of first rung and "
            f"full budget is {show_number(pooled['rho'])}, {word}."
        )
    return (
        f"Winners and plan were frozen at {frozen['frozen_at']} as {frozen['hash']}, before the first confirm trial "
        f"began.{trust}"
    )


def _plan_table(frozen: FrozenData) -> Table:
    shown = ("metric", "direction", "chosen_by", "checkpoint_rule", "seeds", "tuning_seeds", "split", "sesoi", "alpha")
    found = {name: _words(frozen["plan"].get(name)) for name in shown}
    rows = [(Cell(name.replace("_", " ")), Cell(words)) for name, words in found.items() if words]
    return table("frozen_plan", "What the hash covers, together with the winners below and the families.",
                 ("what", "frozen"), rows, text=(0, 1))  # fmt: skip


def _winners(frozen: FrozenData) -> Table:
    rows = [
        (
            Cell(arm["arm"]), Cell(_words(arm["values"])), whole(arm["setting"]), Cell(_words(arm["settings"])),
            whole(arm["epochs"]), whole(arm["epochs_unstopped"]), number(arm["rank_correlation"]),
            Cell("; ".join(arm["flags"]) or MISSING),
        )
        for arm in frozen["arms"]
    ]  # fmt: skip
    header = ("arm", "winner", "number", "candidates", "epochs", "without stopping", "rank correlation", "flags")
    caption = (
        "The winner of each arm, chosen by its mean over the tuning seeds at full budget. Rank correlation: Spearman, "
        "first rung to full budget, over the candidates that have both."
    )
    return table("winners", caption, header, rows, text=(0, 1, 3, 7))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(v)}" for key, v in value.items())
    if isinstance(value, list):
        return listing([_words(v) for v in value], 12) if value else MISSING
    return MISSING if value is None else show_level(value)
