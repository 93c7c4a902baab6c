"""The report's parts in order, each present only when the study has the data for it."""

from __future__ import annotations

from collections.abc import Iterable

from analysis import figures, tables
from analysis.document import Data, scale_of
from analysis.model import Cell, Claim, Page, Section, Table
from analysis.verdict import NONE
from analysis.words import count, listing


def make_page(data: Data) -> Page:
    """The whole report from its document."""
    builders = (_results, _pairwise, _ledger, _provenance)
    sections = [build(data) for build in builders]
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
        tables=(tables.comparisons_table(data), _feasibility(data)),
        figures=tuple(figures.difference_figures(data)),
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
    warnings = [w for w in c["warnings"] if c["verdict"] != NONE or w]
    return " ".join([c["feasibility_line"], *(f"Note: {w}." for w in warnings)])


def _ledger(data: Data) -> Section:
    parts = [tables.ledger_table(data)]
    if data["ledger"]["exclusions"]:
        parts.append(_listed(data, "exclusions", "Records that are not used.", ("arm", "seed", "trial_id", "reason")))
    if data["ledger"]["faults"]:
        parts.append(
            _listed(data, "faults", "Trials that did not complete.", ("arm", "seed", "status", "epochs", "error"))
        )
    return Section("ledger", "Run ledger", tables=tuple(parts))


def _listed(data: Data, name: str, caption: str, columns: tuple[str, ...], limit: int = 500) -> Table:
    found = data["ledger"][name]
    rows = [tuple(_plain_cell(item[c]) for c in columns) for item in found[:limit]]
    more = (f"{len(found) - limit} more stand in report.json.",) if len(found) > limit else ()
    return Table(name, caption, columns, tuple(rows), notes=more, long=True)


def _plain_cell(value: object) -> Cell:
    if isinstance(value, int | float):
        return Cell(f"{value}", value)
    return Cell("" if value is None else str(value)[:400])


def _provenance(data: Data) -> Section:
    origin = data.get("provenance") or {}
    rows = [(Cell(str(k)), Cell(_flat(v))) for k, v in origin.items() if k != "trial_ids"]
    rows.insert(0, (Cell("plan hash"), Cell(data["plan_hash"] or "–")))
    caption = "Where these numbers come from. The trial ids of every arm stand in report.json."
    return Section("provenance", "Provenance", tables=(Table("provenance", caption, ("what", "value"), tuple(rows)),))


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return listing([_flat(v) for v in value], 12)
    return str(value)
