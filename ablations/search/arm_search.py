"""The search inside each arm: Optuna proposes candidates, ASHA stops the worse ones; both use means over seeds.

A search has no state of its own: every proposal and every rung is computed from the candidates so far, and these are
read from the records. A search that was killed therefore continues as if it had not been killed.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ablations.design.tuning import Space, Tuning
from ablations.errors import StudyError
from ablations.search.asha import Rungs
from ablations.search.candidates import Candidate
from search_spaces import Choice, Interval
from silhouette.config import ConfigError, trial_id

if TYPE_CHECKING:
    import optuna

STARTUP = 8
"""Candidates proposed at random before the sampler models them."""
ATTEMPTS = 50
ENUMERABLE = 100_000
DIGITS = 4
"""Significant digits of a proposed number: short to read, and more exact than any effect requires."""


class ArmSearch:
    """The search of one arm.

    Args:
        space: What is tuned.
        tuning: How.
        direction: `max` or `min`, of the validation metric.
        epochs: Full budget of a candidate.
        candidates: Those that the records know.
    """

    def __init__(
        self, space: Space, tuning: Tuning, direction: str, epochs: int, candidates: Iterable[Candidate] = ()
    ) -> None:
        self.space, self.tuning, self.direction, self.epochs = space, tuning, direction, epochs
        self.candidates = {candidate.number: candidate for candidate in candidates}
        for candidate in self.candidates.values():
            self._refill(candidate)

    @cached_property
    def _rungs(self) -> list[Rungs]:
        t = self.tuning
        return [Rungs(self.epochs, t.grace * t.reduction**b, t.reduction, self.direction) for b in range(t.brackets)]

    def _refill(self, candidate: Candidate) -> None:
        for epoch, value in sorted(candidate.means.items()):
            self._rungs[candidate.bracket].keep(candidate.number, epoch, value)
        if candidate.status == "diverged":
            self._mark_divergence(candidate)

    @property
    def left(self) -> int:
        """Candidates still to be proposed."""
        return self.tuning.settings - len(self.candidates)

    @property
    def better(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1

    def propose(self) -> Candidate:
        """Return the next candidate, different from all earlier ones. Call it only while some are `left`.

        Raises:
            StudyError: If no further choice of values makes a valid config.
        """
        number = next(n for n in itertools.count() if n not in self.candidates)
        done = [s for s in self.candidates.values() if s.status != "running"]
        candidate = Candidate(
            number=number,
            values=propose(self.space, self.tuning, self.direction, self._observations(), number),
            known=tuple(sorted(s.number for s in done)),
            bracket=self._bracket(number),
        )
        self.candidates[number] = candidate
        return candidate

    def observe(self, number: int, means: Mapping[int, float]) -> bool:
        """Take the means of one or more epochs; return True if the candidate may continue after the last of them.

        Only the last epoch can stop the candidate. It has passed the earlier ones already.
        """
        candidate, go_on = self.candidates[number], True
        for epoch, value in sorted(means.items()):
            candidate.means[epoch] = value
            if epoch < self.epochs:
                go_on = self._rungs[candidate.bracket].keep(number, epoch, value)
        return go_on

    def end(self, number: int, status: str) -> None:
        """Note how a candidate ended: `complete`, `stopped`, `diverged` or `failed`."""
        self.candidates[number].status = status
        if status == "diverged":
            self._mark_divergence(self.candidates[number])

    def _worst(self, candidates: Iterable[Candidate]) -> float | None:
        """The worst finite value of some candidates; None where there is none."""
        seen = [value for candidate in candidates for value in candidate.means.values()]
        return min(seen, key=lambda value: self.better * value, default=None)

    def _mark_divergence(self, candidate: Candidate) -> None:
        """Count a diverged candidate as the worst on its next rung, or too few candidates would continue there."""
        worst = self._worst([candidate, *(self.candidates[n] for n in candidate.known if n in self.candidates)])
        if worst is not None:
            self._rungs[candidate.bracket].fill(candidate.number, max(candidate.means, default=0), worst)

    def winner(self) -> Candidate | None:
        """Return the best candidate that ran its whole budget, the earliest of equal ones; None without any."""
        complete = [s for s in self.candidates.values() if s.status == "complete"]
        return min(complete, key=lambda s: (-self.better * s.means[self.epochs], s.number), default=None)

    def _bracket(self, number: int) -> int:
        """Draw a bracket from the search seed. As in ASHA, brackets with more rungs come more often."""
        sizes = np.array([len(rungs.epochs) for rungs in self._rungs])
        odds = np.exp(sizes - sizes.max())
        rng = np.random.default_rng([self.tuning.search_seed, number, 1])
        return int(rng.choice(len(sizes), p=odds / odds.sum()))

    def _observations(self) -> Observations:
        """What the sampler gets: each candidate, with the value to assume for a diverged one."""
        worst = self._worst(s for s in self.candidates.values() if s.status != "running")
        return [(s, worst if s.status == "diverged" else None) for _, s in sorted(self.candidates.items())]


Observations = Sequence[tuple[Candidate, float | None]]
"""Candidates, each with the value to assume if it diverged."""


def propose(space: Space, tuning: Tuning, direction: str, earlier: Observations, number: int) -> dict[str, Any]:
    """Return nuisance values that no earlier candidate has. The same arguments give the same values.

    Args:
        space: Where to look.
        tuning: Sampler and search seed.
        direction: `max` or `min`.
        earlier: Earlier candidates in order, with the value to assume for those that diverged.
        number: Place of the new candidate in the order of proposals.
    """
    taken = {None, *(_identity(space, candidate.values) for candidate, _ in earlier)}
    for attempt in range(ATTEMPTS):
        values = _ask(space, tuning, direction, earlier, number, attempt)
        if _identity(space, values) not in taken:
            return values
    return _any_other(space, taken, np.random.default_rng([tuning.search_seed, number, 2]))


def _identity(space: Space, values: Mapping[str, Any]) -> str | None:
    """Identity of a candidate: that of its config; None where the values make no valid config, or another arm."""
    if not space.proposes(values):
        return None
    try:
        return trial_id(space.config(values), 0, "tune")
    except ConfigError:
        return None


def _any_other(space: Space, taken: set[str | None], rng: np.random.Generator) -> dict[str, Any]:
    """Draw from the values of a small space that no candidate has."""
    free = []
    if space.size <= ENUMERABLE:
        grids = [_all_values(domain) for domain in space.domains.values()]
        every = [dict(zip(space.domains, values, strict=True)) for values in itertools.product(*grids)]
        free = [values for values in every if _identity(space, values) not in taken]
    if not free:
        known = len(taken) - 1
        raise StudyError(f"tuning.nuisance: no further candidate is a valid config, after {known}; change the ranges")
    return free[int(rng.integers(len(free)))]


def _all_values(domain: Any) -> Sequence[Any]:
    return domain.values if isinstance(domain, Choice) else range(int(domain.low), int(domain.high) + 1)


def _ask(
    space: Space, tuning: Tuning, direction: str, earlier: Observations, number: int, attempt: int
) -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = to_optuna(space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction=f"{direction}imize", sampler=_sampler(tuning, number, attempt))
        if tuning.sampler == "qmc":  # the sequence counts the trials of its own study and uses no value
            for _ in range(number + attempt * tuning.settings):
                study.tell(study.ask(distributions), 0.0)
        else:
            study.add_trials([t for t in (_as_trial(s, worst, distributions) for s, worst in earlier) if t])
        params = study.ask(distributions).params
    return {name: _readable(params[name], space.domains[name]) for name in space.domains}


def to_optuna(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """Optuna's distributions of a space, by way of Ray's domains."""
    from ray.tune.search.optuna import OptunaSearch

    converted = OptunaSearch.convert_search_space({name: _to_ray(d) for name, d in space.domains.items()})
    return dict(converted)


def _to_ray(domain: Interval | Choice) -> Any:
    """The Ray Tune domain of a factor: `loguniform`, `uniform`, `lograndint`, `randint` or `choice`."""
    from ray import tune

    if isinstance(domain, Choice):
        return tune.choice(list(domain.values))
    if domain.integer:
        draw = tune.lograndint if domain.log else tune.randint
        return draw(int(domain.low), int(domain.high) + 1)  # Ray excludes the upper end
    return (tune.loguniform if domain.log else tune.uniform)(domain.low, domain.high)


def _sampler(tuning: Tuning, number: int, attempt: int) -> optuna.samplers.BaseSampler:
    """A sampler seeded for this one proposal; arms with equal spaces start from equal candidates."""
    from optuna import samplers

    own = np.random.SeedSequence([tuning.search_seed, number, attempt]).generate_state(1)
    seed = int(own[0] >> 1)
    if tuning.sampler == "random":
        return samplers.RandomSampler(seed)
    if tuning.sampler == "qmc":
        return samplers.QMCSampler(scramble=True, seed=tuning.search_seed)
    if tuning.sampler == "gp":  # it uses only candidates that ran to their end, and these are fewer
        return samplers.GPSampler(seed=seed, n_startup_trials=STARTUP // 2, deterministic_objective=False)
    return samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)


def _as_trial(
    candidate: Candidate, worst: float | None, distributions: Mapping[str, Any]
) -> optuna.trial.FrozenTrial | None:
    """A candidate as a trial of Optuna, pruned if it was stopped; None if Optuna can learn nothing from it."""
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.COMPLETE}
    state = states.get(candidate.status, TrialState.RUNNING)
    if candidate.status == "failed" or (candidate.status == "diverged" and worst is None):
        return None
    return create_trial(
        state=state,
        value=worst if candidate.status == "diverged" else candidate.last if state == TrialState.COMPLETE else None,
        params=dict(candidate.values),
        distributions=dict(distributions),
        user_attrs={"number": candidate.number, "diverged": candidate.status == "diverged"},
        intermediate_values=dict(candidate.means),
    )


def _readable(value: Any, domain: Any) -> Any:
    if not isinstance(value, float) or isinstance(domain, Choice):
        return value
    rounded = float(f"{value:.{DIGITS}g}")
    return min(max(rounded, domain.low), domain.high) if math.isfinite(rounded) else value
