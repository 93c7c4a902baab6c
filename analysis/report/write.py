"""`write_report`: a study's records become one result document, and that becomes page, Markdown, LaTeX and figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.report.elements import Figure, Page
from analysis.report.page import make_page
from analysis.report.writers import html, latex, markdown
from analysis.report.writers.escape import csv_text
from analysis.results.checklist import checklist
from analysis.results.comparisons import Evidence, gather
from analysis.results.datasets import across_datasets
from analysis.results.document import Data, core, metric_scale
from analysis.results.frozen_plan import frozen_part
from analysis.results.imbalance import composition, interactions, tail_comparisons
from analysis.results.importance import importances, tune_samples
from analysis.results.learning_curves import MAX_RECORDS, learning_curves
from analysis.results.provenance import provenance
from analysis.results.robustness import failure_table, negative_control, robustness
from analysis.results.sensitivity import curves as curves_of
from analysis.results.sensitivity import shares
from analysis.results.tuning import tunings
from analysis.results.variance import components
from analysis.stats.types import ReportError, to_plain
from analysis.study.ledger import COLUMNS, Ledger, Record, make_ledger, read_records
from analysis.study.plan import Plan, read_plan
from silhouette.results import SCHEMA, Store

CURVE_COLUMNS = ["trial_id", "arm", "status", "curve"]
SEED = 260408573
"""Seed of the one generator behind everything sampled, so that a report rebuilds byte by byte."""


def write_report(results: str, study: str) -> str:
    """Read a study's records and write its report beside them.

    Args:
        results: Results folder or `pyarrow.fs` URI.
        study: Name of the study.

    Returns:
        Location of `index.html`.

    Raises:
        ReportError: If there is no `study.json` or no complete record; one line.
        StoreError: If the location cannot be used; one line.
    """
    store = Store(results, study)
    plan, records = load(store)
    data = analyse(plan, records, load_curves(store, len(records)))
    for name, content in files(data):
        store.write_bytes(content, "report", *name.split("/"))
    return store.path("report", "index.html") if store.local else f"{store.shown}/{study}/report/index.html"


def load(store: Store) -> tuple[Plan, list[Record]]:
    """A study's plan and all its records.

    Raises:
        ReportError: If there is no plan, or its metric is no column of the records.
    """
    plan = read_plan(store)
    columns = [name for name in dict.fromkeys((*COLUMNS, plan.metric)) if name in SCHEMA.names]
    if plan.metric not in columns:
        raise ReportError(f"{plan.study}: metric {plan.metric!r} is no column of the records")
    return plan, read_records(store.load(columns), [plan.metric])


def load_curves(store: Store, records: int) -> list[dict[str, Any]]:
    """Per-epoch curves by trial; none for a study with more records than a figure could show."""
    if records > MAX_RECORDS:
        return []
    return list(store.load(CURVE_COLUMNS).to_pylist())


def analyse(plan: Plan, records: list[Record], curves: Iterable[Mapping[str, Any]] = ()) -> Data:
    """The result document of a study: everything computed, nothing drawn.

    Args:
        plan: The study.
        records: Its records, all phases.
        curves: Rows with `trial_id`, `arm`, `status` and `curve`, for learning curves.

    Raises:
        ReportError: If no record is complete.
    """
    ledger = make_ledger(plan, records)
    if not ledger.complete:
        raise ReportError(f"{plan.study}: {_nothing(ledger, records)}")
    rng = np.random.default_rng(SEED)
    evidence = gather(plan, ledger, rng)
    data = core(plan, ledger, evidence, metric_scale(plan, ledger))
    data |= to_plain(_parts(plan, ledger, records, evidence, rng))
    data["learning"] = to_plain(learning_curves(plan, ledger, curves))
    data["frozen"] = to_plain(frozen_part(plan))
    data["checklist"] = to_plain(checklist(plan, data))
    data["provenance"] = to_plain(provenance(plan, ledger))
    return data


def _parts(
    plan: Plan, ledger: Ledger, records: list[Record], evidence: Sequence[Evidence], rng: np.random.Generator
) -> Data:
    """Every further part of the document; a part without data is empty and shows nothing."""
    metric = plan.metric.replace("test_", "val_", 1)
    return {
        "across": across_datasets(plan, ledger, rng),
        "sensitivity": {"curves": curves_of(plan, ledger), "shares": shares(plan, ledger, rng)},
        "importance": importances(tune_samples(records, metric), SEED),
        "tail": tail_comparisons(plan, ledger),
        "interactions": interactions(plan, ledger),
        "composition": composition(plan, ledger),
        "tuning": tunings(plan, ledger, records),
        "variance": components(plan, ledger),
        "robustness": robustness(plan, ledger, evidence),
        "failures": failure_table(plan, ledger),
        "negative_control": negative_control(plan, ledger, rng),
    }


def _nothing(ledger: Ledger, records: list[Record]) -> str:
    if not records:
        return "no records yet; run the study first"
    reasons = {e.reason for e in ledger.exclusions}
    why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    return f"no complete record of the confirm phase among {len(records)}{why}"


def files(data: Data) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the report's files; `index.html` comes last, when all it names is there."""
    page = make_page(data)
    yield "report.json", to_json(data).encode()
    yield "report.md", markdown.render(page).encode()
    for section in page.sections:
        for table in section.tables:
            yield f"tables/{table.name}.tex", latex.render(table).encode()
    for figure in _figures(page):
        yield f"figures/{figure.name}.svg", figure.svg.encode()
        yield f"figures/{figure.name}.pdf", figure.pdf
        yield f"figures/{figure.name}.csv", _csv(figure).encode()
    yield "index.html", html.render(page).encode()


def to_json(data: Data) -> str:
    """The document as strict JSON, one line per key and per element of a list: readable, and fast to write.

    >>> print(to_json({"n": 2, "arms": [{"arm": "CE"}]}), end="")
    {
    "n": 2,
    "arms": [
    {"arm": "CE"}
    ]
    }
    """
    parts = [f"{json.dumps(key, ensure_ascii=False)}: {_json_value(value)}" for key, value in data.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json_value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(_json_value(v) for v in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _figures(page: Page) -> Iterator[Figure]:
    for section in page.sections:
        yield from section.figures


def _csv(figure: Figure) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(figure.header)
    writer.writerows([csv_text(v) for v in row] for row in figure.rows)
    return sink.getvalue()
