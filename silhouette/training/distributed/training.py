"""`DistributedTraining`: the training of a trial whose config has a `world_size` above 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from silhouette.config import TrialConfig
from silhouette.errors import InputError
from silhouette.training import machine
from silhouette.training.distributed.messages import arrays
from silhouette.training.distributed.team import Team

Array = NDArray[Any]


class DistributedTraining:
    """As `silhouette.training.run.Training`, but in `world_size` processes, which it starts on this machine.

    On GPUs each process takes one, and they talk by NCCL; on a CPU they talk by gloo. Samples, their order and their
    augmentation are those of one process. Process 0 evaluates and has the state. The same config, seed, machine, device
    and thread count give the same bits, also when a run is resumed. When a process is lost, the call raises and all
    processes end: a new object continues from `state_dict`.

    Args:
        config: What to train; `world_size` processes train it.
        seed: In [0, 2^31).
        device: `cpu` for processes on the CPU; by default one GPU for each process if there are GPUs.
        threads: Threads of a torch operation in each process; by default OMP_NUM_THREADS, or this process's share of
            the usable CPUs.

    Attributes:
        epoch: Epochs done.
        status: `running`, `complete` or `diverged`.
        error: Why it diverged, else None.
        curve: As of `Training`.

    Raises:
        InputError: If there are fewer GPUs than processes, or the config does not fit its data.
        silhouette.training.distributed.team.LostProcess: If a process does not start.

    >>> training = DistributedTraining(TrialConfig(epochs=1, width=4, world_size=2), seed=0, device="cpu", threads=1)
    >>> row = training.step()
    >>> training.done, row["epoch"], training.result()["status"]
    (True, 1, 'complete')
    >>> training.close()
    """

    Config: ClassVar[type] = TrialConfig

    def __init__(
        self, config: TrialConfig, seed: int, *, device: str | None = None, threads: int | None = None
    ) -> None:
        size = config.world_size
        threads = threads or max(1, machine.default_threads() // size)
        self.config, self.seed = config, seed
        self.epoch, self.status = 0, "running"
        self.error: str | None = None
        self.curve: list[dict[str, Any]] = []
        about = {"config": config.model_dump(mode="json"), "seed": seed, "threads": threads, "size": size}
        devices = _devices(size, device)
        self._team = Team([{**about, "rank": rank, "device": devices[rank]} for rank in range(size)])

    @property
    def done(self) -> bool:
        """True if the trial is complete or diverged."""
        return self.status != "running"

    @property
    def pids(self) -> list[int]:
        """Process ids, by rank."""
        return self._team.pids

    def close(self) -> None:
        """End the processes; this object can do no more. It also happens when the object is deleted."""
        self._team.close()

    def step(self) -> dict[str, Any]:
        """Train one epoch and validate; returns as `Training.step`.

        Raises:
            RuntimeError: If the trial has ended, or a process failed or was lost.
            torch.OutOfMemoryError: If a GPU has no memory left.
        """
        if self.done:
            raise RuntimeError(f"the trial is {self.status} after epoch {self.epoch}; there is no next step")
        told = self._of_all("step", None)
        if told["epoch"] > self.epoch:
            self.curve.append(told["row"])
        self._take(told)
        return dict(told["row"])

    def result(self, *, test: bool = True) -> dict[str, Any]:
        """Return the columns of the record that training decides; `peak_memory` is that of process 0."""
        return dict(self._of_first("result", test))

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to resume, as `Training.state_dict`, with tensors on the CPU."""
        return dict(self._of_first("state", None))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state of the same trial.

        Raises:
            RuntimeError: If the state belongs to another config or seed.
        """
        told = self._of_all("load", dict(state))
        self.curve = told["curve"]
        self._take(told)

    def weights(self) -> dict[str, Array]:
        """Return the parameters and buffers of the network by name."""
        return arrays(self._of_first("weights", None))

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Put weights of a trial of the same config into the network, so that `embeddings` describes it."""
        self._of_all("load_weights", {name: np.asarray(value) for name, value in weights.items()})

    def embeddings(self) -> dict[str, Array]:
        """Return the outputs of the network on the test samples; see `Training.embeddings`."""
        return arrays(self._of_first("embeddings", None))

    def _take(self, told: Mapping[str, Any]) -> None:
        self.epoch, self.status, self.error = told["epoch"], told["status"], told["error"]

    def _of_all(self, name: str, argument: Any) -> Any:
        return self._team.call(name, [argument] * self.config.world_size)[0]

    def _of_first(self, name: str, argument: Any) -> Any:
        return self._team.call(name, [argument])[0]


def _devices(size: int, device: str | None) -> list[str]:
    """Return the device of each process."""
    if device is not None or not torch.cuda.is_available():
        return [device or "cpu"] * size
    if torch.cuda.device_count() < size:
        found = torch.cuda.device_count()
        raise InputError(
            f"world_size: each process needs a GPU of its own, and there are {found} here; "
            f"give --gpus-per-trial {size}, or 0 for the CPU, got {size}"
        )
    return [f"cuda:{rank}" for rank in range(size)]
