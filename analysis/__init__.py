"""From records to evidence: tables, tests, figures and the report.

Reads Parquet files and plain tables; needs neither torch nor Ray nor MLflow. Names are imported when they are first
used, so that `import analysis` is fast.

>>> from analysis import compare
>>> table = {"method": ["CE", "CE", "CE", "SupCon", "SupCon", "SupCon"], "seed": [0, 1, 2, 0, 1, 2]}
>>> table["acc"] = [74.2, 74.9, 74.8, 75.3, 75.9, 76.0]
>>> compare(table, arm="method", seed="seed", metric="acc", baseline="CE").comparisons()["verdict"].to_pylist()
['better']

Every number of a report is in its document, `report.json`, before a table or figure shows it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.api.findings import compare, open_study
    from analysis.errors import ReportError
    from analysis.report.write import write_report, write_table_report
    from analysis.results.seeds.until_decided import decide

__all__ = ["ReportError", "compare", "decide", "open_study", "write_report", "write_table_report"]

_HOMES = {
    "ReportError": "analysis.errors",
    "compare": "analysis.api.findings",
    "decide": "analysis.results.seeds.until_decided",
    "open_study": "analysis.api.findings",
    "write_report": "analysis.report.write",
    "write_table_report": "analysis.report.write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
