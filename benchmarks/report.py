"""Time and memory of a complete report on a large study: 100,000 records over 200 arms.

    python benchmarks/report.py [--arms 200] [--seeds 500] [--results DIR]

Writes a synthetic study with compacted records, like a finished one, and runs the report in a process of its own.
Prints one line of JSON with the seconds and the peak memory of that process. Goal: less than 30 s and less than 2 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from silhouette.results import SCHEMA, Store

STUDY = "benchmark"


def plan(arms: int, seeds: int) -> dict:
    """Return a study of two conditions; in each, all arms are compared with one baseline."""
    half = arms // 2
    blocks = ("none", "long_tail")
    made = [
        {
            "arm": f"λ={i / half:.3f} {block}",
            "settings": {"lambda_sil": i / half, "imbalance": block},
            "block": block,
            "baseline": i == 0,
            "config": {"lambda_sil": i / half, "imbalance": block, "dataset": "digits"},
        }
        for block in blocks
        for i in range(half)
    ]
    families = [
        {
            "family": block,
            "role": "exploratory",
            "correction": "bh",
            "baseline": made[k * half]["arm"],
            "treatments": [a["arm"] for a in made[k * half + 1 : (k + 1) * half]],
        }
        for k, block in enumerate(blocks)
    ]
    values = [i / half for i in range(half)]
    return {
        "schema_version": 1, "study": STUDY, "question": "How long does a report take?", "plan_hash": "0" * 16,
        "metric": "test_top1", "direction": "max", "sesoi": 0.002, "alpha": 0.05, "seeds": list(range(seeds)),
        "phase": "confirm", "arms": made, "families": families, "fixed": {}, "provenance": {},
        "factors": [{"field": "lambda_sil", "label": "λ", "values": values, "default": 0.1, "log": False}],
    }  # fmt: skip


def write_study(results: str, arms: int, seeds: int) -> None:
    """Write the plan of the study and its compacted records, with counts for each class."""
    store = Store(results, STUDY)
    study = plan(arms, seeds)
    store.write_json(study, "study.json")
    rng = np.random.default_rng(0)
    rows = [_row(arm, seed, i * seeds + seed, rng) for i, arm in enumerate(study["arms"]) for seed in range(seeds)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink, compression="zstd")
    store.write_bytes(bytes(sink.getvalue()), "records.parquet")


def _row(arm: dict, seed: int, index: int, rng: np.random.Generator) -> dict:
    value = 0.9 - 0.02 * arm["settings"]["lambda_sil"] + 0.005 * rng.normal()
    return {
        "schema_version": 1, "trial_id": f"{index:016x}", "study": STUDY, "phase": "confirm", "arm": arm["arm"],
        "settings": json.dumps(arm["settings"]), "config": json.dumps(arm["config"]), "seed": seed,
        "status": "complete", "epochs_planned": 30, "epochs_reached": 30, "val_top1": value, "test_top1": value,
        "test_macro_top1": value, "class_train": [100] * 10, "class_correct": [40] * 10, "class_total": [45] * 10,
        "singleton_share": 0.01, "classes_per_batch": 9.9, "seconds": 3.0, "device": "cpu", "threads": 1,
        "versions": "{}", "git_commit": "0" * 40, "git_dirty": False,
    }  # fmt: skip


def measure(results: str) -> dict:
    """Return the seconds and the peak memory of one report in a new process."""
    code = f"from analysis.report.write import write_report; print(write_report({results!r}, {STUDY!r}))"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    return {"seconds": round(seconds, 1), "peak_gib": round(peak, 2)}


def main() -> None:
    """Write the study, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--results", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = args.results or folder
        write_study(results, args.arms, args.seeds)
        found = measure(results)
        size = sum(p.stat().st_size for p in Path(results, STUDY, "report").rglob("*") if p.is_file())
        print(
            json.dumps(
                {"records": args.arms * args.seeds, "arms": args.arms, **found, "report_mib": round(size / 2**20, 1)}
            )
        )


if __name__ == "__main__":
    main()
