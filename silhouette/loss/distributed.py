"""Join the batches of all data-parallel processes, with gradient.

A silhouette depends on the whole batch, so the mean of the losses of single processes is another quantity. With
`SoftSilhouetteLoss(gather=True)` every process computes the loss of the joint batch. The gradient goes back to the
process that holds the sample. There it is the true gradient times the number of processes, and
`DistributedDataParallel` divides by that number when it averages gradients over processes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def gather_batch(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings (ΣB, D) and labels (ΣB,) of all processes, in the order of their ranks.

    The processes may hold batches of different sizes. Without an initialised process group, or in a group of
    one process, the arguments are returned as they are.

    Args:
        embeddings: (B, D) of this process.
        labels: (B,) of this process.

    >>> gather_batch(torch.zeros(2, 3), torch.tensor([0, 1]))[1]
    tensor([0, 1])
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return embeddings, labels
    sizes = _sizes(embeddings)
    return _Gather.apply(embeddings, sizes), _collect(labels.long(), sizes)


def _sizes(rows: Tensor) -> list[int]:
    """Return the number of rows of each process."""
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    return [int(size) for size in sizes]


def _collect(rows: Tensor, sizes: list[int]) -> Tensor:
    """Return the rows of all processes; they are padded for `all_gather`, which needs equal shapes."""
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """`_collect` with gradient: the sum over processes of their gradients for the rows of this one."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        return _collect(rows.contiguous(), sizes)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous()
        dist.all_reduce(total)
        rank = dist.get_rank()
        start = sum(ctx.sizes[:rank])
        return total[start : start + ctx.sizes[rank]], None
