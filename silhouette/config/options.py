"""Options of a person's own things in a config: dotted settings, as in `encoder.depth=6`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from silhouette.registry import Part, option_value, own, own_parts, plain_value

# A config has the type Any here, since `trial_config` imports this file.
_DOTTED = re.compile(r"[^\W\d]\w*\.[^\W\d]\w*")
Scalar = bool | int | float | str | None


class Values(dict[str, Scalar]):
    """Options by dotted name, sorted; never changed, so that it can have a hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        """Return a hash of names and values; 1, 1.0 and True are different options, yet may have one hash."""
        return hash(tuple(self.items()))


def _plain(values: Any) -> Any:
    """Refuse what no option can be; the type that the signature asks for is checked later, by `settled`."""
    if not isinstance(values, Mapping):
        return values
    plain = {name: plain_value(value) for name, value in values.items()}
    for name, value in plain.items():
        if not isinstance(name, str) or not is_option(name):
            raise ValueError(f"options: must be named as in encoder.depth, got {name!r}")
        whole = value is None or isinstance(value, bool | int | str)
        if not (whole or (isinstance(value, float) and math.isfinite(value))):
            raise ValueError(f"{name}: must be true or false, a finite number, a text, or None, got {value!r}")
    return plain


def _sorted(values: Mapping[str, Scalar]) -> Values:
    return Values(sorted(values.items()))


Options = Annotated[dict[str, Scalar], BeforeValidator(_plain), AfterValidator(_sorted)]


def is_option(name: str) -> bool:
    """Return True for a dotted name, which is an option of something of a person's own.

    >>> is_option("encoder.depth"), is_option("lr")
    (True, False)
    """
    return _DOTTED.fullmatch(name) is not None


def gathered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values with the dotted ones put together under `options`.

    >>> gathered({"lr": 0.1, "encoder.depth": 6})
    {'lr': 0.1, 'options': {'encoder.depth': 6}}
    """
    dotted = {name: value for name, value in values.items() if is_option(name)}
    if not dotted:
        return dict(values)
    plain = {name: value for name, value in values.items() if name not in dotted}
    return {**plain, "options": {**plain.get("options", {}), **dotted}}


def parts_in(config: Any) -> tuple[Part, ...]:
    """Return what is a person's own in a config. Nothing is imported."""
    return own_parts(config.encoder, config.dataset, config.terms, config.metrics)


def owner_of(config: Any, name: str) -> Part | None:
    """Return what an option of a config belongs to; None if that is nothing.

    Raises:
        ValueError: If two functions have its first part as their name.
    """
    found = [part for part in parts_in(config) if part.prefix == name.partition(".")[0]]
    if len(found) > 1:
        both = " and ".join(part.name for part in found)
        raise ValueError(f"{name}: {both} have the same name; rename one of these functions to set its options")
    return found[0] if found else None


def without_owner(config: Any, names: Iterable[str]) -> frozenset[str]:
    """Return the options that belong to nothing in a config, and so change nothing. Nothing is imported."""
    present = {part.prefix for part in parts_in(config)}
    return frozenset(name for name in names if is_option(name) and name.partition(".")[0] not in present)


def settled(config: Any) -> Values:
    """Return the options of a config with their types, without those at their default.

    Raises:
        ValueError: One line, if an option does not exist or has another type, or what it belongs to does not import.
    """
    typed = {name: typed_option(config, name, value) for name, value in config.options.items()}
    return Values({name: value for name, value in typed.items() if not _is_default(config, name, value)})


def typed_option(config: Any, name: str, value: Any) -> Any:
    """Return the value of an option in the type that the signature asks for; as it is if it belongs to nothing.

    Raises:
        ValueError: One line, if it does not exist or has another type, or what it belongs to does not import.
    """
    part, option = owner_of(config, name), name.partition(".")[2]
    if part is None:
        return value
    try:
        return option_value(part.kind, part.name, option, value)
    except ValueError as error:
        said = str(error)
        raise ValueError(
            f"{part.prefix}.{said}" if said.startswith(f"{option}:") else f"{part.field}: {said}"
        ) from None


def _is_default(config: Any, name: str, value: Any) -> bool:
    part = owner_of(config, name)
    return part is not None and own(part.kind, part.name).options[name.partition(".")[2]].is_default(value)


def option_default(config: Any, name: str) -> Any:
    """Return the default of an option under a config; None where it belongs to nothing.

    Raises:
        ValueError: If what it belongs to does not import.
    """
    part = owner_of(config, name)
    found = None if part is None else own(part.kind, part.name).options.get(name.partition(".")[2])
    return None if found is None else found.default


def options_under(config: Any, prefix: str) -> dict[str, Any]:
    """Return the options of one owner that are not at their default, by the name of the argument.

    >>> from silhouette.config import TrialConfig
    >>> options_under(TrialConfig(encoder="mypkg.nets:tiny", options={"encoder.depth": 6}), "encoder")
    {'depth': 6}
    """
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in config.options.items() if name.startswith(start)}
