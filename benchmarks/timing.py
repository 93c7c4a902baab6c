"""Timing and printing that the benchmarks share."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch


def arguments(description: str | None, *flags: str) -> argparse.Namespace:
    """Return the options of a benchmark, with further ones that are on or off; set the number of threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    for flag in flags:
        parser.add_argument(f"--{flag}", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def interleave(runs: Mapping[str, Callable[[], None]], repeats: int, device: str = "cpu") -> dict[str, list[float]]:
    """Return the seconds of each run; the runs take turns, after one turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.perf_counter() - started)
    return times


def ratio(times: Mapping[str, Sequence[float]], name: str, to: str) -> float:
    """Return the median over the turns of the ratio of one run's time to another's in the same turn."""
    return statistics.median(mine / other for mine, other in zip(times[name], times[to], strict=True))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)
