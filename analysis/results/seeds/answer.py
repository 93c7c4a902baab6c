"""A process that says what the seeds of a study have decided: one line of JSON for each line that it reads.

`ablate run` starts it (`python -m analysis.results.seeds.answer STUDY`) and asks after each seed. The location of the
results reaches it in its environment: other users can read a command line, and keys may be in it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from analysis.errors import ReportError
from analysis.results.document.plain import to_plain
from analysis.results.seeds.until_decided import decide, seeds_wanted
from analysis.study.plan import Plan
from analysis.study.records import COLUMNS, read_records
from analysis.study.study_file import read_plan
from silhouette.errors import InputError, without_secret
from silhouette.results import SCHEMA, Store

RESULTS = "ABLATE_DECIDE_RESULTS"
"""Environment variable with the location of the results."""


def decisions_of(store: Store, plan: Plan) -> dict[str, Any]:
    """The decisions on a study as plain data: the fields of `Decisions`, and `wanted`, the seeds that each arm needs.

    Args:
        store: Where its records are.
        plan: Its plan.

    Raises:
        ReportError: If the plan has a fixed number of seeds.
    """
    columns = [name for name in dict.fromkeys((*COLUMNS, plan.metric)) if name in SCHEMA.names]
    found = decide(plan, read_records(store.load(columns), (plan.metric,)))
    return {**to_plain(found), "wanted": seeds_wanted(plan, found)}


def answer(store: Store, questions: Iterable[str], out: TextIO) -> None:
    """Write one line for each question: the decisions, or `error`."""
    for _ in questions:
        try:
            said = decisions_of(store, read_plan(store))
        except (InputError, ReportError, OSError) as error:
            said = {"error": without_secret(" ".join(str(error).split()))}
        print(json.dumps(said), file=out, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its driver closes the pipe
    os.nice(10)
    answer(Store(os.environ[RESULTS], sys.argv[1]), sys.stdin, sys.stdout)
