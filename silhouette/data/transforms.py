"""Augmentation of training batches: uint8 tensors on any device.

Every random number is a hash of (seed, epoch, view, index of the image, number of the draw). An augmentation
therefore depends on nothing else: not on its batch, on workers, on interruptions, nor on the state of a generator.
Images with the same operation are computed together, so a batch needs a few dozen operations.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from silhouette.config import TrialConfig
from silhouette.data.feed import to_device
from silhouette.data.operations import OPERATIONS, SIGNED
from silhouette.seeding import derive

Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of its channels
_RAND_OPERATIONS, _RAND_MAGNITUDE = 2, 9  # of RandAugment, the defaults of torchvision


def image_keys(seed: int, epoch: int, view: int, indices: NDArray[np.int64]) -> Keys:
    """Return (B,) keys, one for each image: SplitMix64 of its index, from a base by seed, epoch and view.

    >>> len(set(image_keys(0, 0, 0, np.arange(100)).tolist()))
    100
    """
    base = np.uint64(derive(seed, "augment", epoch, view))
    with np.errstate(over="ignore"):
        return _mix(base + indices.astype(np.uint64) * _GOLDEN)


def uniform(keys: Keys, draw: int) -> NDArray[np.float64]:
    """Return (B,) numbers in [0, 1), the draw-th of each key."""
    with np.errstate(over="ignore"):
        bits = _mix(keys + np.uint64(draw + 1) * _GOLDEN) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def _mix(x: Keys) -> Keys:
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is intended
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def augment(config: TrialConfig, images: Tensor, keys: Keys) -> Tensor:
    """Return an augmented copy of a batch.

    Args:
        config: `transform` and, for the policy of `autoaugment`, `dataset` matter.
        images: (B, C, H, W) uint8.
        keys: (B,) from `image_keys`.
    """
    if config.transform == "none":
        return images
    images = crop_flip(images, keys)
    if config.transform == "autoaugment":
        return _auto_augment(images, keys, policy_name(config.dataset))
    if config.transform == "randaugment":
        return _rand_augment(images, keys)
    return images


def to_input(config: TrialConfig, images: Tensor) -> Tensor:
    """Return images (B, C, H, W) uint8 as input of the network: floats in [-1, 1], or scaled as for ImageNet weights.

    No statistic of the data is used, so none of the test data can be.
    """
    if not config.pretrained:
        x = images.float() / 127.5 - 1
    else:
        mean, deviation = _imagenet(images.shape[1], images.device)
        x = (images.float() / 255 - mean) / deviation
    return x.contiguous(memory_format=torch.channels_last) if config.channels_last else x


@lru_cache
def _imagenet(channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, (1, C, 1, 1); kept, since making them waits for a GPU."""
    statistics = torch.tensor(_IMAGENET, dtype=torch.float32, device=device)[:, None, :, None, None]
    mean, deviation = statistics if channels == 3 else statistics.mean(2, keepdim=True)
    return mean, deviation


def crop_flip(images: Tensor, keys: Keys) -> Tensor:
    """Shift images by up to an eighth of their side, filled with zeros, and mirror half of them."""
    count, _, height, width = images.shape
    pad = max(1, height // 8)
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    drawn = [(uniform(keys, draw) * (2 * pad + 1)).astype(np.int64) for draw in (0, 1)]
    down, right, mirrored = to_device(np.stack([*drawn, uniform(keys, 2) < 0.5]), images.device)[:, :, None]
    column = torch.arange(width, device=images.device)
    rows = down + torch.arange(height, device=images.device)
    columns = right + torch.where(mirrored > 0, width - 1 - column, column)
    sample = torch.arange(count, device=images.device)[:, None, None]
    chosen = padded[sample, :, rows[:, :, None], columns[:, None, :]]
    return chosen.permute(0, 3, 1, 2).contiguous()


def policy_name(dataset: str) -> str:
    """Return the name of the AutoAugment policy of a dataset: found on it, or on the most similar dataset.

    >>> policy_name("mnist"), policy_name("cifar100")
    ('svhn', 'cifar10')
    """
    if dataset in ("digits", "mnist", "fashion_mnist", "kmnist", "svhn"):
        return "svhn"
    return "cifar10" if dataset in ("cifar10", "cifar100", "synthetic") else "imagenet"


@lru_cache
def _policies(name: str) -> Any:
    """Return 25 pairs of (operation, probability, magnitude number or None) of Cubuk et al. (2019)."""
    from torchvision.transforms import AutoAugment, AutoAugmentPolicy

    return AutoAugment(AutoAugmentPolicy(name)).policies


def _auto_augment(images: Tensor, keys: Keys, policy: str) -> Tensor:
    policies = _policies(policy)
    chosen = (uniform(keys, 3) * len(policies)).astype(np.int64)
    for stage in (0, 1):
        probability = np.array([pair[stage][1] for pair in policies])[chosen]
        applies = uniform(keys, 4 + 2 * stage) < probability
        negative = uniform(keys, 5 + 2 * stage) < 0.5
        plans = [
            (policies[c][stage][0], policies[c][stage][2], bool(minus)) if on else None
            for c, on, minus in zip(chosen, applies, negative, strict=True)
        ]
        images = _apply_plans(images, plans, bins=10)
    return images


def _rand_augment(images: Tensor, keys: Keys) -> Tensor:
    for stage in range(_RAND_OPERATIONS):
        chosen = (uniform(keys, 3 + 2 * stage) * (len(OPERATIONS) - 1)).astype(np.int64)
        names = [name for name in ("Identity", *OPERATIONS) if name not in ("Invert",)]
        negative = uniform(keys, 4 + 2 * stage) < 0.5
        plans = [
            None if names[c] == "Identity" else (names[c], _RAND_MAGNITUDE, bool(minus))
            for c, minus in zip(chosen, negative, strict=True)
        ]
        images = _apply_plans(images, plans, bins=31)
    return images


def _apply_plans(images: Tensor, plans: list[Any], bins: int) -> Tensor:
    """Apply (operation, magnitude number, negative) to each image; None leaves it unchanged."""
    groups: dict[Any, list[int]] = {}
    for index, plan in enumerate(plans):
        if plan is not None:
            groups.setdefault(plan, []).append(index)
    out = images.clone()
    for (name, number, negative), members in groups.items():
        where = to_device(np.array(members), images.device)
        magnitude = _magnitude(name, number, bins, images.shape[-1])
        signed = -magnitude if negative and name in SIGNED else magnitude
        out[where] = OPERATIONS[name](images[where], signed)
    return out


def _magnitude(name: str, number: int | None, bins: int, width: int) -> float:
    """Return the strength of an operation at one of `bins` levels (Cubuk et al. 2019, as in torchvision)."""
    if number is None:
        return 0.0
    level = number / (bins - 1)
    if name == "Posterize":
        return 8 - round(4 * level)
    scales = {"Translate": 150 / 331 * width, "Shear": 0.3, "Rotate": 30.0, "Solarize": -255.0}
    scale = next((s for prefix, s in scales.items() if name.startswith(prefix)), 0.9)
    return 255 + scale * level if name == "Solarize" else scale * level
