"""Whether two records of one trial agree: every value that training decides, and what else was not the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from silhouette.schema import SCHEMA, TEST_BITS

IDENTITY = (
    "schema_version", "trial_id", "study", "phase", "arm", "settings", "config", "seed",
    "tune_number", "tune_values", "tune_known", "tune_bracket",
)  # fmt: skip
"""Columns that say which trial it is, and how the search came to it."""
TIMES = ("started_at", "seconds", "earlier_seconds", "images_per_second", "peak_memory", "machine_share", "gpus")
"""Columns, and keys of a curve, that say what a run took: two runs of one trial seldom share them."""
ENVIRONMENT = (
    "host",
    "machine",
    "device",
    "threads",
    "versions",
    "plugins",
    "source_sha256",
    "git_commit",
    "git_dirty",
)
"""Columns that say which machine and which code trained the trial."""
DECIDED = tuple(name for name in SCHEMA.names if name not in (*IDENTITY, *TIMES, *ENVIRONMENT))
"""Columns that training decides: the same config, seed, code, machine and thread count give the same values."""


@dataclass(frozen=True)
class Difference:
    """A value in which two records differ.

    Attributes:
        column: Column of the record; of a nested one with the place inside, such as `curve[0].val_loss`.
        first: Value of the first record; None if it has none.
        second: The same of the second.
    """

    column: str
    first: Any
    second: Any


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every value that training decides in which two records of a trial differ. Numbers are compared bit by bit.

    Which test samples were right is compared where both records say it: a study may leave it out.

    Args:
        first: Values by column, as `Store.load(...).to_pylist()` gives them; an absent column counts as null.
        second: The same of the other record.

    >>> one = {"test_top1": 0.5, "curve": [{"epoch": 1, "val_loss": 2.0, "seconds": 3.0}], "host": "a"}
    >>> other = {"test_top1": 0.5, "curve": [{"epoch": 1, "val_loss": 2.5, "seconds": 4.0}], "host": "b"}
    >>> differences(one, other)
    (Difference(column='curve[0].val_loss', first=2.0, second=2.5),)
    """
    lacking = [name for name in TEST_BITS if first.get(name) is None or second.get(name) is None]
    one, other = ({n: v for n, v in decided_values(r).items() if n not in lacking} for r in (first, second))
    return _compared(one, other)


def environment_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What differs between the machines and the code of two records.

    >>> environment_differences({"versions": '{"torch": "2.9"}'}, {"versions": '{"torch": "2.15"}'})
    (Difference(column='versions.torch', first='2.9', second='2.15'),)
    """
    return _compared(_values(first, ENVIRONMENT), _values(second, ENVIRONMENT))


def decided_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a record that training decides, by column and place inside it; nulls are left out."""
    return _values(record, DECIDED)


def _values(record: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    return dict(leaf for name in columns for leaf in _leaves(name, _parsed(name, record.get(name))))


def _parsed(name: str, value: Any) -> Any:
    """The columns that are JSON text, as what the text says (a damaged one stays text), and bits in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if name not in ("versions", "plugins") or value is None:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The single values of a column with their places. A map of Arrow is a list of pairs."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in TIMES:
                yield from _leaves(f"{name}.{key}", inner)
    elif isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        yield from _leaves(name, dict(value))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(f"{name}[{place}]", inner)
    elif value is not None:
        yield name, value


def _compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    names = dict.fromkeys([*first, *second])
    pairs = ((name, first.get(name), second.get(name)) for name in names)
    return tuple(Difference(*pair) for pair in pairs if not _same(*pair[1:]))


def _same(first: Any, second: Any) -> bool:
    return bool(first == second) or (first != first and second != second)  # NaN is the same as NaN
