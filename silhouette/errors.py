"""The base of every error that a person's input caused, and words that such errors share."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Bad input; the message is one line: field, rule, value given, what to do. Commands end with exit code 2."""


def instead(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name: the known name that resembles it, or all of them.

    >>> instead("lamda_sil", ["tau_s", "lambda_sil"])
    'did you mean lambda_sil?'
    >>> instead("colour", ["tau_s", "lambda_sil"])
    'known are tau_s, lambda_sil'
    """
    names = list(known)
    similar = get_close_matches(name, names, 1, 0.65)
    return f"did you mean {similar[0]}?" if similar else f"known are {', '.join(names)}"
