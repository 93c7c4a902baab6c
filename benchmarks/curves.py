"""Record full learning curves of many settings and seeds once, so that searches can be replayed in seconds.

Command:  nice python benchmarks/curves.py
Cost:     360 trials of 27 epochs on part of the digits, about 20 minutes on one core; resumes where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ablations.design.arms import Arm
from ablations.design.tuning import Space, Tuning, make_space
from ablations.search.arm_search import propose
from search_spaces import Choice, Interval
from silhouette.config import make_config
from silhouette.training.run import Training

DATA = Path(__file__).parent / "data" / "digits_curves.parquet"
SETTINGS, SEEDS, EPOCHS = 60, 6, 27
FIXED = {"dataset": "digits", "epochs": EPOCHS, "width": 4, "train_fraction": 0.4, "lambda_sil": 0.1}
NUISANCE = {
    "lr": Interval(3e-4, 1e-1, log=True),
    "batch_size": Choice((32, 64, 128)),
    "lambda_sil": Interval(1e-2, 2.0, log=True),
    "tau": Interval(1e-2, 1.0, log=True),
}
COLUMNS = pa.schema(
    [
        ("setting", pa.int16()),
        ("values", pa.dictionary(pa.int16(), pa.string())),
        ("seed", pa.int16()),
        ("epoch", pa.int16()),
        ("val_top1", pa.float32()),
        ("test_top1", pa.float32()),  # measured once, after the last epoch; null before
    ]
)


def make_settings(count: int) -> tuple[Space, list[dict]]:
    """Return a Sobol sequence over the space; it is the same on every machine."""
    tuning = Tuning(nuisance=NUISANCE, settings=max(count, 2), sampler="qmc")
    space = make_space(tuning, Arm("CE+Sil", {}, make_config(FIXED), "all", baseline=True))
    return space, [propose(space, tuning, "max", [], number) for number in range(count)]


def train(space: Space, setting: int, values: dict, seed: int) -> Iterator[dict]:
    """Yield the rows of one trial; a diverged trial ends early."""
    training = Training(space.config(values), seed, threads=1)
    while not training.done:
        training.step()
    tested = training.result()["test_top1"]
    for row in training.curve:
        test = tested if row["epoch"] == training.config.epochs else None
        shared = {"setting": setting, "values": json.dumps(values), "seed": seed}
        yield {**shared, "epoch": row["epoch"], "val_top1": row["val_top1"], "test_top1": test}


def record(target: Path, settings: int, seeds: int) -> int:
    """Train the trials that `target` lacks, and save after each setting; return the number of trials in it."""
    space, every = make_settings(settings)
    rows = pq.read_table(target).to_pylist() if target.exists() else []
    done = {(row["setting"], row["seed"]) for row in rows}
    for setting, values in enumerate(every):
        todo = [seed for seed in range(seeds) if (setting, seed) not in done]
        for seed in todo:
            rows += train(space, setting, values, seed)
        if todo:
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, COLUMNS), target, compression="zstd")
            print(f"{setting + 1}/{settings} settings", flush=True)
    return len({(row["setting"], row["seed"]) for row in rows})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=SETTINGS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--target", type=Path, default=DATA)
    given = parser.parse_args()
    print(f"{record(given.target, given.settings, given.seeds)} trials in {given.target}")
