"""Names in a config: their normal form, and a line of advice for each that is wrong. Nothing is imported for that."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from silhouette.registry.loading import Kind, is_own, place, registered
from silhouette.registry.tables import (
    DATASETS,
    ENCODERS,
    FORMS,
    MEASURED,
    OWN_DATASET,
    OWN_TERM,
    TERMS,
    Dataset,
    Term,
)

OWN = "module:attribute of your own"
RESERVED = ("encoder", "dataset", "sil")
"""Names that an own term may not have: options of encoder and data set stand under the first two."""
_FIELDS: dict[Kind, str] = {"encoder": "encoder", "dataset": "dataset", "loss": "objective", "metric": "metrics"}


class Part(NamedTuple):
    """What is a person's own in a config.

    Attributes:
        prefix: The first part of its options: `encoder`, `dataset`, or the name of its function.
        kind: What it is.
        name: Its name in the config.
    """

    prefix: str
    kind: Kind
    name: str

    @property
    def field(self) -> str:
        """The field of the config that names it."""
        return _FIELDS[self.kind]


def own_parts(encoder: str, dataset: str, terms: Iterable[str], metrics: Iterable[str]) -> tuple[Part, ...]:
    """Return what is a person's own in a config.

    >>> [part.name for part in own_parts("mypkg.nets:tiny", "digits", ["ce", "mypkg.losses:arc"], ["geometry"])]
    ['mypkg.nets:tiny', 'mypkg.losses:arc']
    """
    own_dataset = dataset not in DATASETS and own_data(dataset) is None
    return (
        *([Part("encoder", "encoder", encoder)] if encoder not in ENCODERS else []),
        *([Part("dataset", "dataset", dataset)] if own_dataset else []),
        *(Part(short_name(term), "loss", term) for term in terms if term not in TERMS),
        *(Part(short_name(metric), "metric", metric) for metric in metrics if metric not in MEASURED),
    )


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
    return FORMS[own[0]] if own else DATASETS.get(name, OWN_DATASET)


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
    if own is None and _is_known("dataset", name):
        return name
    if own is None:
        known = ", ".join((*DATASETS, *(f"{form}:PATH" for form in FORMS), OWN))
        similar = "".join(f"; did you mean {close}?" for close in get_close_matches(name, DATASETS, 1))
        raise ValueError(f"dataset: must be one of {known}{similar}, got {name!r}")
    form, path = own
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"dataset: {form}:PATH must be an absolute path, got {name!r}")
    return f"{form}:{os.path.normpath(path)}"


def check_encoder(name: str) -> str:
    """Return the name of an encoder: ours, one that is registered, or `module:attribute`.

    Raises:
        ValueError: If it is none of these.

    >>> check_encoder("resnet18")
    'resnet18'
    """
    if name in ENCODERS or _is_known("encoder", name):
        return name
    rule = f"must be small_cnn, mlp, resnet32, a torchvision classification model (resnet18, …), or {OWN}"
    raise ValueError(f"encoder: {rule}, got {name!r}")


def parse_objective(text: str) -> dict[str, float]:
    """Return the weights of the terms of an objective: ours in the order of `TERMS`, then own ones as written.

    Raises:
        ValueError: If a term is unknown or given twice, or a weight is not a number above 0, or two terms have one
            short name.

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
        if name in weights or not (name in TERMS or _is_known("loss", name)):
            known = f"{', '.join(TERMS)}, or {OWN}"
            raise ValueError(f"objective: must be terms of {known}, each once, joined by +, got {text!r}")
        weights[name] = _weight(weight, text) if star else 1.0
    _check_short_names(weights, text)
    ours = [name for name in TERMS if name in weights]
    return {name: weights[name] for name in (*ours, *(name for name in weights if name not in TERMS))}


def check_measured(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of what a trial measures after its last epoch, each once.

    Raises:
        ValueError: If one is neither `geometry` nor a function of a person's own, or two functions have one name.

    >>> check_measured(("geometry", "mypkg.metrics:nc1", "geometry"))
    ('geometry', 'mypkg.metrics:nc1')
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in MEASURED and not _is_known("metric", name):
            raise ValueError(f"metrics: must be 'geometry' or module:function of your own, got {name!r}")
    own = [short_name(name) for name in found if name not in MEASURED]
    twice = next((name for name in own if own.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"metrics: functions must have different names after the colon, got {twice!r} twice")
    return found


def short_name(term: str) -> str:
    """Return the name under which the options of a term or metric stand: its attribute.

    >>> short_name("mypkg.losses:arc"), short_name("ce")
    ('arc', 'ce')
    """
    return term.rpartition(":")[2]


def term_entry(name: str) -> Term:
    """Return the facts about a term whose name has been checked."""
    return TERMS.get(name, OWN_TERM)


def _check_short_names(names: Mapping[str, float], text: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(short_name(name), name)
        if other != name or short_name(name) in RESERVED:
            second = other if other != name else "a part of a config"
            raise ValueError(f"objective: {name} has the same name as {second}; rename its function, got {text!r}")


def _is_known(kind: Kind, name: str) -> bool:
    """Return True for `module:attribute` and for a registered name; two packages may not register the same."""
    if not is_own(name) and name not in registered(kind):
        return False
    try:
        place(kind, name)
    except ValueError as error:
        raise ValueError(f"{_FIELDS[kind]}: {error}") from None
    return True


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
