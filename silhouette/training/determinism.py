"""The state of a process that decides the bits of a run: generators, deterministic kernels, precision, threads."""

from __future__ import annotations

import os
import random
import sys

import numpy as np
import torch


def reset(seed: int, threads: int) -> None:
    """Put everything global that training depends on into a known state.

    Args:
        seed: Seed of Python's, NumPy's and torch's global generators, in [0, 2^63).
        threads: Threads that a torch operation may use; the order of sums depends on it.

    >>> reset(0, threads=1)
    >>> first = torch.rand(3)
    >>> reset(0, threads=1)
    >>> torch.equal(first, torch.rand(3)), torch.are_deterministic_algorithms_enabled()
    (True, True)
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries may draw from the global generator
    torch.manual_seed(seed)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    _use_deterministic_kernels()
    torch.set_float32_matmul_precision("highest")
    torch.set_default_dtype(torch.float32)


def _use_deterministic_kernels() -> None:
    """Choose deterministic kernels where they exist; warn where an operation has none."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may add in any order
    if "torch._inductor" in sys.modules:  # the compiler has a flag of its own, which this call sets too
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:  # the same without the import of the compiler, which takes 2 s
        torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # costs time
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
