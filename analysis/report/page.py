"""The report's parts in order, each present only when the study has the data for it."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formatting import count, listing
from analysis.report import tables
from analysis.report.elements import Cell, Claim, Page, Section, Table
from analysis.report.figures import arms as figures
from analysis.report.figures.slopes import slope_figure
from analysis.report.sections import datasets as show_datasets
from analysis.report.sections import frozen_plan as show_frozen
from analysis.report.sections import imbalance as show_tail
from analysis.report.sections import power as show_variance
from analysis.report.sections import protocol as show_protocol
from analysis.report.sections import robustness as show_robustness
from analysis.report.sections import sensitivity as show_sensitivity
from analysis.report.sections import tuning as show_tuning
from analysis.results.document import Data, scale_of


def make_page(data: Data) -> Page:
    """The whole report from its document."""
    sections = [build(data) for build in BUILDERS]
    return Page(
        title=data["study"],
        question=data["question"],
        banners=tuple(banners(data)),
        summary=summary(data),
        claims=tuple(claims(data)),
        sections=tuple(s for s in sections if not s.empty),
    )


def summary(data: Data) -> str:
    """One paragraph: what was measured, on how many seeds, and what the numbers speak about."""
    scale = scale_of(data)
    done = data["ledger"]["complete"]
    better = "higher" if data["metric"]["direction"] == "max" else "lower"
    return (
        f"{count(len(data['arms']), 'arm')}, {count(len(data['seeds']), 'seed')} each, {done} of "
        f"{data['ledger']['planned']} trials complete. Metric: {scale.label}, {better} is better. "
        f"Scope of every interval: {data['scope']}."
    )


def banners(data: Data) -> Iterable[str]:
    """What a reader must know before any number."""
    ledger = data["ledger"]
    if data["phase"] != "confirm":
        yield f"Made from {data['phase']}-phase records: selection-biased, so there is no verdict."
    absent = {k: ledger[k] for k in ("missing", "failed", "diverged", "stopped") if ledger[k]}
    if absent:
        parts = listing([f"{n} {kind}" for kind, n in absent.items()])
        yield f"Unfinished: {ledger['complete']} of {ledger['planned']} trials are complete ({parts})."
    if ledger["excluded"]:
        yield f"{count(ledger['excluded'], 'record')} excluded; the ledger says why."
    same = [a["arm"] for a in data["arms"] if a["n"] > 1 and a["min"] == a["max"]]
    if same:
        yield f"Every seed gave the same value in {listing(same)}: check that the seed reaches the run."
    yield from show_frozen.banners(data)


def claims(data: Data) -> Iterable[Claim]:
    """The claims box: confirmatory comparisons first; long exploratory lists stay in their table."""
    shown = data["comparisons"]
    if len(shown) > MAX_CLAIMS:
        shown = [c for c in shown if c["role"] != "exploratory"][:MAX_CLAIMS]
    for c in shown:
        yield Claim(c["verdict"], c["role"], c["sentence"])


MAX_CLAIMS = 24


def _results(data: Data) -> Section:
    return Section(
        "results",
        "Results",
        tables=(tables.results_table(data), tables.arms_table(data)),
        figures=tuple(figures.seed_figures(data)),
    )


def _pairwise(data: Data) -> Section:
    if not data["comparisons"]:
        return Section("comparisons", "Pairwise evidence")
    return Section(
        "comparisons",
        "Pairwise evidence",
        tables=(tables.comparisons_table(data), _feasibility(data), tables.effects_table(data)),
        figures=(*figures.difference_figures(data), *slope_figure(data)),
    )


def _feasibility(data: Data) -> Table:
    rows = [(Cell(c["treatment"]), Cell(c["verdict"], None, c["verdict"]), Cell(_line(c))) for c in data["comparisons"]]
    return Table(
        "feasibility",
        "What each comparison could have shown with its seeds, and what the declared effect would take "
        "(paired t-test, two-sided, 80 % power; in parentheses with the upper 80 % bound of the SD).",
        ("treatment", "verdict", "feasibility"),
        tuple(rows),
    )


def _line(c: Data) -> str:
    return " ".join([c["feasibility_line"], *(f"Note: {w}." for w in c["warnings"])])


def _ablation(data: Data) -> Section:
    """Arms against the full method, many to one, with the max-t sign-flip test beside Holm."""
    names = {f["family"] for f in data["families"] if f["declared_role"] == "ablation"}
    found = [c for c in data["comparisons"] if c["family"] in names]
    if not found:
        return Section("ablation", "Ablation")
    closed = [f["family"] for f in data["families"] if f["family"] in names and f["role"] != "ablation"]
    text = (f"No primary claim was won, so these comparisons are exploratory: {listing(closed)}.",) if closed else ()
    return Section("ablation", "Ablation", text, (tables.ablation_table(data, found),))


BUILDERS = (
    show_protocol.protocol, show_frozen.section, show_protocol.ledger, _results, _pairwise, show_datasets.section,
    _ablation, show_sensitivity.section, show_tail.section, show_tail.composition_section, show_tuning.section,
    show_variance.section, show_robustness.section, show_protocol.referee, show_protocol.origin,
)  # fmt: skip
"""The sections in the order of a report; an empty one is left out."""
