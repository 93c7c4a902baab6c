"""An experiment without torch, for tests of the engine: gradient descent on four numbers, in microseconds an epoch.

A study names it with `experiment=PRETEND`. A process that runs it in another folder needs `ENVIRONMENT`, since Python
must find the package `tests` there.
"""

import hashlib
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np

from ablations.workers import records
from silhouette.config import TrialConfig

PRETEND = "tests.helpers.pretend:Pretend"
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2])}
EPOCH_SECONDS = "PRETEND_EPOCH_SECONDS"
"""Environment variable: how long each epoch waits, so that a fault can be placed in the middle of a trial."""
SLOW_FILE = "PRETEND_SLOW_FILE"
"""Environment variable: a file; if it is named, epochs wait only for as long as it exists."""
HOLD_FILE = "PRETEND_HOLD_FILE"
"""Environment variable: a file; while it exists, no epoch ends. A trial that waits writes `held` beside it."""
TRACE_FILE = "PRETEND_TRACE_FILE"
"""Environment variable: a file to which every epoch appends a line of JSON: `config`, `seed`, `epoch`, `pid`."""
FAIL_AT = "PRETEND_FAIL_AT"
"""Environment variable: the epoch before which every trial raises a RuntimeError."""
NO_PAUSES = "PRETEND_NO_PAUSES"
"""Environment variable: if it is set, a worker that cannot write a record tries again at once."""
DIVERGED = 1e3
CLASSES, PER_CLASS = 10, 100

if NO_PAUSES in os.environ:
    records.PAUSES = (0.0, 0.0)


class Pretend:
    """Descends from a start that the seed draws to a minimum that the config draws. A learning rate above 1 diverges.

    The same config and seed give the same numbers. Each epoch draws noise from a generator that is part of the state,
    so a state that is restored inexactly shows in every later epoch.
    """

    Config = TrialConfig

    def __init__(self, config: TrialConfig, seed: int, *, threads: int | None = None):
        self.config, self.seed, self.threads = config, seed, threads or 1
        self.epoch, self.status, self.error = 0, "running", None
        self.curve = []
        self.noise = random.Random(seed)
        self.point = [self.noise.gauss(0, 1) for _ in range(4)]
        text = json.dumps(config.model_dump(mode="json", exclude={"lr", "epochs"}), sort_keys=True)
        minimum = random.Random(hashlib.sha256(text.encode()).hexdigest())
        self.minimum = [minimum.gauss(0, 1) for _ in range(4)]

    @property
    def done(self) -> bool:
        return self.status != "running"

    def step(self) -> dict:
        if self.done:
            raise RuntimeError(f"the trial is {self.status} after epoch {self.epoch}; there is no next step")
        if self.epoch + 1 == int(os.environ.get(FAIL_AT, "0")):
            raise RuntimeError(f"told to fail at epoch {self.epoch + 1}")
        self._trace()
        time.sleep(self._seconds())
        self._hold()
        pairs = zip(self.point, self.minimum, strict=True)
        self.point = [w - self.config.lr * (2 * (w - m) + self.noise.gauss(0, 0.1)) for w, m in pairs]
        row = self._row()
        if row["train_loss"] > DIVERGED:
            self.status, self.error = "diverged", f"epoch {self.epoch + 1}: loss is {row['train_loss']:g}"
            return row
        self.curve.append(row)
        self.epoch += 1
        if self.epoch == self.config.epochs:
            self.status = "complete"
        return dict(row)

    def _seconds(self) -> float:
        fast = SLOW_FILE in os.environ and not Path(os.environ[SLOW_FILE]).exists()
        return 0.0 if fast else float(os.environ.get(EPOCH_SECONDS, "0"))

    def _hold(self) -> None:
        while HOLD_FILE in os.environ and (hold := Path(os.environ[HOLD_FILE])).exists():
            hold.with_name("held").touch()
            time.sleep(0.02)

    def _trace(self) -> None:
        if TRACE_FILE in os.environ:
            line = {"config": self.config.model_dump_json(), "seed": self.seed, "epoch": self.epoch + 1}
            with open(os.environ[TRACE_FILE], "a") as file:
                file.write(json.dumps({**line, "pid": os.getpid()}) + "\n")

    def _row(self) -> dict:
        loss = sum((w - m) ** 2 for w, m in zip(self.point, self.minimum, strict=True))
        accuracy = 1 / (1 + math.sqrt(loss))
        return {
            "epoch": self.epoch + 1,
            "lr": self.config.lr,
            "train_loss": loss,
            "val_loss": 1.1 * loss,
            "val_top1": accuracy,
            "val_macro_top1": accuracy,
            "seconds": 0.001,
        }

    def result(self, *, test: bool = True) -> dict:
        last = self.curve[-1] if self.curve and self.status != "diverged" else {}
        return {
            "status": self.status,
            "error": self.error,
            "epochs_planned": self.config.epochs,
            "epochs_reached": self.epoch,
            **{name: last.get(name) for name in ("val_top1", "val_macro_top1", "val_loss")},
            **(self._test(last) if test and self.status == "complete" else {}),
            "class_train": [PER_CLASS] * CLASSES,
            "curve": [dict(row) for row in self.curve],
            "device": "cpu",
            "threads": self.threads,
        }

    def _test(self, last: dict) -> dict:
        correct = [round(PER_CLASS * last["val_top1"]) + c % 2 for c in range(CLASSES)]
        accuracy = sum(correct) / (PER_CLASS * CLASSES)
        return {
            "test_top1": accuracy,
            "test_macro_top1": accuracy,
            "test_loss": 1.2 * last["train_loss"],
            "test_silhouette": accuracy / 2,
            "class_correct": correct,
            "class_total": [PER_CLASS] * CLASSES,
        }

    def weights(self) -> dict:
        return {"weights": np.array(self.point)}

    def load_weights(self, weights: dict) -> None:
        self.point = weights["weights"].tolist()

    def embeddings(self) -> dict:
        """Samples that lie around their class, one direction a class, at a distance that the training decides."""
        labels = np.repeat(np.arange(4), 5)
        noise = np.random.default_rng(self.seed).normal(size=(20, 4))
        features = noise + np.diag(self.point)[labels]
        return {"features": features.astype(np.float32), "labels": labels}

    def state_dict(self) -> dict:
        kind, words, gauss = self.noise.getstate()
        own = {name: getattr(self, name) for name in ("seed", "epoch", "status", "error", "point")}
        return {**own, "curve": [dict(row) for row in self.curve], "noise": [kind, list(words), gauss]}

    def load_state_dict(self, state: dict) -> None:
        if state["seed"] != self.seed:
            raise ValueError(f"checkpoint: its seed is not this trial's, got {state['seed']!r}")
        for name in ("epoch", "status", "error", "point"):
            setattr(self, name, state[name])
        self.curve = [dict(row) for row in state["curve"]]
        kind, words, gauss = state["noise"]
        self.noise.setstate((kind, tuple(words), gauss))
