"""Which values a search can propose: some need another value beside them, and some can never be had."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from search_spaces import Choice, Interval, factor_named
from silhouette.config import ConfigError, inert_fields, make_config

BESIDE = 2
"""How many other tuned values may be needed beside one."""
TRIES = 500
"""Configs that are built at most to find those; a value for which this is not enough is not called impossible."""


@dataclass(frozen=True)
class Search:
    """What decides whether a value can be proposed; two with the same `text` are equal, so that answers are kept.

    Attributes:
        text: Everything in words.
        start: The config before tuning.
        given: The settings that the study gives; `start` has those without effect set back.
        domains: Where each nuisance factor is searched, by name.
    """

    text: str
    start: BaseModel = field(compare=False)
    given: Mapping[str, Any] = field(compare=False)
    domains: Mapping[str, Choice | Interval] = field(compare=False)

    def fields(self, name: str) -> tuple[str, ...]:
        """The fields that a nuisance factor sets."""
        return factor_named(type(self.start), name).fields

    @property
    def tuned(self) -> frozenset[str]:
        """All fields that are tuned."""
        return frozenset(f for name in self.domains for f in self.fields(name))


@dataclass(frozen=True)
class Reached:
    """Whether a search can propose a value.

    Attributes:
        name: The nuisance factor.
        value: One of its choices, or an end of its interval.
        config: A config with it: that before tuning, with as few other tuned values changed as it needs. None if none
            was found.
        reason: Why there is none: the rule that the value breaks; empty if there is one, or if it is not known.
    """

    name: str
    value: Any
    config: BaseModel | None
    reason: str = ""


def make_search(start: BaseModel, given: Mapping[str, Any], domains: Mapping[str, Choice | Interval]) -> Search:
    """Return what `reached` and `active_fields` take."""
    return Search(repr((type(start), start, dict(given), dict(domains))), start, given, domains)


@lru_cache(maxsize=512)
def reached(search: Search) -> tuple[Reached, ...]:
    """Return each choice and each end of an interval, with a config that has it."""
    return tuple(_reach(search, n, value) for n, domain in search.domains.items() for value in _values_of(domain))


@lru_cache(maxsize=512)
def active_fields(search: Search, options: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the fields that can change the run under some values of the search, two of which may be needed for it.

    Args:
        search: The search.
        options: Dotted options to judge too.
    """
    before, tuned = _active(search.start, options), search.tuned
    found = [(r.config, _active(r.config, options)) for r in reached(search) if r.config is not None]
    active = before.union(*(own for _, own in found))
    for base, own in found:
        if tuned <= active:
            break
        if not own <= before:  # it gave another setting its effect, which may do so once more
            further = reached(make_search(base, search.given, search.domains))
            active = active.union(*(_active(r.config, options) for r in further if r.config is not None))
    return active


def _active(config: BaseModel, options: frozenset[str]) -> frozenset[str]:
    return frozenset(type(config).model_fields.keys() | options) - inert_fields(config, options)


def _values_of(domain: Choice | Interval) -> tuple[Any, ...]:
    return domain.values if isinstance(domain, Choice) else (domain.low, domain.high)


def _reach(search: Search, name: str, value: Any) -> Reached:
    reason, model = "", type(search.start)
    before = {**search.start.model_dump(mode="json"), **_without_effect_yet(search)}
    beside = _beside(search.domains, name)
    for others in itertools.islice(beside, TRIES):
        own = {f: v for n, v in (*others, (name, value)) for f in search.fields(n)}
        try:
            return Reached(name, value, make_config({**before, **own}, model))
        except ConfigError as error:
            reason = reason or str(error)
    return Reached(name, value, None, reason if next(beside, None) is None else "")


def _without_effect_yet(search: Search) -> dict[str, Any]:
    """The given settings that the start has set back, or may have."""
    inert = inert_fields(search.start, search.given)
    return {f: value for f, value in search.given.items() if f not in search.tuned or f in inert}


def _beside(domains: Mapping[str, Choice | Interval], name: str) -> Iterator[tuple[tuple[str, Any], ...]]:
    """Yield values of up to `BESIDE` other factors, fewer first."""
    others = [[(n, value) for value in _values_of(domain)] for n, domain in domains.items() if n != name]
    for count in range(BESIDE + 1):
        for factors in itertools.combinations(others, count):
            yield from itertools.product(*factors)
