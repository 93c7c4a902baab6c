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


ARGUMENTS = {"cpus-per-trial": "cpus", "gpus-per-trial": "gpus", "label": "labels"}
"""Options of the command line whose argument in Python has another name."""


def as_argument(message: str) -> str:
    """A message about options of the command line as one about arguments in Python.

    >>> as_argument("--error-rate: study or block"), as_argument("--cpus-per-trial: must be at least 1, got 0")
    ('error_rate: study or block', 'cpus: must be at least 1, got 0')
    """
    named = r"(?<!\S)--([a-z]+(?:-[a-z]+)*)"
    return re.sub(named, lambda m: ARGUMENTS.get(m[1], m[1].replace("-", "_")), message)


ALIASES = {
    "learning_rate": "lr",
    "weight": "lambda_sil",
    "lambda": "lambda_sil",
    "wd": "weight_decay",
    "bs": "batch_size",
    "model": "encoder",
    "loss": "objective",
}
"""Names that other programs use for a setting, with the name that it has here."""
MAX_NAMES = 12
"""Names that a message lists; a longer list hides the rule."""


def instead(name: str, known: Iterable[str], listed: str = "docs/study.md lists them") -> str:
    """What to write instead of an unknown name: the known name that is meant, all of them, or where they are listed.

    Args:
        name: The unknown name.
        known: All known names.
        listed: What lists the known names; shown if there are more than `MAX_NAMES`.

    >>> instead("lamda_sil", ["tau_s", "lambda_sil"])
    'did you mean lambda_sil?'
    >>> instead("colour", ["tau_s", "lambda_sil"])
    'known are tau_s, lambda_sil'
    >>> instead("learning_rate", ["lr", "lambda_sil"])
    'did you mean lr?'
    """
    names = list(known)
    similar = [alias for alias in [ALIASES.get(name)] if alias in names] or get_close_matches(name, names, 1, 0.65)
    if similar:
        return f"did you mean {similar[0]}?"
    return listed if len(names) > MAX_NAMES else f"known are {', '.join(names)}"
