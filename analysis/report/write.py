"""`write_report`: a study's records become one result document, and that becomes page, Markdown, LaTeX and figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.errors import ReportError
from analysis.report.elements import Figure, Page
from analysis.report.page import make_page
from analysis.report.writers import html, latex, markdown
from analysis.report.writers.escape import csv_text
from analysis.results.analyse import analyse_study, analyse_table
from analysis.results.document import Document
from analysis.study.plan import PER_STUDY
from analysis.study.table import TableOptions
from silhouette.errors import as_argument
from silhouette.results import Store


def write_report(results: str, study: str) -> str:
    """Read a study's records and write its report into the folder `report` of the study.

    Args:
        results: Results folder or `pyarrow.fs` URI.
        study: Name of the study.

    Returns:
        Location of `index.html`.

    Raises:
        ReportError: If there is no `study.json` or no complete record; one line.
        StoreError: If the location cannot be used; one line.

    >>> from analysis import write_report
    >>> write_report("no/such/folder", "demo")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    analysis.errors.ReportError: .../no/such/folder/demo: no study.json there; run the study first
    """
    store = Store(results, study)
    for name, content in files(analyse_study(store)):
        store.write_bytes(content, "report", *name.split("/"))
    return store.path("report", "index.html") if store.local else f"{store.shown}/{study}/report/index.html"


def write_table_report(
    path: str | Path,
    *,
    arm: str,
    seed: str,
    metric: str,
    baseline: str,
    out: str | Path,
    block: str | None = None,
    sesoi: float | None = None,
    direction: str = "max",
    alpha: float = 0.05,
    unpaired: bool = False,
    error_rate: str = PER_STUDY,
) -> str:
    r"""Analyse a CSV or Parquet table of per-seed results and write the report to a folder.

    Args:
        path: Table with a header, one row per method, seed (and dataset).
        arm: Column that names the method.
        seed: Column of the seed; methods are paired by it.
        metric: Column of the result.
        baseline: The method the others are compared with.
        out: Folder for the report.
        block: Column that names the dataset or condition; methods are compared inside each.
        sesoi: Smallest difference that matters, in the table's unit; None declares none.
        direction: `max` where more is better, `min` where less is.
        alpha: Level.
        unpaired: The methods were run on different seeds: Welch's test, declared, not found out.
        error_rate: `study`: the comparisons of all blocks are corrected together. `block`: those of each block by
            themselves.

    Returns:
        Path of `index.html`.

    Raises:
        ReportError: One line, naming argument, rule and value.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from analysis import write_table_report
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = ["CE,0,74.2", "CE,1,74.9", "CE,2,74.8", "Sil,0,74.9", "Sil,1,75.4", "Sil,2,75.1"]
    >>> _ = (folder / "runs.csv").write_text("\n".join(["method,seed,acc", *rows]))
    >>> columns = {"arm": "method", "seed": "seed", "metric": "acc"}
    >>> index = write_table_report(folder / "runs.csv", **columns, baseline="CE", out=folder / "report")
    >>> sorted(path.name for path in Path(index).parent.iterdir())
    ['figures', 'index.html', 'report.json', 'report.md', 'tables']
    """
    options = TableOptions(arm, seed, metric, baseline, block, sesoi, direction, alpha, unpaired, error_rate)
    try:
        return write_report_of_table(path, options, out)
    except ReportError as error:
        raise ReportError(as_argument(str(error))) from None


def write_report_of_table(path: str | Path, options: TableOptions, out: str | Path) -> str:
    """Write the report of a table into a folder; as `write_table_report`, with the options' names in messages."""
    folder = Path(out)
    for name, content in files(analyse_table(path, options)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return str(folder / "index.html")


def files(data: Document) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the report's files; `index.html` comes last, after all files that it names."""
    page = make_page(data)
    yield "report.json", to_json(data).encode()
    yield "report.md", markdown.render(page).encode()
    for section in page.sections:
        for table in section.tables:
            yield f"tables/{table.name}.tex", latex.render(table, page.marks).encode()
    for figure in _figures(page):
        yield f"figures/{figure.name}.svg", figure.svg.encode()
        yield f"figures/{figure.name}.pdf", figure.pdf
        yield f"figures/{figure.name}.csv", _csv(figure).encode()
    yield "index.html", html.render(page).encode()


def to_json(data: Mapping[str, Any]) -> str:
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
