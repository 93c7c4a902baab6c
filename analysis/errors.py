"""The error of analysis."""

from __future__ import annotations

from silhouette.errors import InputError


class ReportError(InputError):
    """Input from which no report can be made; the message is one line for a person."""
