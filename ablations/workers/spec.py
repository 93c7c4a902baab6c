"""The messages between driver and worker: typed, frozen, and small where there is one for each trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ablations.design.arms import Arm, Trial
from ablations.search.candidates import Candidate, CandidateColumns, columns_of
from ablations.state.lock import DriverIdentity
from silhouette.config import Phase
from silhouette.schema import MAX_TEST_BITS

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ArmSpec:
    """What the trials of an arm share.

    Attributes:
        settings: Scientific settings, as the record holds them.
        config: Config of its trials; in the tune phase the one before tuning.
        plugins: Names of a person's own in its config.
    """

    settings: Mapping[str, Any]
    config: Mapping[str, Any]
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunContext:
    """What all trials of a phase share. Ray stores it once on each node, however many trials there are.

    Attributes:
        results: URI of the results.
        study: Name of the study.
        threads: Threads of a trial.
        checkpoint_seconds: Least time between two checkpoints of a seed group.
        experiment: Name of the experiment; None for the training of this project.
        keep: What a complete confirm trial leaves beside its record: `none`, `last` or `embeddings`.
        max_test_bits: Largest test set of which a record says which samples were right.
        git_commit: Commit of the driver's checkout.
        git_dirty: Whether its files differ from that commit.
        driver: What a node of a cluster must see and run; None on the driver's own machine.
        arms: By label.
        metric: Validation metric that the search sees; None in the confirm phase.
        rungs: Epochs after which a worker waits for the decision of the search.
        reports: Test metric that the record of a complete confirm trial must have.
    """

    results: str = field(repr=False)  # may hold the keys of an object store
    study: str
    threads: int = 1
    checkpoint_seconds: float = 30.0
    experiment: str | None = None
    keep: str = "none"
    max_test_bits: int = MAX_TEST_BITS
    git_commit: str | None = None
    git_dirty: bool | None = None
    driver: DriverIdentity | None = None
    arms: Mapping[str, ArmSpec] = field(default_factory=dict)
    metric: str | None = None
    rungs: tuple[int, ...] = ()
    reports: str | None = None


@dataclass(frozen=True)
class TrialSpec:
    """One trial of a seed group."""

    trial_id: str
    seed: int


@dataclass(frozen=True)
class CandidateSpec:
    """A candidate of the tune phase.

    Attributes:
        number: Its place in the order of the arm's proposals.
        config: What it trains.
        columns: The columns of a record that say which candidate of its arm it belongs to.
        plugins: Names of a person's own in its config.
    """

    number: int
    config: Mapping[str, Any]
    columns: CandidateColumns
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeedGroupSpec:
    """Seeds of one config that train in lock-step in one worker. A confirm trial is a group of one.

    Attributes:
        id: Key of its checkpoints: the trial_id of a confirm trial, the candidate's id in the tune phase.
        arm: Label of its arm.
        phase: `tune` or `confirm`.
        trials: One for each seed.
        candidate: What is tried; None in the confirm phase.
    """

    id: str
    arm: str
    phase: Phase
    trials: tuple[TrialSpec, ...]
    candidate: CandidateSpec | None = None

    def config(self, context: RunContext) -> Mapping[str, Any]:
        """Return what its trials train."""
        return self.candidate.config if self.candidate else context.arms[self.arm].config

    def plugins(self, context: RunContext) -> tuple[str, ...]:
        """Return the names of a person's own that its trials use."""
        own = (context.experiment,) if context.experiment else ()
        return (*own, *(self.candidate or context.arms[self.arm]).plugins)


@dataclass(frozen=True)
class Report:
    """What a worker tells the driver after one or more epochs of a seed group.

    Attributes:
        status: `running` until the group has ended, then the worst of its trials.
        rows: New rows of each trial's curve, by trial_id.
        means: Mean of the validation metric over the seeds by epoch; in the tune phase only.
        at_rung: Whether the worker waits for the decision of the search.
        records: The records that were written, without their curves; empty until the group has ended.
        notes: What a person should know of it, one line each.
    """

    status: str
    rows: Mapping[str, Rows] = field(default_factory=dict)
    means: Mapping[int, float] = field(default_factory=dict)
    at_rung: bool = False
    records: Rows = ()
    notes: Sequence[str] = ()

    @property
    def ended(self) -> bool:
        """Whether the group has ended and its records are written."""
        return self.status != "running"


def arm_specs(arms: Iterable[Arm]) -> dict[str, ArmSpec]:
    """What the trials of each arm share, by label."""
    return {
        arm.label: ArmSpec(arm.settings, arm.config.model_dump(mode="json"), getattr(arm.config, "plugins", ()))
        for arm in arms
    }


def confirm_spec(trial: Trial) -> SeedGroupSpec:
    """The seed group of a confirm trial."""
    return SeedGroupSpec(trial.trial_id, trial.arm.label, "confirm", (TrialSpec(trial.trial_id, trial.seed),))


def candidate_spec(
    group_id: str, arm: str, candidate: Candidate, config: BaseModel, trials: Iterable[TrialSpec]
) -> SeedGroupSpec:
    """The seed group of a candidate.

    Args:
        group_id: Its id, as `ablations.design.tuning.candidate_id` makes it.
        arm: Label of its arm.
        candidate: What is tried.
        config: What it trains.
        trials: One for each tuning seed.
    """
    plugins = getattr(config, "plugins", ())
    own = CandidateSpec(candidate.number, config.model_dump(mode="json"), columns_of(candidate), plugins)
    return SeedGroupSpec(group_id, arm, "tune", tuple(trials), own)
