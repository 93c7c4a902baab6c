"""Random streams: each use of random numbers has its own, derived from the seed and its purpose alone.

What ran before in the process, an interruption, or the order of trials therefore changes nothing. Two arms with the
same seed share split, class order, initial weights and batches.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, *indices: int) -> int:
    """Return a seed in [0, 2^63) for one purpose: a hash of (seed, purpose, indices).

    >>> derive(0, "split") == derive(0, "split"), derive(0, "split") == derive(0, "batches", 1)
    (True, False)
    """
    text = "/".join(map(str, (seed, purpose, *indices)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose.

    >>> first, again = numpy_stream(0, "split"), numpy_stream(0, "split")
    >>> first.integers(100, size=3).tolist() == again.integers(100, size=3).tolist()
    True
    """
    return np.random.default_rng(derive(seed, purpose, *indices))


def torch_stream(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """Return a torch generator on the CPU for one purpose; this imports torch.

    >>> torch_stream(0, "corruption", 1).initial_seed() == derive(0, "corruption", 1)
    True
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, *indices))
