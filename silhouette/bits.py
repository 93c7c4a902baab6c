"""Which test samples a trial classified right, one bit each: how records hold it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]


def pack(right: Bits) -> bytes:
    """Which samples were right, one bit each: 10,000 samples are 1.25 kB. The first sample is the highest bit.

    >>> pack(np.array([True, False, True])).hex()
    'a0'
    """
    return np.packbits(right).tobytes()


def unpack(bits: bytes, samples: int) -> Bits:
    """The samples that were right, shape (samples,).

    Raises:
        ValueError: If the bits are not those of so many samples.
    """
    if len(bits) != math.ceil(samples / 8):
        raise ValueError(f"bits: {samples} samples need {math.ceil(samples / 8)} bytes, got {len(bits)}")
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=samples).astype(bool)


def as_bits(right: Any) -> Bits:
    """What an experiment says of its test samples, as an array of shape (samples,).

    Raises:
        ValueError: If it is no list of booleans (or of 0 and 1) with at least one sample.

    >>> as_bits([True, 0, 1]).tolist()
    [True, False, True]
    """
    found = np.asarray(right)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "biu" or not np.isin(found, (0, 1)).all():
        raise ValueError(f"correct must be one True or False for each test sample, got {right!r:.80}")
    return found.astype(bool)
