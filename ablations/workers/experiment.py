"""What a trial trains: any class that follows the protocol, found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from ablations.design.experiments import TRAINING, load_class
from ablations.errors import StudyError


class Experiment(Protocol):
    """One training run that can stop after any epoch and continue from its state.

    The class is called as `Class(config, seed, threads=threads)`. The same config, seed and thread count must give
    the same values, whether or not the run was interrupted and whatever the process did before.

    Attributes:
        Config: Type of the config, a frozen pydantic model.
        epoch: Epochs done.
        status: `running`, `complete` or `diverged`.
        curve: One dict per epoch done, with keys of the `curve` column of `silhouette.results`.
    """

    Config: ClassVar[type]
    epoch: int
    status: str
    curve: list[dict[str, Any]]

    def __init__(self, config: Any, seed: int, *, threads: int | None = None) -> None: ...

    @property
    def done(self) -> bool:
        """Return True if nothing is left to train."""
        ...

    def step(self) -> dict[str, Any]:
        """Train one epoch and validate; return its row of the curve."""
        ...

    def result(self, *, test: bool = True) -> dict[str, Any]:
        """Return the columns of the record that training decides.

        `metrics` holds numbers of any name. `correct`, one bool for each test sample in an order that all seeds and
        arms share, becomes the columns `correct_bits` and `correct_samples`; `test_pool_sha256` is a digest of them.

        Args:
            test: Whether to read test data; False in the tune phase.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to continue, as plain values or tensors."""
        ...

    def load_state_dict(self, state: Any) -> None:
        """Continue from a state of the same config and seed."""
        ...


class Keeping(Protocol):
    """What an experiment may offer beside its protocol, so that its trials can be measured later.

    `Study(keep="last")` needs `weights`, `keep="embeddings"` needs `embeddings`. `ablate evaluate` on kept weights
    makes the experiment again from config and seed, gives it the weights, and asks for `embeddings`.
    """

    def weights(self) -> Mapping[str, Any]:
        """Return what was learned, as arrays by name."""
        ...

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Take the weights of a complete trial of the same config and seed, as NumPy arrays."""
        ...

    def embeddings(self) -> Mapping[str, Any]:
        """Return what is known of the N test samples.

        Returns:
            `features` (N, F) and `labels` (N,), and if there are such things `embeddings` (N, D) and `indices` (N,) of
            the samples in their data set.
        """
        ...


TOGETHER = "silhouette.training.distributed.training:DistributedTraining"
"""The training of this project in several processes."""
METHODS = {"last": "weights", "embeddings": "embeddings"}
"""The method that a study's `keep` calls."""


def load_experiment(name: str | None) -> type[Experiment]:
    """Return the class that a study names; importing it may take seconds.

    Args:
        name: `module:Class`, importable on this machine; None for the training of this project.

    Raises:
        StudyError: If there is no such class, or it lacks a part of the protocol.
    """
    return load_class(name)


def experiment_for(name: str | None, config: Any) -> type[Experiment]:
    """Return the class that trains a config: as `load_experiment`, or what starts the processes of its `world_size`.

    Args:
        name: As for `load_experiment`.
        config: Config of the trial.

    Raises:
        StudyError: As for `load_experiment`.
    """
    together = name in (None, TRAINING) and config.world_size > 1
    return load_class(TOGETHER) if together else load_experiment(name)


def check_keep(name: str | None, keep: str) -> None:
    """Check, before anything trains, that an experiment can give what the study keeps.

    Args:
        name: As for `load_experiment`.
        keep: `none`, `last` or `embeddings`.

    Raises:
        StudyError: If its class has no such method.
    """
    method = METHODS.get(keep)
    if method and not callable(getattr(load_experiment(name), method, None)):
        raise StudyError(f"keep: {name} must have the method {method}(); add it or remove keep, got {keep!r}")
