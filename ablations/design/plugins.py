"""What a study can use of a person's own, under any value of its search, and checks of it before trials run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel

from ablations.design.arms import Arm
from ablations.design.tuning import Domain, Tuning, make_space
from search_spaces import Choice, factor_named
from silhouette.config import TrialConfig, parse_value, parts_in
from silhouette.errors import InputError
from silhouette.registry import Part, own


def own_names(arms: Iterable[Arm], tuning: Tuning | None) -> tuple[str, ...]:
    """Return the names of a person's own in every config that trials of the arms can have. Nothing is imported.

    Args:
        arms: The arms before tuning.
        tuning: The search in every arm.
    """
    found = ((arm, make_space(tuning, arm).domains if tuning else {}) for arm in arms)
    return tuple(dict.fromkeys(part.name for arm, domains in found for part in _parts(arm, domains)))


def check_imports(arms: Iterable[Arm], tuning: Tuning | None) -> None:
    """Import what trials can use of a person's own. A choice that cannot be imported would else only be left out.

    Raises:
        silhouette.errors.InputError: One line for the first fault.
    """
    for arm in arms:
        domains = {name: tuning.domain(name, type(arm.config)) for name in tuning.nuisance} if tuning else {}
        for part in _parts(arm, domains):
            try:
                own(part.kind, part.name)
            except ValueError as error:
                raise InputError(f"{part.field}: {error}") from None


def check_own_code(arms: Sequence[Arm], tuning: Tuning | None, *, here: bool) -> None:
    """Call what trials can use of a person's own, once for each different setting of it.

    Of a search these are all choices, and both ends of each interval.

    Args:
        arms: The arms before tuning.
        tuning: The search in every arm.
        here: Whether this machine trains, so that the data of an own data set must be on it.

    Raises:
        silhouette.errors.InputError: One line for the first fault.
    """
    check_imports(arms, tuning)
    seen = set()
    for arm in arms:
        for config in _configs(arm, tuning):
            if not isinstance(config, TrialConfig) or not config.plugins:
                continue
            data = (config.dataset, config.size, config.classes)
            what = (config.plugins, config.options, data, config.embedding_dim)
            if what not in seen:
                from silhouette.training.plugin_checks import check_plugins  # it imports torch, which few plans need

                check_plugins(config, here=here)
                seen.add(what)


def _configs(arm: Arm, tuning: Tuning | None) -> Iterator[BaseModel]:
    yield arm.config
    space = make_space(tuning, arm) if tuning else None
    if space and any(_parts(arm, space.domains)):
        yield from space.reached


def _parts(arm: Arm, domains: Mapping[str, Domain]) -> Iterator[Part]:
    """What is a person's own in an arm before tuning and in the choices of its search."""
    if not isinstance(arm.config, TrialConfig):
        return
    yield from parts_in(arm.config)
    for name, domain in domains.items():
        fields = [field for field in factor_named(TrialConfig, name).fields if field in TrialConfig.model_fields]
        for value in domain.values if isinstance(domain, Choice) else ():
            yield from parts_in(arm.config.model_copy(update={f: parse_value(f, value) for f in fields}))
