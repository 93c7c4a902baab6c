"""The base of every error that a person's input caused, and words that such errors share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_USER = re.compile(r"://(?:[^/@\s'\"]*|[^:/@\s'\"]+:[^@\s'\"]*)@")
_SECRET_FIELD = re.compile(r"((?:account_key|sas_token|client_secret|secret_key|password|token)=)[^&\s'\"]+")


class InputError(ValueError):
    """Bad input; the message is one line: field, rule, value given, what to do. Commands end with exit code 2."""


def without_secret(text: str) -> str:
    """A text without the user names, passwords and keys of its URIs.

    >>> without_secret("--results s3://key:secret@bucket/x?region=eu --mlflow http://me:pw@host")
    '--results s3://bucket/x?region=eu --mlflow http://host'
    >>> without_secret("s3://key:sec/ret@bucket and abfs://data/x?account_key=k3y&scheme=http")
    's3://bucket and abfs://data/x?account_key=***&scheme=http'
    """
    return _SECRET_FIELD.sub(r"\1***", _USER.sub("://", text))


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
