"""The search inside each arm: Optuna proposes settings, ASHA stops the worse ones, both on means over seeds.

A search keeps no state of its own: every proposal and every rung follows from the settings so far, and these follow
from the records. A search that was killed is therefore the same search, and there is nothing to restore.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ablations.design.tuning import Space, Tuning
from ablations.errors import StudyError
from ablations.search.asha import Rungs
from search_spaces import Choice
from silhouette.config import ConfigError, trial_id

if TYPE_CHECKING:
    import optuna

STARTUP = 8
"""Settings proposed at random before a model of them is worth anything."""
ATTEMPTS = 50
ENUMERABLE = 100_000
DIGITS = 4
"""Significant digits of a proposed number: what people can read, and finer than any effect."""


@dataclass
class Setting:
    """One choice of the nuisance values in one arm.

    Attributes:
        number: Its place in the order of the arm's proposals, from 0.
        values: Nuisance values by name.
        known: Numbers of the settings whose outcome was known when this one was proposed.
        bracket: Its ASHA bracket.
        status: `running` until it ends, then that of its records.
        means: Mean validation value over the seeds after each epoch.
    """

    number: int
    values: Mapping[str, Any]
    known: tuple[int, ...] = ()
    bracket: int = 0
    status: str = "running"
    means: dict[int, float] = field(default_factory=dict)

    @property
    def last(self) -> float | None:
        """The value after its last epoch."""
        return self.means[max(self.means)] if self.means else None


class ArmSearch:
    """The search of one arm.

    Args:
        space: What is tuned.
        tuning: How.
        direction: `max` or `min`, of the validation metric.
        epochs: Full budget of a setting.
        settings: Those that the records know.
    """

    def __init__(
        self, space: Space, tuning: Tuning, direction: str, epochs: int, settings: Iterable[Setting] = ()
    ) -> None:
        self.space, self.tuning, self.direction, self.epochs = space, tuning, direction, epochs
        self.settings = {setting.number: setting for setting in settings}
        for setting in self.settings.values():
            self._refill(setting)

    @cached_property
    def _rungs(self) -> list[Rungs]:
        t = self.tuning
        return [Rungs(self.epochs, t.grace * t.reduction**b, t.reduction, self.direction) for b in range(t.brackets)]

    def _refill(self, setting: Setting) -> None:
        for epoch, value in sorted(setting.means.items()):
            self._rungs[setting.bracket].keep(setting.number, epoch, value)
        if setting.status == "diverged":
            self._mark_divergence(setting)

    @property
    def left(self) -> int:
        """Settings still to be proposed."""
        return self.tuning.settings - len(self.settings)

    @property
    def better(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1

    def propose(self) -> Setting:
        """The next setting, none of the earlier ones; only while some are `left`.

        Raises:
            StudyError: If no further choice of values makes a valid config.
        """
        number = next(n for n in itertools.count() if n not in self.settings)
        done = [s for s in self.settings.values() if s.status != "running"]
        setting = Setting(
            number=number,
            values=propose(self.space, self.tuning, self.direction, self._told(), number),
            known=tuple(sorted(s.number for s in done)),
            bracket=self._bracket(number),
        )
        self.settings[number] = setting
        return setting

    def observe(self, number: int, means: Mapping[int, float]) -> bool:
        """Take the means of one or more epochs; whether the setting may go on after the last of them.

        Only the last one can stop it: the earlier ones have been survived, before an interruption or a rung.
        """
        setting, go_on = self.settings[number], True
        for epoch, value in sorted(means.items()):
            setting.means[epoch] = value
            if epoch < self.epochs:
                go_on = self._rungs[setting.bracket].keep(number, epoch, value)
        return go_on

    def end(self, number: int, status: str) -> None:
        """Say how a setting ended: `complete`, `stopped`, `diverged` or `failed`."""
        self.settings[number].status = status
        if status == "diverged":
            self._mark_divergence(self.settings[number])

    def _worst(self, settings: Iterable[Setting]) -> float | None:
        """The worst finite value of some settings; None where there is none."""
        seen = [value for setting in settings for value in setting.means.values()]
        return min(seen, key=lambda value: self.better * value, default=None)

    def _mark_divergence(self, setting: Setting) -> None:
        """A diverged setting counts as the worst on its next rung, or survivors would look rarer than they are."""
        worst = self._worst([setting, *(self.settings[n] for n in setting.known if n in self.settings)])
        if worst is not None:
            self._rungs[setting.bracket].fill(setting.number, max(setting.means, default=0), worst)

    def winner(self) -> Setting | None:
        """The best of the settings that ran their whole budget; the earlier one of equals; None without any."""
        complete = [s for s in self.settings.values() if s.status == "complete"]
        return min(complete, key=lambda s: (-self.better * s.means[self.epochs], s.number), default=None)

    def _bracket(self, number: int) -> int:
        """Drawn as ASHA draws it (brackets with more rungs more often), from the search seed."""
        sizes = np.array([len(rungs.epochs) for rungs in self._rungs])
        odds = np.exp(sizes - sizes.max())
        rng = np.random.default_rng([self.tuning.search_seed, number, 1])
        return int(rng.choice(len(sizes), p=odds / odds.sum()))

    def _told(self) -> list[tuple[Setting, float | None]]:
        """What a sampler is told: each setting, and the value of a diverged one."""
        worst = self._worst(s for s in self.settings.values() if s.status != "running")
        return [(s, worst if s.status == "diverged" else None) for _, s in sorted(self.settings.items())]


Told = Sequence[tuple[Setting, float | None]]


def propose(space: Space, tuning: Tuning, direction: str, told: Told, number: int) -> dict[str, Any]:
    """Nuisance values that no earlier setting has: the same ones whenever the arguments are the same.

    Args:
        space: Where to look.
        tuning: Sampler and search seed.
        direction: `max` or `min`.
        told: Earlier settings in order, with the value to assume for those that diverged.
        number: Place of the new setting in the order of proposals.
    """
    taken = {None, *(_identity(space, setting.values) for setting, _ in told)}
    for attempt in range(ATTEMPTS):
        values = _ask(space, tuning, direction, told, number, attempt)
        if _identity(space, values) not in taken:
            return values
    return _any_other(space, taken, np.random.default_rng([tuning.search_seed, number, 2]))


def _identity(space: Space, values: Mapping[str, Any]) -> str | None:
    """What tells settings apart: the config they give; None where they give none (K does not divide the batch)."""
    try:
        return trial_id(space.config(values), 0, "tune")
    except ConfigError:
        return None


def _any_other(space: Space, taken: set[str | None], rng: np.random.Generator) -> dict[str, Any]:
    """A small space is nearly used up: draw from what is left of it."""
    free = []
    if space.size <= ENUMERABLE:
        grids = [_all_values(domain) for domain in space.domains.values()]
        every = [dict(zip(space.domains, values, strict=True)) for values in itertools.product(*grids)]
        free = [values for values in every if _identity(space, values) not in taken]
    if not free:
        known = len(taken) - 1
        raise StudyError(f"tuning.nuisance: no further setting makes a valid config, after {known}; change the ranges")
    return free[int(rng.integers(len(free)))]


def _all_values(domain: Any) -> Sequence[Any]:
    return domain.values if isinstance(domain, Choice) else range(int(domain.low), int(domain.high) + 1)


def _ask(space: Space, tuning: Tuning, direction: str, told: Told, number: int, attempt: int) -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = to_optuna(space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction=f"{direction}imize", sampler=_sampler(tuning, number, attempt))
        if tuning.sampler == "qmc":  # the sequence counts the trials of its own study and looks at no value
            for _ in range(number + attempt * tuning.settings):
                study.tell(study.ask(distributions), 0.0)
        else:
            study.add_trials([t for t in (_as_trial(s, worst, distributions) for s, worst in told) if t])
        params = study.ask(distributions).params
    return {name: _readable(params[name], space.domains[name]) for name in space.domains}


def to_optuna(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """Optuna's distributions of a space, by way of Ray's domains."""
    from ray.tune.search.optuna import OptunaSearch

    from ablations.search.domains import to_ray

    converted = OptunaSearch.convert_search_space({name: to_ray(d) for name, d in space.domains.items()})
    return dict(converted)


def _sampler(tuning: Tuning, number: int, attempt: int) -> optuna.samplers.BaseSampler:
    """A sampler seeded for this one proposal; arms with equal spaces start from equal settings."""
    from optuna import samplers

    own = np.random.SeedSequence([tuning.search_seed, number, attempt]).generate_state(1)
    seed = int(own[0] >> 1)
    if tuning.sampler == "random":
        return samplers.RandomSampler(seed)
    if tuning.sampler == "qmc":
        return samplers.QMCSampler(scramble=True, seed=tuning.search_seed)
    if tuning.sampler == "gp":  # it learns from settings that ran to their end only, and these are fewer
        return samplers.GPSampler(seed=seed, n_startup_trials=STARTUP // 2, deterministic_objective=False)
    return samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)


def _as_trial(
    setting: Setting, worst: float | None, distributions: Mapping[str, Any]
) -> optuna.trial.FrozenTrial | None:
    """A setting as Optuna knows it: stopped is pruned, never complete; None if there is nothing to learn from it."""
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.COMPLETE}
    state = states.get(setting.status, TrialState.RUNNING)
    if setting.status == "failed" or (setting.status == "diverged" and worst is None):
        return None
    return create_trial(
        state=state,
        value=worst if setting.status == "diverged" else setting.last if state == TrialState.COMPLETE else None,
        params=dict(setting.values),
        distributions=dict(distributions),
        user_attrs={"number": setting.number, "diverged": setting.status == "diverged"},
        intermediate_values=dict(setting.means),
    )


def _readable(value: Any, domain: Any) -> Any:
    if not isinstance(value, float) or isinstance(domain, Choice):
        return value
    rounded = float(f"{value:.{DIGITS}g}")
    return min(max(rounded, domain.low), domain.high) if math.isfinite(rounded) else value
