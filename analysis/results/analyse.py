"""A study's records become the document of its report: everything is computed, nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from analysis.errors import ReportError
from analysis.results.across.datasets import across_datasets
from analysis.results.best import best_of_blocks
from analysis.results.checklist import checklist
from analysis.results.comparisons import Evidence, judge_comparisons
from analysis.results.document import Document, Summary, to_plain
from analysis.results.imbalance.batch_composition import composition
from analysis.results.imbalance.interactions import interactions
from analysis.results.imbalance.tail import tail_comparisons
from analysis.results.importance import importances, tune_samples
from analysis.results.learning_curves import MAX_RECORDS, learning_curves
from analysis.results.noise.crossed import crossed_arms
from analysis.results.noise.samples import sample_noise
from analysis.results.noise.sources import components
from analysis.results.provenance import frozen_part, provenance
from analysis.results.robustness import GEOMETRY, evaluated, robustness
from analysis.results.seeds.evidence import judge_until_decided, with_wanted_seeds
from analysis.results.seeds.failures import failure_table
from analysis.results.seeds.sequences import sequences
from analysis.results.sensitivity import curves
from analysis.results.summary import metric_scale, summarise
from analysis.results.tuning import tunings
from analysis.results.variance_shares import shares
from analysis.study.ledger import Ledger, make_ledger
from analysis.study.plan import UNTIL_DECIDED, Plan
from analysis.study.records import COLUMNS, Record, read_records
from analysis.study.resplits import with_new_splits
from analysis.study.study_file import read_plan
from analysis.study.table import TableOptions, plan_of
from analysis.study.table_rows import read_table
from silhouette.evaluated import Evaluation, read_evaluations
from silhouette.results import SCHEMA, Store

CURVE_COLUMNS = ["trial_id", "arm", "status", "curve"]
SEED = 260408573
"""Seed of the one generator behind everything sampled: the same records give the same report, byte by byte."""


@dataclass(frozen=True)
class Sources:
    """What the parts of a document are computed from.

    Attributes:
        plan: The study.
        ledger: Its records, sorted.
        records: Its records, all phases.
        curve_rows: Rows with `trial_id`, `arm`, `status` and `curve`.
        evidence: The declared comparisons.
        rng: The generator, used by the parts in their order.
        evaluations: What was measured after the study.
    """

    plan: Plan
    ledger: Ledger
    records: Sequence[Record]
    curve_rows: Iterable[Mapping[str, Any]]
    evidence: Sequence[Evidence]
    rng: np.random.Generator
    evaluations: list[Evaluation]


@dataclass(frozen=True)
class Part:
    """A part of the document.

    Attributes:
        key: Its key in the document.
        compute: Computes it from the sources and the document so far.
    """

    key: str
    compute: Callable[[Sources, Document], object]


def _importance(s: Sources, _: Document) -> object:
    return importances(tune_samples(s.records, s.plan.metric.replace("test_", "val_", 1)), SEED)


def _sensitivity(s: Sources, _: Document) -> object:
    return {"curves": curves(s.plan, s.ledger), "shares": shares(s.plan, s.ledger, s.rng)}


PARTS = (
    Part("until_decided", lambda s, _: sequences(s.plan, s.ledger)),
    Part("across", lambda s, _: across_datasets(s.plan, s.ledger, s.evidence, s.rng)),
    Part("best", lambda s, _: best_of_blocks(s.plan, s.ledger)),
    Part("sensitivity", _sensitivity),
    Part("importance", _importance),
    Part("tail", lambda s, _: tail_comparisons(s.plan, s.ledger)),
    Part("interactions", lambda s, _: interactions(s.plan, s.ledger)),
    Part("composition", lambda s, _: composition(s.plan, s.ledger)),
    Part("tuning", lambda s, _: tunings(s.plan, s.ledger, s.records)),
    Part("variance", lambda s, _: components(s.plan, s.ledger)),
    Part("crossed", lambda s, _: crossed_arms(s.plan, s.ledger)),
    Part("samples", lambda s, _: sample_noise(s.plan, s.ledger, s.evidence)),
    Part("robustness", lambda s, _: robustness(s.plan, s.ledger, s.evidence)),
    Part("evaluated", lambda s, _: evaluated(s.plan, s.ledger, s.evidence, s.evaluations)),
    Part("failures", lambda s, _: failure_table(s.plan, s.ledger)),
    Part("learning", lambda s, _: learning_curves(s.plan, s.ledger, s.curve_rows)),
    Part("frozen", lambda s, _: frozen_part(s.plan)),
    Part("checklist", lambda s, document: checklist(s.plan, document)),
    Part("provenance", lambda s, _: provenance(s.plan, s.ledger)),
)
"""The parts in the order in which they are computed, which is that of their keys in `report.json`."""


def analyse(
    plan: Plan,
    records: Sequence[Record],
    curve_rows: Iterable[Mapping[str, Any]] = (),
    evaluations: Iterable[Evaluation] = (),
) -> Document:
    """The document of a study.

    Args:
        plan: The study.
        records: Its records, all phases.
        curve_rows: Rows with `trial_id`, `arm`, `status` and `curve`, for learning curves.
        evaluations: Metrics that were measured after the study.

    Raises:
        ReportError: If no record is complete.
    """
    sources = _sources(plan, records, curve_rows, evaluations)
    return cast(Document, _with_parts(_summary(sources), sources, PARTS))


def summary_of(plan: Plan, records: Sequence[Record], parts: Collection[str] = ()) -> Summary:
    """What every report has, and only some of the further parts: the same verdicts, sooner.

    Args:
        plan: The study.
        records: Its records, all phases.
        parts: Keys of the further parts that are wanted.

    Raises:
        ReportError: If no record is complete.
    """
    sources = _sources(plan, records)
    return _with_parts(_summary(sources), sources, [part for part in PARTS if part.key in parts])


def _sources(
    plan: Plan,
    records: Sequence[Record],
    curve_rows: Iterable[Mapping[str, Any]] = (),
    evaluations: Iterable[Evaluation] = (),
) -> Sources:
    plan = with_wanted_seeds(plan, records)
    ledger = make_ledger(plan, records)
    if not ledger.complete:
        raise ReportError(f"{plan.study}: {_nothing(ledger, records)}")
    plan = with_new_splits(plan, ledger)
    rng = np.random.default_rng(SEED)
    sequential = plan.stop == UNTIL_DECIDED
    evidence = judge_until_decided(plan, ledger) if sequential else judge_comparisons(plan, ledger, rng)
    return Sources(plan, ledger, records, curve_rows, evidence, rng, list(evaluations))


def _summary(sources: Sources) -> Summary:
    plan, ledger = sources.plan, sources.ledger
    return summarise(plan, ledger, sources.evidence, metric_scale(plan, ledger))


def _with_parts(summary: Summary, sources: Sources, parts: Iterable[Part]) -> Summary:
    """The summary and further parts, one after the other; a test holds the keys of all against `Document`."""
    document = cast(dict[str, object], summary)
    for part in parts:
        document[part.key] = to_plain(part.compute(sources, cast(Document, document)))
    return cast(Summary, document)


def _nothing(ledger: Ledger, records: Sequence[Record]) -> str:
    if not records:
        return "no records yet; run the study first"
    reasons = {e.reason for e in ledger.exclusions}
    why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    return f"no complete record of the confirm phase among {len(records)}{why}"


def load(store: Store) -> tuple[Plan, list[Record]]:
    """A study's plan and all its records.

    Raises:
        ReportError: If there is no plan.
    """
    plan = read_plan(store)
    return plan, read_records(store.load(_columns(plan)), _metrics(plan))


def load_whole(store: Store) -> tuple[Plan, list[Record], pa.Table]:
    """A study's plan and all its records, and the table that they were read from, with all columns: one reading.

    Raises:
        ReportError: If there is no plan.
    """
    plan = read_plan(store)
    columns, table = _columns(plan), store.load()
    return plan, read_records(table.select(columns), _metrics(plan)), table


def _columns(plan: Plan) -> list[str]:
    """Columns of the records that a report reads; a metric that is none of them stands in the map `metrics`."""
    return [name for name in dict.fromkeys((*COLUMNS, *_metrics(plan))) if name in SCHEMA.names]


def _metrics(plan: Plan) -> tuple[str, ...]:
    """Metrics that are read for this study beside those that every report reads."""
    return (plan.metric, *(GEOMETRY if any(arm.config.get("metrics") for arm in plan.arms) else ()))


def load_curves(store: Store, records: int) -> list[dict[str, Any]]:
    """Per-epoch curves by trial; none for a study with more records than a figure could show."""
    return [] if records > MAX_RECORDS else curves_of(store.load(CURVE_COLUMNS))


def curves_of(table: pa.Table) -> list[dict[str, Any]]:
    """Per-epoch curves by trial, of a table of records; none for more records than a figure could show."""
    return [] if table.num_rows > MAX_RECORDS else _curve_rows(table.select(CURVE_COLUMNS))


def _curve_rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.to_pylist(maps_as_pydicts="strict"))


def analyse_study(store: Store) -> Document:
    """The document of a study on disk.

    Raises:
        ReportError: If there is no plan, or no complete record.
    """
    plan, records = load(store)
    return analyse(plan, records, load_curves(store, len(records)), read_evaluations(store))


def analyse_table(table: object, options: TableOptions) -> Document:
    """The document of a plain table: a file, a data frame, an Arrow table or a dict of columns.

    Values, differences and `sesoi` are in the table's own unit (0.2 is 0.2 points when the table is in percent).
    Rows with an empty metric count as failed runs.

    Raises:
        ReportError: One line, naming column, rule and value.
    """
    return analyse(*plan_of(read_table(table), options))
