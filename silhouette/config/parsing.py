"""Plain values as a checked `TrialConfig`, and a fault in them as one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar, overload

from pydantic import BaseModel, TypeAdapter, ValidationError

from silhouette.config.options import is_option, settled
from silhouette.config.trial_config import TrialConfig
from silhouette.errors import InputError, instead

LISTED = "`ablate list --spaces` and docs/study.md list them"
PLAIN_WORDS = (
    (r"^Input should be ", "must be "),
    (r"^\w+ should have ", "must have "),
    (r"a valid integer.*", "an integer"),
    (r"a valid (number|string).*", r"a \1"),
    (r"a valid boolean.*", "true or false"),
    (r"a valid dictionary.*", "a dict"),
    (r" after validation, not \d+", ""),
)
"""Words of pydantic, as patterns, and plain ones for them."""
C = TypeVar("C", bound=BaseModel)


class ConfigError(InputError):
    """A bad value of a field; the message is one line: field, rule, value given."""


@overload
def make_config(values: Mapping[str, Any]) -> TrialConfig: ...


@overload
def make_config(values: Mapping[str, Any], model: type[C]) -> C: ...


def make_config(values: Mapping[str, Any], model: type[BaseModel] = TrialConfig) -> BaseModel:
    """Return the validated config of plain values.

    Args:
        values: By field.
        model: Type of the config: a frozen pydantic model. Options of a `TrialConfig` (`encoder.depth`) are checked by
            the signatures that they belong to; these are imported for that.

    Raises:
        ConfigError: One line naming the field, the rule and the value given.

    >>> make_config({"lambda_sil": "0.2"}).lambda_sil
    0.2
    >>> make_config({"lambda_sil": "banana"})
    Traceback (most recent call last):
    silhouette.config.parsing.ConfigError: lambda_sil: must be a number, got 'banana'
    """
    for name in values:
        _check_field(name, model)
    try:
        config = model(**values)
        hash(config)  # equal settings are found by it
    except ValidationError as error:
        raise ConfigError(first_line(error)) from None
    except TypeError as error:
        raise ConfigError(f"{model.__name__}: fields must be hashable, such as tuples, not lists ({error})") from None
    return _settled(config) if isinstance(config, TrialConfig) and config.options else config


def _settled(config: TrialConfig) -> TrialConfig:
    try:
        return config.model_copy(update={"options": settled(config)})
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_field(name: str, model: type[BaseModel]) -> None:
    if name not in model.model_fields and not (model is TrialConfig and is_option(name)):
        listed = LISTED if model is TrialConfig else f"{model.__name__} lists them"
        raise ConfigError(f"{name}: no such setting; {instead(name, model.model_fields, listed)}")


def parse_value(field: str, value: Any, model: type[BaseModel] = TrialConfig) -> Any:
    """Return one value as its field reads it ("0.2" becomes 0.2), checked without the other fields.

    The text "None" is None in a field whose default is None.
    The value of an option (`encoder.depth`) is checked by `make_config`, which knows what it belongs to.

    Args:
        field: Name of the field.
        value: Its value.
        model: Type of the config.

    Raises:
        ConfigError: If there is no such field or it does not allow the value.

    >>> parse_value("batch_size", "64"), parse_value("grad_clip", "None")
    (64, None)
    """
    _check_field(field, model)
    if field not in model.model_fields:
        return value
    info = model.model_fields[field]
    if value == "None" and info.default is None:  # as lists and advice show it
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_line(error, field)) from None


@lru_cache(maxsize=1)
def defaults() -> Mapping[str, Any]:
    """Return the default of every field as records hold it; a record written before a field existed means these."""
    return TrialConfig().model_dump(mode="json")


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config that was written before some field existed, with all fields of today.

    >>> with_defaults({"lr": 0.1})["lr"], with_defaults({})["lambda_sil"]
    (0.1, 0.0)
    """
    return {**defaults(), **config}


def first_line(error: ValidationError, field: str = "") -> str:
    """Return the first fault of a pydantic error as one line: field, rule, value given."""
    fault = error.errors()[0]
    if fault["type"] == "value_error":  # raised by our own validators, whose message is complete
        return str(fault["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in (field, *fault["loc"]) if part != "")
    if fault["type"] == "missing":
        return f"{where}: {error.title} needs this field, got nothing"
    message = str(fault["msg"])
    for words, plain in PLAIN_WORDS:
        message = re.sub(words, plain, message)
    return f"{where}: {message}, got {fault['input']!r}"
