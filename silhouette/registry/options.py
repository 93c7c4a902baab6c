"""Options of a person's own function: its keyword-only arguments, with types and defaults out of its signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
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
        kind: Type of its values.
        default: Value that it has where none is given.
        choices: The only values that it may have; empty if there is no such list.
        optional: True if None may be given, which only the default can be.
    """

    kind: type[Value]
    default: Any
    choices: tuple[Value, ...] = ()
    optional: bool = False


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
    options = {n: _option(name, p) for n, p in keywords.items() if n not in GIVEN[kind]}
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
    default, annotation = parameter.default, parameter.annotation
    where = f"{name}: its option {parameter.name}"
    if default is parameter.empty:
        raise ValueError(f"{where} needs a default value, got none")
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    optional = default is None or type(None) in parts
    inner = [part for part in parts if part is not type(None)] or [annotation]
    if typing.get_origin(inner[0]) is Literal:
        choices = typing.get_args(inner[0])
        return Option(type(choices[0]), default, choices, optional)
    allowed = [part for part in (float, int, bool, str) if part in inner]
    found = allowed[0] if allowed else type(default)
    if found not in WORDS:
        raise ValueError(f"{where} must have a bool, int, float or str as its type, got {found.__name__}")
    return Option(found, default, (), optional)


def option_value(kind: Kind, name: str, option: str, value: Any) -> Value:
    """Return the value of an option in the type that the signature asks for.

    Raises:
        ValueError: If there is no such option, or the value has another type.
    """
    options = own(kind, name).options
    if option not in options:
        similar = get_close_matches(option, options, 1, 0.6)
        known = f"its options are {', '.join(options)}" if options else "it has no options"
        advice = f"did you mean {similar[0]}?" if similar else known
        raise ValueError(f"{option}: {name} has no such option; {advice}")
    wanted = options[option]
    converted = _converted(wanted.kind, value)
    if converted is None or (wanted.choices and converted not in wanted.choices):
        rule = f"one of {', '.join(map(str, wanted.choices))}" if wanted.choices else WORDS[wanted.kind]
        raise ValueError(f"{option}: must be {rule}, as the signature of {name} says, got {value!r}")
    return converted


def _converted(kind: type[Value], value: Any) -> Value | None:
    """The value in a type; None if it is none of that type. Numbers are taken as texts where a text is wanted."""
    if kind is str:
        return str(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, kind) and type(value) is kind else None
