"""Way (c) of `throughput.py`: trials on Ray Tune as its documentation shows them, logged by Ray's own callback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def trainable(config: dict[str, Any]) -> None:
    """Train one trial and report each epoch: a function trainable."""
    from ray import tune

    from silhouette.config import make_config
    from silhouette.training.run import Training

    number = config["number"]
    settings = {"dataset": "digits", "epochs": 30, "lambda_sil": 0.2 * (number % 2)}
    training = Training(make_config(settings), number // 2, threads=1)
    while not training.done:
        row = training.step()
        tune.report({"val_top1": row["val_top1"], "val_loss": row["val_loss"], "train_loss": row["train_loss"]})


def main() -> None:
    """Run the number of trials that the command line gives."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    folder = Path.cwd()
    logger = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="rival")
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(int(sys.argv[1]))))},
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), callbacks=[logger], verbose=0),
    )
    results = tuner.fit()
    if results.errors:
        raise results.errors[0]


if __name__ == "__main__":
    main()
