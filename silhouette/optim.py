"""Optimiser and learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from silhouette.config import TrialConfig


def build_optimizer(config: TrialConfig, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
    """AdamW over all parameters; biases and normalisation weights are not decayed."""
    parameters = [p for module in modules for p in module.parameters()]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)  # one kernel, on CPU and CUDA alike


def learning_rate(config: TrialConfig, progress: float) -> float:
    """Learning rate after a share `progress` in [0, 1] of all steps: half a cosine from `lr` to 0.

    >>> learning_rate(TrialConfig(lr=0.1), 0.5)
    0.05
    """
    return config.lr * (1 + math.cos(math.pi * progress)) / 2
