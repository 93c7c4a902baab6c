"""Subcommands on finished trials: train one again and compare it with its record, measure further metrics on all."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.cli.results import next_command, read_study
from ablations.formatting import counted

if TYPE_CHECKING:
    from ablations.design.study import Study
    from ablations.driver.evaluate import Evaluated
    from ablations.driver.evaluation_plan import Pending
    from ablations.driver.options import RunOptions
    from ablations.driver.verify import Verification

MAX_LINES = 20
"""Values that differ, shown one a line."""


def verify(study: Study, options: RunOptions) -> int:
    """Train one finished trial again and compare; 0 if every number is the same, else 1."""
    from rich.progress import Progress

    from ablations.driver.verify import verify_with

    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"{study.name}: {options.only}, epochs", total=None)
        found = verify_with(study, options, options.only or "", lambda epoch: bar.update(task, completed=epoch))
    for line in verification_lines(found):
        print(line)
    return 0 if found.identical else 1


def verification_lines(found: Verification) -> Iterator[str]:
    """What a verification found: the verdict, each value that differs, and what else is not the same."""
    if found.identical:
        yield f"identical: {counted(found.compared, 'value')} of {found.trial_id}"
    else:
        yield f"not identical: {len(found.differences)} of {counted(found.compared, 'value')} of {found.trial_id}"
    # the reason of a trial that failed now stands before the values that it lacks
    ordered = sorted(found.differences, key=lambda each: each.column not in ("status", "error"))
    for each in ordered[:MAX_LINES]:
        yield f"  {each.column}: {show_value(each.first)} in the record, {show_value(each.second)} now"
    if len(found.differences) > MAX_LINES:
        yield f"  and {len(found.differences) - MAX_LINES} more"
    for each in found.environment:
        yield f"note: {each.column} was {show_value(each.first)}, is {show_value(each.second)}"


def show_value(value: Any) -> str:
    """A value at full precision; a text is cut after its first line."""
    if value is None:
        return "nothing"
    return value.strip().splitlines()[-1][:200] if isinstance(value, str) and value.strip() else repr(value)


def evaluate(given: Namespace) -> int:
    """Measure further metrics on the trials that kept weights or embeddings; 1 if a value is missing."""
    import shlex

    from ablations.driver.evaluate import evaluate_study
    from ablations.driver.interrupts import Deadline, Interrupted, interruptible
    from ablations.driver.options import RunOptions, labels_of
    from silhouette.errors import without_secret

    options = RunOptions(
        results=given.results,
        cpus=given.cpus_per_trial,
        gpus=given.gpus_per_trial,
        labels=labels_of(given.label),
        address=given.address,
        jobs=given.jobs,
        command=without_secret(shlex.join(["ablate", *given.given])),
    )
    study = read_study(given)
    try:
        with _importable(given.study), interruptible(Deadline(), _announce_end, lambda _: None):
            found = evaluate_study(study, options, given.metric, lambda pending: _print_pending(study.name, pending))
    except Interrupted as interruption:
        print(f"interrupted ({interruption}); values so far are kept. To resume: {options.again}", flush=True)
        interruption.ended_in_order()
        return interruption.code
    for line in evaluation_lines(found):
        print(line)
    print(f"next: {next_command('report', given)}")
    return 1 if found.errors else 0


def _announce_end(interruption: BaseException) -> None:
    print(f"interrupted ({interruption}): writing the values so far", flush=True)


@contextmanager
def _importable(study: str) -> Iterator[None]:
    """Let a metric stand in the current folder or beside the study file, here and in the workers of a local Ray."""
    folders = [os.getcwd(), *([str(Path(study).resolve().parent)] if study.endswith(".py") else [])]
    before, path = list(sys.path), os.environ.get("PYTHONPATH")
    sys.path += [folder for folder in folders if folder not in sys.path]
    os.environ["PYTHONPATH"] = os.pathsep.join([*([path] if path else []), *folders])
    try:
        yield
    finally:
        sys.path[:] = before
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path


def _print_pending(study: str, pending: Pending) -> None:
    """What is to be measured and what is not, with numbers."""
    wanted = sum(len(task.measures) for task in pending.tasks)
    print(f"{study}: {counted(wanted, 'value')} to measure, {pending.present} present", flush=True)
    for function, count in pending.changed.items():
        print(f"note: the sources of {function} have changed; {counted(count, 'value')} measured again", flush=True)
    if pending.without:
        print(f"note: {counted(pending.without, 'complete trial')} kept nothing and cannot be measured", flush=True)
    if pending.foreign:
        advice = "give the --set and --seeds that they were run with"
        print(f"note: {counted(pending.foreign, 'trial')} with kept weights not in this study; {advice}", flush=True)


def evaluation_lines(found: Evaluated) -> Iterator[str]:
    """What was measured, and each error with the number of trials that had it."""
    undefined = f", {found.undefined} of them not finite" if found.undefined else ""
    yield f"measured {counted(found.computed, 'value')}{undefined}"
    for error, count in found.errors.most_common(MAX_LINES):
        yield f"  {counted(count, 'trial')} without a value: {error}"
