"""Options of a person's own encoder, data set and terms in a config: dotted settings, as in `encoder.depth=6`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator

from silhouette.registry import option_value, own, owners

# A config has the type Any here, since `trial_config` imports this file.
_DOTTED = re.compile(r"[^\W\d]\w*\.[^\W\d]\w*")


class Values(dict[str, bool | int | float | str]):
    """Options by dotted name, sorted; never changed, so that it can have a hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        """Return a hash of names and values; 1, 1.0 and True are different options, yet may have one hash."""
        return hash(tuple(self.items()))


def _checked(values: Mapping[str, Any]) -> Values:
    for name in values:
        if not is_option(name):
            raise ValueError(f"options: must be named as in encoder.depth, got {name!r}")
    return Values(sorted(values.items()))


Options = Annotated[dict[str, bool | int | float | str], AfterValidator(_checked)]


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


def guessed(text: Any) -> Any:
    """Return the value that a text of the command line stands for, before a signature is known.

    >>> guessed("6"), guessed("0.5"), guessed("true"), guessed("wide"), guessed(6)
    (6, 0.5, True, 'wide', 6)
    """
    if not isinstance(text, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def without_owner(config: Any) -> frozenset[str]:
    """Return the options of a config that belong to nothing in it, and so change nothing. Nothing is imported."""
    present = owners(config.encoder, config.dataset, config.terms)
    return frozenset(name for name in config.options if name.partition(".")[0] not in present)


def settled(config: Any) -> Values:
    """Return the options of a config with their types, without those at their default.

    Raises:
        ValueError: One line, if an option does not exist or has another type, or what it belongs to does not import.
    """
    present, found = owners(config.encoder, config.dataset, config.terms), Values()
    for name, value in config.options.items():
        prefix, _, option = name.partition(".")
        kind, owner = present[prefix]
        try:
            typed = option_value(kind, owner, option, value)
        except ValueError as error:
            said = str(error)
            raise ValueError(
                f"{prefix}.{said}" if said.startswith(f"{option}:") else f"{_field(kind)}: {said}"
            ) from None
        if typed != own(kind, owner).options[option].default:
            found[name] = typed
    return found


def _field(kind: str) -> str:
    """The field of the config that names a thing of a kind."""
    return "objective" if kind == "loss" else kind


def option_default(config: Any, name: str) -> Any:
    """Return the default of an option under a config; None where it belongs to nothing.

    Raises:
        ValueError: If what it belongs to does not import.
    """
    prefix, _, option = name.partition(".")
    present = owners(config.encoder, config.dataset, config.terms)
    if prefix not in present:
        return None
    found = own(*present[prefix]).options.get(option)
    return None if found is None else found.default


def options_under(config: Any, prefix: str) -> dict[str, Any]:
    """Return the options of one owner that are not at their default, by the name of the argument.

    >>> from silhouette.config import TrialConfig
    >>> options_under(TrialConfig(encoder="mypkg.nets:tiny", options={"encoder.depth": 6}), "encoder")
    {'depth': 6}
    """
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in config.options.items() if name.startswith(start)}
