"""The columns of the records that hold the geometry of features. Needs the standard library alone."""

from __future__ import annotations

MEASURES = (
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "r_precision",
    "map_at_r",
    "nmi",
    "nc1",
    "nc2",
    "nc3",
    "nc4",
    "alignment",
    "uniformity",
)
"""What is measured on each split."""
BY_GROUP = ("recall_at_1", "recall_at_5", "recall_at_10", "r_precision", "map_at_r", "alignment", "nc1", "nc4")
"""Measures that single classes have, so that shot groups have them too; the others describe all classes together."""
GROUPS = ("many", "medium", "few")
SPLITS = ("val", "test")


def columns(split: str) -> tuple[str, ...]:
    """Return the columns of one split: each measure, then each measure by shot group.

    >>> columns("test")[0], columns("test")[-1], len(columns("test"))
    ('test_recall_at_1', 'test_few_nc4', 36)
    """
    groups = [f"{split}_{group}_{name}" for name in BY_GROUP for group in GROUPS]
    return (*(f"{split}_{name}" for name in MEASURES), *groups)


COLUMNS = tuple(name for split in SPLITS for name in columns(split))
"""All columns, in the order of the records."""
