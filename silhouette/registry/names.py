"""Names in a config: their normal form, and a line of advice for each that is wrong. Nothing is imported for that."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from silhouette.registry.tables import DATASETS, ENCODERS, FORMS, TERMS, Dataset


def own_data(name: str) -> tuple[str, str] | None:
    """Return (form, path) of a person's own data; None for a name of `DATASETS`.

    >>> own_data("npz:/data/x.npz"), own_data("mnist")
    (('npz', '/data/x.npz'), None)
    """
    form, colon, path = name.partition(":")
    return (form, path) if colon and form in FORMS else None


def dataset_entry(name: str) -> Dataset:
    """Return the facts about a dataset whose name has been checked.

    >>> dataset_entry("mnist").size
    28
    """
    own = own_data(name)
    return FORMS[own[0]] if own else DATASETS[name]


def check_dataset(name: str) -> str:
    """Return the name of a dataset in its normal form.

    A person's own data have an absolute path, since a trial may run in another directory or on another machine.

    Raises:
        ValueError: If it is neither a known name nor a known form with an absolute path.

    >>> check_dataset("image_folder:/data/../data/birds/")
    'image_folder:/data/birds'
    """
    if name in DATASETS:
        return name
    own = own_data(name)
    if own is None:
        known = ", ".join((*DATASETS, *(f"{form}:PATH" for form in FORMS)))
        similar = "".join(f"; did you mean {close}?" for close in get_close_matches(name, DATASETS, 1))
        raise ValueError(f"dataset: must be one of {known}{similar}, got {name!r}")
    form, path = own
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"dataset: {form}:PATH must be an absolute path, got {name!r}")
    return f"{form}:{os.path.normpath(path)}"


def check_encoder(name: str) -> str:
    """Return the name of a known encoder.

    Raises:
        ValueError: If it is unknown.

    >>> check_encoder("resnet18")
    'resnet18'
    """
    if name in ENCODERS:
        return name
    rule = "must be small_cnn, mlp, resnet32 or a torchvision classification model (resnet18, …)"
    raise ValueError(f"encoder: {rule}, got {name!r}")


def parse_objective(text: str) -> dict[str, float]:
    """Return the weights of the terms of an objective, in the order of `TERMS`.

    Raises:
        ValueError: If a term is unknown or given twice, or a weight is not a number above 0.

    >>> parse_objective("0.5*supcon2 + ce")
    {'ce': 1.0, 'supcon2': 0.5}
    """
    return dict(_weights(text))


@lru_cache(maxsize=256)
def _weights(text: str) -> Mapping[str, float]:
    """The weights of an objective; the rules of a config ask for them dozens of times."""
    weights: dict[str, float] = {}
    for part in text.split("+"):
        weight, star, name = part.strip().rpartition("*")
        name = name.strip()
        if name not in TERMS or name in weights:
            raise ValueError(f"objective: must be terms of {', '.join(TERMS)}, each once, joined by +, got {text!r}")
        weights[name] = _weight(weight, text) if star else 1.0
    return {name: weights[name] for name in TERMS if name in weights}


def _weight(number: str, text: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise ValueError(f"objective: a weight must be a number above 0 before *, got {text!r}")
    return weight


def check_objective(text: str) -> str:
    """Return an objective in its normal form, so that equal objectives are equal trials.

    >>> check_objective("supcon2*ce")
    Traceback (most recent call last):
    ValueError: objective: a weight must be a number above 0 before *, got 'supcon2*ce'
    >>> check_objective("0.50 * supcon2+ce")
    'ce + 0.5*supcon2'
    """
    weights = parse_objective(text)
    return " + ".join(name if w == 1 else f"{w!r}*{name}" for name, w in weights.items())
