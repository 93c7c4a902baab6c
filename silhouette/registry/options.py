"""Options of a person's own function: its keyword-only arguments, with types and defaults out of its signature."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

from silhouette.registry.loading import Kind, load, place

Value = bool | int | float | str
POSITIONAL: dict[Kind, tuple[str, ...]] = {
    "encoder": ("in_shape",),
    "dataset": ("image_size",),
    "loss": ("num_classes", "embedding_dim"),
    "metric": ("features", "labels"),
}
"""What a function of each kind is called with, in order."""
GIVEN: dict[Kind, tuple[str, ...]] = {"encoder": (), "dataset": (), "loss": ("class_counts",), "metric": ()}
"""Keyword-only arguments that the project gives, where the signature has them; they are no options."""
WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Option:
    """One option of a function.

    Attributes:
        kinds: Types of its values.
        default: Value that it has where none is given.
        choices: The only values that it may have; empty if there is no such list.
        optional: True if None may be given.
    """

    kinds: tuple[type[Value], ...]
    default: Any
    choices: tuple[Value, ...] = ()
    optional: bool = False

    def is_default(self, value: Any) -> bool:
        """Return True for the default, in whichever type of a number."""
        return _same(self.default, value)


@dataclass(frozen=True)
class Own:
    """A person's own function, as its signature describes it.

    Attributes:
        name: The name in the config.
        function: What is called.
        options: By name.
        given: The keyword-only arguments of `GIVEN` that it has.
    """

    name: str
    function: Callable[..., Any]
    options: Mapping[str, Option]
    given: tuple[str, ...]


def own(kind: Kind, name: str) -> Own:
    """Return a person's own function; the first call imports it.

    Raises:
        ValueError: One line, if it cannot be imported or cannot be called as its kind is.
    """
    return _own(kind, name, place(kind, name))


@cache
def _own(kind: Kind, name: str, where: str) -> Own:
    function = load(where)
    if not callable(function):
        raise ValueError(f"{name} must be a function, got {type(function).__name__}")
    parameters = _parameters(name, function)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    _check_positional(kind, name, positional, any(p.kind is p.VAR_POSITIONAL for p in parameters))
    free = {n: p for n, p in keywords.items() if n not in GIVEN[kind]}
    if kind == "metric":  # often a function of a library, which may have arguments that no setting can hold
        free = {n: p for n, p in free.items() if p.default is p.empty or _kinds(p)}
    options = {n: _option(name, p) for n, p in free.items()}
    return Own(name, function, options, tuple(n for n in GIVEN[kind] if n in keywords))


def _parameters(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    for resolved in (True, False):  # a type may be named that is only known to a type checker
        try:
            return list(inspect.signature(function, eval_str=resolved).parameters.values())
        except (TypeError, ValueError):
            break
        except Exception:
            continue
    raise ValueError(f"{name} has no signature that Python can tell; write it as a plain function")


def _check_positional(kind: Kind, name: str, found: list[inspect.Parameter], more: bool) -> None:
    wanted = POSITIONAL[kind]
    least = sum(p.default is p.empty for p in found)
    if not least <= len(wanted) <= (len(wanted) if more else len(found)):
        shown = ", ".join(p.name for p in found)
        raise ValueError(
            f"{name} must take ({', '.join(wanted)}), with options as keyword-only arguments after *, got ({shown})"
        )


def _option(name: str, parameter: inspect.Parameter) -> Option:
    default, where = parameter.default, f"{name}: its option {parameter.name}"
    if default is parameter.empty:
        raise ValueError(f"{where} needs a default value, got none")
    kinds, choices = _kinds(parameter), _choices(parameter)
    if not kinds:
        raise ValueError(f"{where} must have a bool, int, float or str as its type, got {type(default).__name__}")
    optional = default is None or type(None) in _parts(parameter) or None in choices
    return Option(kinds, default, tuple(choice for choice in choices if choice is not None), optional)


def _parts(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """The types that the annotation of a parameter joins by |."""
    union = typing.get_origin(parameter.annotation) in (typing.Union, types.UnionType)
    return typing.get_args(parameter.annotation) if union else (parameter.annotation,)


def _choices(parameter: inspect.Parameter) -> tuple[Any, ...]:
    literals = (part for part in _parts(parameter) if typing.get_origin(part) is Literal)
    return tuple(choice for literal in literals for choice in typing.get_args(literal))


def _kinds(parameter: inspect.Parameter) -> tuple[type[Value], ...]:
    """The types that a value may have: one of numbers or bool at most, and str; without an annotation the default's."""
    named = {*map(type, _choices(parameter)), *(part for part in _parts(parameter) if isinstance(part, type))}
    if not named & WORDS.keys():
        named = {type(parameter.default)}
    numbers: list[type[Value]] = [kind for kind in (float, int, bool) if kind in named]
    return (*numbers[:1], *([str] if str in named else []))


def option_value(kind: Kind, name: str, option: str, value: Any) -> Value | None:
    """Return the value of an option in the type that the signature asks for.

    A text, as the command line gives it, is read as a number or truth value where the signature wants one; "None" is
    None where that may be given.

    Raises:
        ValueError: If there is no such option, or the value has another type.
    """
    options = own(kind, name).options
    if option not in options:
        similar = get_close_matches(option, options, 1, 0.6)
        known = f"its options are {', '.join(options)}" if options else "it has no options"
        advice = f"did you mean {similar[0]}?" if similar else known
        raise ValueError(f"{option}: {name} has no such option; {advice}")
    wanted, value = options[option], plain_value(value)
    if wanted.optional and value in (None, "None") and "None" not in wanted.choices:
        return None
    converted = _chosen(wanted.choices, value) if wanted.choices else _converted(wanted.kinds, value)
    if converted is None:
        raise ValueError(f"{option}: must be {_rule(wanted)}, as the signature of {name} says, got {value!r}")
    return converted


def plain_value(value: Any) -> Any:
    """Return a single number of NumPy as one of Python; any other value as it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def _rule(wanted: Option) -> str:
    shown = ", ".join(map(str, wanted.choices))
    rule = f"one of {shown}" if wanted.choices else " or ".join(WORDS[kind] for kind in wanted.kinds)
    return f"{rule} or None" if wanted.optional else rule


def _chosen(choices: tuple[Value, ...], value: Any) -> Value | None:
    """The choice that a value names; None if there is none."""
    for choice in choices:
        texts = isinstance(choice, str) or isinstance(value, str)
        if str(choice) == str(value) if texts else _same(choice, value):
            return choice
    return None


def _converted(kinds: tuple[type[Value], ...], value: Any) -> Value | None:
    """The value in the first of some types that it has; None if it has none of them."""
    return next((found for kind in kinds if (found := _as_kind(kind, value)) is not None), None)


def _as_kind(kind: type[Value], value: Any) -> Value | None:
    """The value in a type; None if it is none of that type. Numbers are taken as texts where a text is wanted."""
    if kind is str:
        return None if value is None else str(value)
    value = _read(value) if isinstance(value, str) else value
    if isinstance(value, bool) or kind is bool:
        return value if kind is bool and isinstance(value, bool) else None
    if not isinstance(value, int | float) or not _is_finite(value):
        return None
    if kind is float:
        return float(value)
    return int(value) if value == int(value) else None


def _read(text: str) -> bool | int | float | None:
    """What a text says: true or false, or a number; None if it is neither."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer that no float can hold
        return False


def _same(one: Any, other: Any) -> bool:
    """True for equal values of which both or none is a truth value."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
