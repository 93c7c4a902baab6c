"""The error of analysis."""

from __future__ import annotations

from silhouette.errors import InputError


class ReportError(InputError):
    """Input from which no report can be made; the message is one line for a person.

    >>> from analysis import ReportError, compare
    >>> try:
    ...     compare({"m": ["CE"], "s": [0], "acc": [1.0]}, arm="m", seed="s", metric="top1", baseline="CE")
    ... except ReportError as error:
    ...     print(error)
    table: no column 'top1' in the table; it has m, s, acc
    """
