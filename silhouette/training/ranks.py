"""The part of one process in a training that several processes share: `Ranks`.

The processes train copies of one network with `DistributedDataParallel`. Each takes its part of every batch through
its copy. The outputs of all parts are then joined, and every process computes the objective of the whole batch. So each
term sees all pairs of samples, as in one process. A process sends the gradient of its own part alone back through its
copy, times the number of processes, since `DistributedDataParallel` divides by that number when it averages.

Batch normalisation uses the part of the process, and evaluation the running statistics of process 0, as is usual with
`DistributedDataParallel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from silhouette.config import TrialConfig
from silhouette.errors import InputError
from silhouette.registry import term_entry
from silhouette.seeding import derive
from silhouette.training.encoders import Network, Output

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is. With one process every method returns its argument.

    Attributes:
        rank: From 0.
        size: Number of processes, the `world_size` of the config.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True for the process that evaluates."""
        return self.rank == 0

    def check(self, config: TrialConfig) -> None:
        """Check that a config trains in as many processes as there are.

        Raises:
            RuntimeError: If it does not.
        """
        if config.world_size != self.size:
            detail = f"trains in {config.world_size} processes, not in {self.size}"
            raise RuntimeError(f"the config {detail}; use silhouette.training.distributed.DistributedTraining")

    def part(self, batch: Indices) -> Indices:
        """Return the samples of a batch that this process takes; its size must be a multiple of that of the group.

        >>> Ranks(1, 2).part(np.arange(6))
        array([3, 4, 5])
        """
        length = len(batch) // self.size
        return batch[self.rank * length : (self.rank + 1) * length]

    def wrapped(self, forward: nn.Module, objective: nn.Module) -> nn.Module:
        """Return what computes the outputs of the network and averages its gradients.

        It is made again for each epoch, which gives all processes the state of process 0. Gradients are averaged in
        groups whose limits `DistributedDataParallel` moves after its first step. A resumed run has the same groups as
        one that was not interrupted, since both begin an epoch so.
        """
        if self.size == 1:
            return forward
        import torch.distributed as dist
        from torch.nn.parallel import DistributedDataParallel

        for value in (*objective.parameters(), *objective.buffers()):
            own = value.detach()
            dist.broadcast(own.view(torch.uint8) if own.dtype == torch.bool else own, 0)  # gloo has no booleans
        device = next(forward.parameters()).device
        return DistributedDataParallel(forward, device_ids=[device] if device.type == "cuda" else None)

    def seed_forward(self, seed: int, epoch: int, step: int) -> None:
        """Seed the generators that dropout draws from, differently in each process."""
        if self.size > 1:
            torch.manual_seed(derive(seed, "forward", epoch, step, self.rank))

    def seed_objective(self, seed: int, epoch: int, step: int) -> None:
        """Seed the generators that terms draw from, alike in all processes."""
        if self.size > 1:
            torch.manual_seed(derive(seed, "terms", epoch, step))

    def joined(self, output: Output, views: int) -> Output:
        """Return the embeddings and logits of the whole batch, with gradient for the part of this process.

        The features, which no term takes, stay those of this process.

        Args:
            output: Of the (views · b) images of this process, the second views after all first views.
            views: Views of each image.
        """
        if self.size == 1:
            return output
        width = output.embedding.shape[1]
        both = _Join.apply(torch.cat([output.embedding, output.logits.to(output.embedding)], 1), self, views)
        return output._replace(embedding=both[:, :width], logits=both[:, width:])


ALONE = Ranks()
"""A training in one process."""


def check_parts(config: TrialConfig, samples: int) -> None:
    """Check that every process gets the same number of samples of each batch.

    Args:
        config: `world_size` and `batch_size` matter.
        samples: Training samples; fewer than `batch_size` make one batch.

    Raises:
        InputError: If it does not.
    """
    length = min(config.batch_size, samples)
    if length % config.world_size:
        detail = f"must divide the {length} samples of a batch, all the training samples there are"
        raise InputError(f"world_size: {detail}; give a smaller batch_size, got {config.world_size}")


def freeze_unused(network: Network, config: TrialConfig) -> None:
    """Keep parameters that the objective never reaches out of `DistributedDataParallel`, which would wait for them.

    In one process they get no gradient either, so that the optimiser leaves them alone.
    """
    inputs = {kind for name in config.terms for kind in term_entry(name).input}
    if config.lambda_sil == 0 and "embeddings" not in inputs:
        network.head.requires_grad_(False)
    if "logits" not in inputs:
        for name, parameter in network.classifier.named_parameters():
            parameter.requires_grad_("class weights" in inputs and name == "weight" and parameter.requires_grad)


class _Join(torch.autograd.Function):
    """The rows (n, ·) of all processes, the second views after all first views, as in one process."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: Ranks, views: int) -> Tensor:
        import torch.distributed as dist

        ctx.ranks, ctx.views = ranks, views
        parts = [torch.empty_like(rows) for _ in range(ranks.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat([part.chunk(views)[view] for view in range(views) for part in parts])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        ranks = ctx.ranks
        mine = [view.chunk(ranks.size)[ranks.rank] for view in grads[0].chunk(ctx.views)]
        return torch.cat(mine) * ranks.size, None, None
