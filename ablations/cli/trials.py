"""Subcommands on single finished trials: train one again and compare it with its record."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ablations.formatting import counted

if TYPE_CHECKING:
    from ablations.design.study import Study
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
    for each in found.differences[:MAX_LINES]:
        yield f"  {each.column}: {_value(each.first)} in the record, {_value(each.second)} now"
    if len(found.differences) > MAX_LINES:
        yield f"  and {len(found.differences) - MAX_LINES} more"
    for each in found.environment:
        yield f"note: {each.column} was {_value(each.first)}, is {_value(each.second)}"


def _value(value: Any) -> str:
    """A value at full precision; a text is cut after its first line."""
    if value is None:
        return "nothing"
    return value.strip().splitlines()[-1][:200] if isinstance(value, str) and value.strip() else repr(value)
