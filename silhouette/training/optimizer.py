"""Optimiser and learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from silhouette.config import TrialConfig

_REFERENCE_BATCH = 256  # at this batch size `lr_scaling` changes nothing
_RISE, _START, _END = 0.3, 25.0, 1e4  # of one-cycle: share of the steps that rise, lr / first, lr / last


def build_optimizer(config: TrialConfig, network: nn.Module, objective: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a trial.

    Biases and normalisation weights are not decayed; nor are proxies and centres, whose learning rate is
    `loss_lr_scale` times that of the network.
    """
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        _group(matrices, config.weight_decay, 1.0),
        _group(vectors, 0.0, 1.0),
        _group(objective.parameters(), 0.0, config.loss_lr_scale),
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=True)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)  # fused: one kernel, on CPU and CUDA alike


def _group(parameters: Iterable[nn.Parameter], decay: float, scale: float) -> dict[str, Any]:
    return {"params": list(parameters), "weight_decay": decay, "lr_scale": scale}


def peak_lr(config: TrialConfig) -> float:
    """Learning rate at the top of the schedule, after `lr_scaling`.

    >>> peak_lr(TrialConfig(lr=0.1, lr_scaling="linear", batch_size=1024))
    0.4
    """
    ratio = config.batch_size / _REFERENCE_BATCH
    return config.lr * {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[config.lr_scaling]


def learning_rate(config: TrialConfig, step: int, per_epoch: int) -> float:
    """Learning rate of a step, counted from 0 over the whole run; a function of its arguments alone.

    >>> [round(learning_rate(TrialConfig(lr=0.1, epochs=4), step, 1), 3) for step in range(4)]
    [0.1, 0.085, 0.05, 0.015]
    """
    peak, total = peak_lr(config), config.epochs * per_epoch
    if config.schedule == "one_cycle":
        rise = max(1, round(_RISE * total))
        if step < rise:
            return _between(peak / _START, peak, step / rise)
        return _between(peak, peak / _END, (step - rise) / max(1, total - rise))
    warmup = round(config.warmup_epochs * per_epoch)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak if config.schedule == "constant" else _between(peak, 0.0, (step - warmup) / (total - warmup))


def _between(start: float, end: float, share: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
