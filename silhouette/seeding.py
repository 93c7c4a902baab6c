"""Random streams: every use of chance has its own, derived from what it is for, never from what ran before.

Whether a trial is interrupted, follows another in its process, or runs in another order thus cannot matter, and
two arms with the same seed share split, class order, initial weights and batches.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, *indices: int) -> int:
    """A seed in [0, 2^63) for one purpose, as a hash of (seed, purpose, indices).

    >>> derive(0, "split") == derive(0, "split"), derive(0, "split") == derive(0, "batches", 1)
    (True, False)
    """
    text = "/".join(map(str, (seed, purpose, *indices)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(derive(seed, purpose, *indices))


def torch_stream(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """A CPU torch generator for one purpose."""
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, *indices))
