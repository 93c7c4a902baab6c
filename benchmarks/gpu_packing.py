"""Several small trials on one device at the same time, each in a process, as `--gpus-per-trial 0.25` runs them.

    python benchmarks/gpu_packing.py DATASET DEVICE AMP SECONDS BATCH     one of the processes, started by `gpu.py`

A process prints `ready` after its warm-up, waits for a line, trains for so many seconds, and prints images per second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

TRIALS, QUICK_TRIALS = (1, 2, 4, 8), (1, 2)


def packing(args: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table: so many trials, their images per second together, and relative to one."""
    rows, one = [], 0.0
    for trials in QUICK_TRIALS if args.quick else TRIALS:
        speed = together(trials, args)
        one = one or speed
        rows.append([str(trials), f"{speed:.0f}", f"{speed / one:.2f}"])
    return rows


def together(trials: int, args: argparse.Namespace) -> float:
    """Return the images per second of so many trials at the same time.

    Raises:
        RuntimeError: If one of them fails.
    """
    side = min(args.data)
    batch = 5 if args.quick else 128
    given = [args.data[side], args.device, args.amp, str(args.seconds), str(batch)]
    command = [sys.executable, __file__, *given]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(trials)
    ]
    try:
        for process in processes:  # all have warmed up before the first is timed
            if process.stdout and process.stdout.readline().strip() != "ready":
                raise RuntimeError("packing: a trial has failed; its message stands above")
        for process in processes:
            if process.stdin:
                process.stdin.write("go\n")
                process.stdin.flush()
        return sum(float(process.stdout.readline()) for process in processes if process.stdout)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def train(dataset: str, device: str, amp: str, seconds: float, batch: int) -> None:
    """Train `small_cnn` for so many seconds, and print its images per second."""
    from silhouette import Training
    from silhouette.config import make_config

    settings = {"dataset": dataset, "transform": "crop_flip", "val_fraction": 0, "epochs": 100_000, "lambda_sil": 0.1}
    settings |= {"optimizer": "sgd", "lr": 1e-3, "schedule": "constant", "amp": amp, "batch_size": batch}
    training = Training(make_config(settings), 0, device=device, threads=1)
    training.step()
    print("ready", flush=True)
    sys.stdin.readline()
    started, images = time.perf_counter(), 0
    while not images or time.perf_counter() - started < seconds:
        training.step()
        images += len(training._split.train) // batch * batch
    print(images / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    train(*sys.argv[1:4], float(sys.argv[4]), int(sys.argv[5]))
