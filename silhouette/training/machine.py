"""What a run uses of its machine: the default device and thread count, and the peak memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch


def default_device() -> str:
    """Return `cuda` if a GPU is available, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_threads() -> int:
    """Return OMP_NUM_THREADS, or the number of CPUs that this process may use where it is not set."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    return int(os.environ.get("OMP_NUM_THREADS") or usable)


def reset_peak_memory(device: torch.device) -> None:
    """Set the counter that `peak_memory` reads back to the memory held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):  # not every kernel lets a process do this
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes held since the last reset; None where that is unknown.

    Args:
        device: On a GPU, what torch allocated there; else the resident memory of this process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    lines = (line.split() for line in status.splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == "VmHWM:"), None)
