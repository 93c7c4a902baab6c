"""The factors of a config: ours for `TrialConfig`, and one for each field of a person's own config."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from search_spaces.domains import Factor
from search_spaces.factors import FACTORS, SEARCHABLE
from silhouette.config import TrialConfig, is_option


def factors_of(model: type[BaseModel]) -> Mapping[str, Factor]:
    """Return the factors of a config, by field.

    Args:
        model: `TrialConfig`, or a config of a person's own: a field's `title` is the label of its factor, its
            `json_schema_extra={"unit": "s"}` the unit.

    >>> factors_of(TrialConfig)["tau_s"].label
    'τ_s'
    """
    return FACTORS if issubclass(model, TrialConfig) else _own(model)


def searchable(model: type[BaseModel]) -> Mapping[str, Factor]:
    """Return what a search can tune, by name; the factors of an own config have no domain of their own.

    >>> searchable(TrialConfig)["tau"].fields
    ('tau_s', 'tau_m')
    """
    return SEARCHABLE if issubclass(model, TrialConfig) else _own(model)


def factor_named(model: type[BaseModel], name: str) -> Factor:
    """Return what a name that is tuned sets; an option (`encoder.depth`) sets itself and has no domain of its own.

    >>> factor_named(TrialConfig, "tau").fields, factor_named(TrialConfig, "encoder.depth").label
    (('tau_s', 'tau_m'), 'depth')
    """
    return searchable(model).get(name) or Factor(name, label_of(name), (), None, "")


def label_of(field: str, beside: tuple[str, ...] = ()) -> str:
    """Return the name of a setting in labels: of an option its last part, unless another one beside it has the same.

    >>> label_of("encoder.depth"), label_of("arc.depth", ("encoder.depth", "arc.depth")), label_of("compile")
    ('depth', 'arc.depth', 'compile')
    """
    last = field.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in beside) < 2 else field


@lru_cache(maxsize=64)
def _own(model: type[BaseModel]) -> Mapping[str, Factor]:
    found = {}
    for name, info in model.model_fields.items():
        extra: Any = info.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, Mapping) else ""
        found[name] = Factor(name, info.title or name, (), None, info.description or "", unit=unit)
    return found


def default_of(model: type[BaseModel], field: str) -> Any:
    """Return the default of a field; None for a field that must be given, and for an option.

    >>> default_of(TrialConfig, "lambda_sil")
    0.0
    """
    if model is TrialConfig and is_option(field):
        return None  # it stands in a signature that only a config knows
    info = model.model_fields[field]
    return None if info.is_required() else info.get_default(call_default_factory=True)


def describe(config: BaseModel, fields: tuple[str, ...]) -> str:
    """Return the label of an arm: the values of the given fields.

    >>> describe(TrialConfig(lambda_sil=0.2, imbalance="long_tail", imbalance_factor=20), ("lambda_sil", "imbalance"))
    'λ=0.2 long_tail×20'
    >>> describe(TrialConfig(), ("imbalance",))
    'balanced'
    """
    known = factors_of(type(config))
    return " ".join(_described(config, field, known, fields) for field in fields)


def _described(config: BaseModel, field: str, known: Mapping[str, Factor], beside: tuple[str, ...]) -> str:
    if isinstance(config, TrialConfig) and field == "imbalance" and config.imbalance == "none":
        return "balanced"
    factor = known.get(field) or Factor(field, label_of(field, beside), (), None, "")
    return factor.describe(config)
