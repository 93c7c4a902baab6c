"""Results from Python: `open_study` for a study on disk, `compare` for anybody's table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from analysis.api.arrow_tables import (
    CURVES,
    PLAIN,
    arms_table,
    comparisons_table,
    curves_table,
    evaluated_table,
    with_own_metrics,
)
from analysis.api.notebook import as_html, as_text, message_html
from analysis.errors import ReportError
from analysis.results.analyse import analyse, analyse_table, curves_of, load_whole, summary_of
from analysis.results.document import Document, Summary
from analysis.study.plan import PER_STUDY
from analysis.study.table import TableOptions
from silhouette.errors import as_argument, without_secret
from silhouette.evaluated import latest, read_evaluations
from silhouette.location import StoreError
from silhouette.results import SCHEMA, Store


class Findings(ABC):
    """Arms and comparisons as Arrow tables; readable as text and, in a notebook, as HTML."""

    @property
    @abstractmethod
    def summary(self) -> Summary:
        """Plan, ledger, arms and comparisons as plain data."""

    def arms(self) -> pa.Table:
        """One row per arm: settings (JSON), n, mean, SD, their intervals, in the unit of the records."""
        return arms_table(self.summary)

    def comparisons(self) -> pa.Table:
        """One row per declared comparison: difference, intervals, p-values, verdict and sentence."""
        return comparisons_table(self.summary)

    def __repr__(self) -> str:
        try:
            return as_text(self.summary)
        except ReportError as error:
            return str(error)

    def _repr_html_(self) -> str:
        try:
            return as_html(self.summary)
        except ReportError as error:
            return message_html(str(error))


class TableFindings(Findings):
    """What a plain table shows.

    Attributes:
        document: Everything that the report of this table is made of, with the keys of `report.json`.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def summary(self) -> Summary:
        """Plan, ledger, arms and comparisons as plain data."""
        return self.document


class StudyFindings(Findings):
    """What a study on disk shows. Plan and records are read once, when the study is opened; open it again to refresh.

    Args:
        store: Where the study is.

    Raises:
        ReportError: If there is no `study.json`, or it cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self._plan, self._records, self._table = load_whole(store)
        self._evaluations = read_evaluations(store)

    def records(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row per recorded trial, of all phases and all statuses, as they were when the study was opened.

        Args:
            columns: Columns wanted, which may be names in the map `metrics`; by default all that hold one value each
                (`config` and `settings` are JSON), and a column for each name in the map.

        Raises:
            ReportError: If a column does not exist.
        """
        if isinstance(columns, str):
            raise ReportError(f"columns: give a list of names, got {columns!r}")
        whole = with_own_metrics(self._table)
        if "metrics" in (columns or ()):
            whole = whole.append_column("metrics", self._table["metrics"])
        unknown = [name for name in columns or () if name not in whole.column_names]
        if unknown:
            known = dict.fromkeys([*SCHEMA.names, *whole.column_names])
            raise ReportError(f"columns: no column {unknown[0]!r}; there are {', '.join(known)}")
        own = [name for name in whole.column_names if name not in SCHEMA.names]
        return whole.select([*PLAIN, *own] if columns is None else list(columns))

    def evaluated(self) -> pa.Table:
        """One row per trial and metric that was measured after the study (`ablate evaluate`); exploratory."""
        return evaluated_table(self._table, latest(self._evaluations))

    def curves(self) -> pa.Table:
        """One row per trial and epoch: losses, validation metrics, composition of the batches, seconds."""
        return curves_table(self._table.select(CURVES))

    @cached_property
    def summary(self) -> Summary:
        """Plan, ledger, arms and comparisons as plain data.

        Raises:
            ReportError: If no record is complete.
        """
        return summary_of(self._plan, self._records)

    @cached_property
    def document(self) -> Document:
        """Everything that the report of this study is made of, with the keys of `report.json`.

        Raises:
            ReportError: If no record is complete.
        """
        return analyse(self._plan, self._records, curves_of(self._table), self._evaluations)


def open_study(results: str | Path, study: str) -> StudyFindings:
    """Open a study's results for reading.

    Args:
        results: Results folder or `pyarrow.fs` URI (`s3://…`, `gs://…`).
        study: Name of the study.

    Raises:
        ReportError: If the study has no `study.json` there; one line.
        StoreError: If the location cannot be used; one line.

    >>> study = open_study("tests/data/results-0.1.0", "demo")
    >>> study.records().num_rows
    24
    >>> study.arms().select(["method", "block", "n"]).slice(0, 1).to_pylist()
    [{'method': 'λ=0', 'block': 'balanced', 'n': 3}]
    """
    store = Store(str(results), study)
    try:
        return StudyFindings(store)
    except OSError as error:
        reason = without_secret(" ".join(str(error).split()))
        raise StoreError(
            f"results: must be a location that can be read ({reason}), got {str(store.location)!r}"
        ) from None


def compare(
    table: object,
    *,
    arm: str,
    seed: str,
    metric: str,
    baseline: str,
    block: str | None = None,
    sesoi: float | None = None,
    direction: str = "max",
    alpha: float = 0.05,
    unpaired: bool = False,
    error_rate: str = PER_STUDY,
) -> TableFindings:
    """Compare the methods of a table over seeds, with the numbers of `ablate report --table`.

    Args:
        table: A data frame (pandas, Polars), an Arrow table, a dict of columns, or the path of a CSV or Parquet file;
            one row per method and seed (and block). A row without a value counts as a failed run.
        arm: Column that names the method.
        seed: Column of the seed; methods are paired by it.
        metric: Column of the result.
        baseline: The method that the others are compared with.
        block: Column that names the dataset or condition; methods are compared inside each value.
        sesoi: Smallest difference that matters (> 0), in the table's unit; None declares none.
        direction: `max` where more is better, `min` where less is.
        alpha: Level, between 0 and 0.5.
        unpaired: The methods were run on different seeds: Welch's test.
        error_rate: `study`: the comparisons of all blocks are corrected together. `block`: those of each block by
            themselves, and the rate for all blocks together is not held.

    Returns:
        The findings: `comparisons()` and `arms()` are Arrow tables, `document` has the content of `report.json`.

    Raises:
        ReportError: One line, naming argument, rule and value.

    >>> acc = [74.2, 74.9, 74.8, 74.9, 74.1, 74.9, 75.4, 75.1, 75.6, 75.0]
    >>> table = {"method": ["CE"] * 5 + ["CE + Sil"] * 5, "seed": [0, 1, 2, 3, 4] * 2, "acc": acc}
    >>> found = compare(table, arm="method", seed="seed", metric="acc", baseline="CE", sesoi=0.2)
    >>> found.comparisons().select(["treatment", "n", "verdict"]).to_pylist()
    [{'treatment': 'CE + Sil', 'n': 5, 'verdict': 'better'}]
    """
    options = TableOptions(arm, seed, metric, str(baseline), block, sesoi, direction, alpha, unpaired, error_rate)
    try:
        return TableFindings(analyse_table(table, options))
    except ReportError as error:
        raise ReportError(as_argument(str(error))) from None
