"""The page: title, banners, claims, and the sections in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from analysis.formatting import count, listing
from analysis.report.cells import scope_line
from analysis.report.elements import Claim, Page, Section
from analysis.report.sections import (
    ablation,
    batch_composition,
    checklist,
    comparisons,
    datasets,
    frozen_plan,
    imbalance,
    ledger,
    power,
    protocol,
    provenance,
    results,
    robustness,
    sensitivity,
    tuning,
)
from analysis.results.document import Document, scale_of

SECTIONS: tuple[Callable[[Document], Section], ...] = (
    protocol.section,
    frozen_plan.section,
    ledger.section,
    results.section,
    comparisons.section,
    datasets.section,
    ablation.section,
    sensitivity.section,
    imbalance.section,
    batch_composition.section,
    tuning.section,
    power.section,
    robustness.section,
    checklist.section,
    provenance.section,
)
"""The sections in the order of a report; a section without content is left out."""

MAX_CLAIMS = 24
"""With more comparisons than this, the exploratory ones are in their table only."""


def make_page(data: Document) -> Page:
    """The whole report from its document."""
    sections = [section(data) for section in SECTIONS]
    return Page(
        title=data["study"],
        question=data["question"],
        banners=tuple(banners(data)),
        summary=summary(data),
        claims=tuple(claims(data)),
        sections=tuple(s for s in sections if not s.empty),
    )


def summary(data: Document) -> str:
    """One paragraph: what was measured, on how many seeds, and what the intervals describe."""
    scale = scale_of(data)
    done = data["ledger"]["complete"]
    better = "higher" if data["metric"]["direction"] == "max" else "lower"
    return (
        f"{count(len(data['arms']), 'arm')}, {count(len(data['seeds']), 'seed')} each, {done} of "
        f"{data['ledger']['planned']} trials complete. Metric: {scale.label}, {better} is better. "
        f"{scope_line(data)}"
    )


def banners(data: Document) -> Iterable[str]:
    """What a reader must know before any number."""
    ledger = data["ledger"]
    if data["phase"] != "confirm":
        yield f"These are records of the {data['phase']} phase. They are biased by selection, so there is no verdict."
    absent = {k: ledger[k] for k in ("missing", "failed", "diverged", "stopped") if ledger[k]}
    if absent:
        parts = listing([f"{n} {kind}" for kind, n in absent.items()])
        yield f"Unfinished: {ledger['complete']} of {ledger['planned']} trials are complete ({parts})."
    if ledger["excluded"]:
        yield f"{count(ledger['excluded'], 'record')} not used; the run ledger gives the reasons."
    same = [a["arm"] for a in data["arms"] if a["n"] > 1 and a["min"] == a["max"]]
    if same:
        yield f"Every seed gave the same value in {listing(same)}: check that the training uses its seed."
    yield from frozen_plan.banners(data)


def claims(data: Document) -> Iterable[Claim]:
    """The claims box: declared comparisons first; long exploratory lists stay in their table."""
    shown = data["comparisons"]
    if len(shown) > MAX_CLAIMS:
        shown = [c for c in shown if c["role"] != "exploratory"][:MAX_CLAIMS]
    for c in shown:
        yield Claim(c["verdict"], c["role"], c["sentence"])
