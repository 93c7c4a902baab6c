"""The optimiser of a run and its learning rate."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import nn

from silhouette.config import TrialConfig
from silhouette.training.objectives import Objective

_REFERENCE_BATCH = 256  # at this batch size `lr_scaling` changes nothing
_RISE, _START, _END = 0.3, 25.0, 1e4  # of one-cycle: share of the steps that rise, lr / first, lr / last


_Kind = TypeVar("_Kind", bound=torch.optim.Optimizer)


def without_compiler(kind: type[_Kind]) -> type[_Kind]:
    """Return the same optimiser without the wrappers that import `torch._dynamo`, which takes 2 s.

    torch wraps five methods of an optimiser so that its compiler leaves them alone, and the wrappers import the
    compiler at their first call. Here no optimiser is compiled, so the wrapped functions are called directly.

    >>> without_compiler(torch.optim.SGD)([nn.Parameter(torch.ones(1))], lr=0.1).defaults["lr"]
    0.1
    """
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    plain: type[_Kind] = type(kind.__name__, (kind,), methods)
    return plain


def build_optimizer(config: TrialConfig, network: nn.Module, objective: Objective) -> torch.optim.Optimizer:
    """Return the optimiser of a trial.

    Biases and normalisation weights are not decayed unless `decay_all` says so. Nor are proxies and centres; their
    learning rate is `loss_lr_scale` times that of the network.

    Args:
        config: `optimizer`, `lr`, `momentum`, `nesterov`, `weight_decay`, `decay_all` and `loss_lr_scale` matter.
        network: Its parameters form the first two groups: matrices, and vectors. Layers of a term belong to them.
        objective: Its proxies and centres form the third group.
    """
    layers = [*network.parameters(), *objective.parameters_of("layers")]
    matrices = [p for p in layers if p.dim() > 1]
    vectors = [p for p in layers if p.dim() <= 1]
    groups = [
        _group(matrices, config.weight_decay, 1.0),
        _group(vectors, config.weight_decay if config.decay_all else 0.0, 1.0),
        _group(objective.parameters_of("proxies"), 0.0, config.loss_lr_scale),
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        sgd, nesterov = without_compiler(torch.optim.SGD), config.nesterov and config.momentum > 0
        return sgd(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=True)
    # fused: one kernel for all parameters, on CPU and CUDA alike
    return without_compiler(torch.optim.AdamW)(groups, lr=config.lr, fused=True)


def _group(parameters: Iterable[nn.Parameter], decay: float, scale: float) -> dict[str, Any]:
    return {"params": list(parameters), "weight_decay": decay, "lr_scale": scale}


def peak_lr(config: TrialConfig) -> float:
    """Return the highest learning rate of the schedule, after `lr_scaling`.

    >>> peak_lr(TrialConfig(lr=0.1, lr_scaling="linear", batch_size=1024))
    0.4
    """
    ratio = config.batch_size / _REFERENCE_BATCH
    return config.lr * {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[config.lr_scaling]


def learning_rate(config: TrialConfig, step: int, per_epoch: int) -> float:
    """Return the learning rate of one step; it depends on the arguments alone.

    Args:
        config: `lr`, `lr_scaling`, `schedule` and its fields, `warmup_epochs` and `epochs` matter.
        step: Number of the step, from 0 over the whole run.
        per_epoch: Steps of an epoch.

    >>> [round(learning_rate(TrialConfig(lr=0.1, epochs=4), step, 1), 3) for step in range(4)]
    [0.1, 0.085, 0.05, 0.015]
    """
    peak, total = peak_lr(config), config.epochs * per_epoch
    if config.schedule == "one_cycle":
        rise = max(1, round(_RISE * total))
        if step < rise:
            return _half_cosine(peak / _START, peak, step / rise)
        return _half_cosine(peak, peak / _END, (step - rise) / max(1, total - rise))
    if config.schedule == "multistep":
        return peak * multistep(config, step // per_epoch)
    warmup = round(config.warmup_epochs * per_epoch)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak if config.schedule == "constant" else _half_cosine(peak, 0.0, (step - warmup) / (total - warmup))


def multistep(config: TrialConfig, epoch: int) -> float:
    """Return the learning rate of an epoch, over the highest one, as Cao et al. (2019) change it: once an epoch.

    It rises in a line over the warm-up, and each milestone that is behind multiplies it by `lr_factor`.

    Args:
        config: `warmup_epochs`, `milestones` and `lr_factor` matter.
        epoch: Number of the epoch, from 0.

    >>> config = TrialConfig(schedule="multistep", milestones=(6, 8), warmup_epochs=5, epochs=10)
    >>> [round(multistep(config, epoch), 6) for epoch in range(10)]
    [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.01, 0.01, 0.0001, 0.0001]
    """
    rise = min(1.0, (epoch + 1) / config.warmup_epochs) if config.warmup_epochs else 1.0
    return float(rise * config.lr_factor ** sum(epoch >= milestone for milestone in config.milestones))


def _half_cosine(start: float, end: float, share: float) -> float:
    """Return the value at `share` in [0, 1] of the way from start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
