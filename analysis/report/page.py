"""The page: title, banners, claims, and the sections in their order."""

from __future__ import annotations

import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module

from analysis.formatting import count, listing
from analysis.report import sections
from analysis.report.cells import margin_line, rates_line, scope_line
from analysis.report.elements import Claim, Page, Section
from analysis.report.sections import first, frozen_plan
from analysis.report.withheld import withheld
from analysis.results.document import ComparisonData, Document, scale_of


def discovered() -> tuple[Callable[[Document], Section], ...]:
    """The sections of a report: `section` of each module below the folder that has a `PLACE`, in the order of these."""
    found = pkgutil.walk_packages(sections.__path__, f"{sections.__name__}.")
    modules = [import_module(module.name) for module in found]
    placed = sorted((module for module in modules if hasattr(module, "PLACE")), key=lambda module: module.PLACE)
    return tuple(module.section for module in placed)


SECTIONS = discovered()
"""The sections in the order of a report; a section without content is left out."""

MAX_CLAIMS = 24
"""With more comparisons than this, the box says how many stand only in their table."""


def make_page(data: Document) -> Page:
    """The whole report from its document."""
    data = withheld(data)
    made = [section(data) for section in SECTIONS]
    return Page(
        title=data["study"],
        question=data["question"],
        answer=data["answer"],
        banners=tuple(banners(data)),
        marks=tuple(notice["title"] for notice in data["notices"]),
        summary=summary(data),
        claims=tuple(claims(data)),
        claims_note=claims_note(data),
        first=first.section(data),
        rest=tuple(s for s in made if not s.empty),
    )


def summary(data: Document) -> str:
    """One paragraph: what was measured, on how many seeds, and what the intervals describe."""
    scale = scale_of(data)
    done = data["ledger"]["complete"]
    better = "higher" if data["metric"]["direction"] == "max" else "lower"
    what = "values present" if data["from_table"] else "trials complete"
    return (
        f"{count(len(data['arms']), 'arm')}, {_seeds_each(data)}, {done} of {data['ledger']['planned']} {what}. "
        f"Metric: {scale.label}, {better} is better. {scope_line(data)}{_of_table(data)} {rates_line(data)} "
        f"{margin_line(data)}"
    ).strip()


def _of_table(data: Document) -> str:
    """What a plain table cannot tell, and what would follow from it."""
    if not data["from_table"]:
        return ""
    return (
        " A table cannot tell whether the runs share one test set; if each seed drew its own, the intervals are too "
        "narrow and the p-values too small."
    )


def _seeds_each(data: Document) -> str:
    """How many seeds an arm has in the plan; unpaired arms may differ."""
    numbers = sorted({a["planned"] for a in data["ledger"]["arms"]})
    few, many = numbers[0], numbers[-1]
    noun = "seed" if data["from_table"] or data["stop"] else "planned seed"
    return f"{count(many, noun)} each" if few == many else f"{few} to {many} {noun}s each"


def banners(data: Document) -> Iterable[str]:
    """What a reader must know before any number."""
    ledger = data["ledger"]
    yield from (notice["text"] for notice in data["notices"])
    absent = {k: ledger[k] for k in ("missing", "failed", "diverged", "stopped") if ledger[k]}
    if data["stop"]:
        absent.pop("missing", None)  # how many seeds are still to come is not known
    if absent and not data["from_table"]:
        parts = listing([f"{n} {kind}" for kind, n in absent.items()])
        yield f"Unfinished: {ledger['complete']} of {ledger['planned']} trials are complete ({parts})."
    if ledger["excluded"]:
        yield f"{count(ledger['excluded'], 'record')} not used; the run ledger gives the reasons."
    same = [a["arm"] for a in data["arms"] if a["n"] > 1 and a["min"] == a["max"]]
    if same:
        yield f"Every seed gave the same value in {listing(same)}: check that the training uses its seed."
    yield from frozen_plan.banners(data)


def claims(data: Document) -> Iterable[Claim]:
    """The claims box: every comparison, or the decided and the confirmatory ones where there are too many."""
    for c in _claimed(data):
        yield Claim(c["verdict"], c["role"], first.line(data, c), c["sentence"])


def _claimed(data: Document) -> list[ComparisonData]:
    """The comparisons of the claims box: decided ones first."""
    return first.by_weight(data["comparisons"])[:MAX_CLAIMS]


def claims_note(data: Document) -> str:
    """How many comparisons stand only in their table, by verdict; empty where none does."""
    shown = {id(c) for c in _claimed(data)}
    left = Counter(c["verdict"] for c in data["comparisons"] if id(c) not in shown)
    if not left:
        return ""
    words = listing([f"{n} {verdict}" for verdict, n in left.items()])
    return f"{count(sum(left.values()), 'more comparison')} in the section on pairwise evidence: {words}."
