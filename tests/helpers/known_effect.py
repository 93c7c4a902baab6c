"""An experiment without torch whose arms differ by known amounts, for studies that run seeds until it is decided.

A study names it with `experiment=KNOWN_EFFECT`.
"""

import json
import os
import random
import time
from pathlib import Path

from pydantic import BaseModel, Field

KNOWN_EFFECT = "tests.helpers.known_effect:KnownEffect"
SLOW_SEED = "KNOWN_EFFECT_SLOW_SEED"
"""Environment variable: `seed:seconds`; the trials of that seed in the slow arm take so long."""
DIVERGE_AT = "KNOWN_EFFECT_DIVERGE_AT"
"""Environment variable: `gain:seed`; that trial diverges."""
FAIL_AT = "KNOWN_EFFECT_FAIL_AT"
"""Environment variable: `gain:seed`; that trial raises a RuntimeError."""
TRACE_FILE = "KNOWN_EFFECT_TRACE_FILE"
"""Environment variable: a file to which each trial appends a line of JSON when it ends: `gain`, `seed`."""


class Settings(BaseModel, frozen=True):
    gain: float = Field(0.0, title="gain")
    stream: int = 0
    slow: bool = False
    epochs: int = Field(1, ge=1)


class KnownEffect:
    """The score is what the seed gives all arms, plus the gain of the arm, plus noise of SD 1 between its arms."""

    Config = Settings

    def __init__(self, config: Settings, seed: int, *, threads: int | None = None):
        self.config, self.seed = config, seed
        self.epoch, self.status, self.curve = 0, "running", []

    @property
    def done(self) -> bool:
        return self.status != "running"

    def step(self) -> dict:
        place = f"{self.config.gain:g}:{self.seed}"
        if os.environ.get(FAIL_AT) == place:
            raise RuntimeError("told to fail")
        slow_seed, _, seconds = os.environ.get(SLOW_SEED, "").partition(":")
        if self.config.slow and slow_seed == str(self.seed):
            time.sleep(float(seconds))
        self.epoch += 1
        self.curve.append({"val_score": self._score()})
        self.status = "complete" if self.epoch == self.config.epochs else "running"
        if os.environ.get(DIVERGE_AT) == place:
            self.status = "diverged"
        if self.done and TRACE_FILE in os.environ:
            with Path(os.environ[TRACE_FILE]).open("a") as file:
                file.write(json.dumps({"gain": self.config.gain, "seed": self.seed}) + "\n")
        return self.curve[-1]

    def _score(self) -> float:
        shared = random.Random(f"{self.config.stream} {self.seed}").gauss(50, 5)
        own = random.Random(f"{self.config.stream} {self.seed} {self.config.gain} {self.config.slow}")
        return shared + self.config.gain + own.gauss(0, 0.5**0.5)

    def result(self, *, test: bool = True) -> dict:
        return {"status": self.status, "metrics": {"test_score": self._score()} if test else {}}

    def state_dict(self) -> dict:
        return {"epoch": self.epoch, "curve": self.curve}

    def load_state_dict(self, state: dict) -> None:
        self.epoch, self.curve = state["epoch"], [dict(row) for row in state["curve"]]
