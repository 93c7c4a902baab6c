"""Trials per second of `ablate run`, against a plain loop, joblib, and Ray Tune as its documentation shows it.

    python benchmarks/throughput.py --trials 100 --rival-trials 40

All four train the same digits trials on two cores, start-up included (the loop has none). The rivals may run fewer
trials, which is enough to measure their pace; each line says how many. "of ideal" is the share of two-core speed, that
is twice the speed of the plain loop on one core. The machine must be otherwise idle.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {"dataset": "digits", "epochs": 30}
STUDY = """
from ablations import Study
STUDY = Study(
    question="How fast do trials run?",
    factors={{"lambda_sil": (0.0, 0.2)}},
    fixed={settings!r},
    baseline={{"lambda_sil": 0.0}},
    seeds=range({seeds}),
)
"""


def train(number: int, epochs: int = SETTINGS["epochs"]) -> float:
    """Run one trial, the same in every rival: CE and CE + silhouette in turn, one seed for each pair."""
    from silhouette.config import make_config
    from silhouette.training.run import Training

    training = Training(
        make_config({**SETTINGS, "epochs": epochs, "lambda_sil": 0.2 * (number % 2)}), number // 2, threads=1
    )
    while not training.done:
        training.step()
    return float(training.result()["test_top1"])


def plain_loop(trials: int) -> None:
    """(a) Run one trial after the other in this process."""
    for number in range(trials):
        train(number)


def with_joblib(trials: int) -> None:
    """(b) Run the trials in two processes of joblib."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=2)(delayed(train)(number) for number in range(trials))


def tune_as_documented(trials: int) -> None:
    """(c) Run a function trainable that reports each epoch, with Ray's MLflowLoggerCallback."""
    script = Path(__file__).with_name("rival_tune.py")
    with tempfile.TemporaryDirectory() as folder:
        _quietly([sys.executable, str(script), str(trials)], folder)


def ours(trials: int) -> None:
    """(d) Run `ablate run` with its MLflow mirror."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pace.py").write_text(STUDY.format(settings=SETTINGS, seeds=trials // 2))
        _quietly([sys.executable, "-m", "ablations", "run", "pace.py"], folder)


def _quietly(command: list[str], folder: str) -> None:
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])


def seconds(run: Callable[[int], None], trials: int) -> float:
    """Return the wall time per trial."""
    start = time.perf_counter()
    run(trials)
    return (time.perf_counter() - start) / trials


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100, help="trials of `ablate run`, an even number")
    parser.add_argument("--rival-trials", type=int, default=40, help="trials of each rival")
    given = parser.parse_args()
    train(0)  # imports and data, which are not part of the loop's time
    rivals = [("(a) plain loop", plain_loop), ("(b) joblib, 2 processes", with_joblib)]
    rivals.append(("(c) Tune as documented + MLflowLoggerCallback", tune_as_documented))
    paces = {name: (seconds(run, given.rival_trials), given.rival_trials) for name, run in rivals}
    paces["(d) ablate run, mirror on"] = (seconds(ours, given.trials), given.trials)
    alone, tuned = paces["(a) plain loop"][0], paces["(c) Tune as documented + MLflowLoggerCallback"][0]
    print(f"{'':46s} {'trials':>6s} {'s/trial':>8s} {'of ideal':>9s} {'× (c)':>6s}")
    for name, (pace, trials) in paces.items():
        print(f"{name:46s} {trials:6d} {pace:8.2f} {alone / 2 / pace:9.2f} {tuned / pace:6.1f}")


if __name__ == "__main__":
    main()
