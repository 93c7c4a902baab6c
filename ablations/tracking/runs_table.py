"""The view of MLflow's table of runs that `ablate ui` links to: confirm trials, grouped by arm, with the mean metric.

MLflow 3 stores a shared view as a tag of the experiment, and the address of a page names the tag by its key. The button
"Share" of the page does the same.
"""

from __future__ import annotations

import json

VIEW_KEY = "runs-by-arm"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
NAME_COLUMN = "attributes.`Run Name`"
NAME_WIDTH, METRIC_WIDTH = 520, 160
"""Pixels. MLflow's default cuts the label of an arm."""


def runs_table(metric: str) -> str:
    """Return the state of the table as MLflow stores it.

    Args:
        metric: Metric of the study, whose mean over the runs of an arm gets a column.
    """
    column = f"metrics.`{metric}`"
    state = {
        "searchFilter": "tags.kind = 'trial' AND tags.phase = 'confirm'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "arm"}]},
        "selectedColumns": [column],
        "columnOrder": [NAME_COLUMN, column],
        "columnWidths": {NAME_COLUMN: NAME_WIDTH, column: METRIC_WIDTH},
    }
    return json.dumps(state)


def view_path(experiment_id: str) -> str:
    """Return the path of the view below the server's address.

    >>> view_path("1")
    '#/experiments/1/runs?viewStateShareKey=runs-by-arm'
    """
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW_KEY}"
