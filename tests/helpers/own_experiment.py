"""An experiment with a config of its own, without torch: descent to a minimum, measured by an error and an energy.

Less of both is better. A study names it with `experiment=DESCENT`.
"""

import hashlib
import os
import random
import time

from pydantic import BaseModel, Field

from tests.helpers.pretend import EPOCH_SECONDS

DESCENT = "tests.helpers.own_experiment:Descent"


class Settings(BaseModel, frozen=True):
    step_size: float = Field(0.1, gt=0, title="η")
    method: str = "plain"
    noise: float = Field(0.05, ge=0, json_schema_extra={"unit": "mm"})
    epochs: int = Field(4, ge=1)


class Descent:
    """`momentum` ends nearer to the minimum than `plain`; the seed draws the start and the noise."""

    Config = Settings

    def __init__(self, config: Settings, seed: int, *, threads: int | None = None):
        self.config, self.seed = config, seed
        self.epoch, self.status, self.curve = 0, "running", []
        self.random = random.Random(seed)
        text = hashlib.sha256(config.method.encode()).hexdigest()
        self.gain = 0.5 if config.method == "momentum" else 0.9
        self.at, self.shift = 1 + self.random.random() / 10, random.Random(text + str(seed)).random() / 100

    @property
    def done(self) -> bool:
        return self.status != "running"

    def step(self) -> dict:
        time.sleep(float(os.environ.get(EPOCH_SECONDS, "0")))
        self.at *= self.gain + self.config.step_size * self.config.noise * self.random.random()
        self.epoch += 1
        self.curve.append({"val_error": self.at + self.shift, "val_energy": 3 + self.at})
        if self.epoch == self.config.epochs:
            self.status = "complete"
        return self.curve[-1]

    def result(self, *, test: bool = True) -> dict:
        measured = {"test_error": self.at + 2 * self.shift, "test_energy": 3 + self.at} if test else {}
        return {"status": self.status, "metrics": measured}

    def state_dict(self) -> dict:
        kind, words, gauss = self.random.getstate()
        return {"epoch": self.epoch, "at": self.at, "curve": self.curve, "random": [kind, list(words), gauss]}

    def load_state_dict(self, state: dict) -> None:
        self.epoch, self.at, self.curve = state["epoch"], state["at"], [dict(row) for row in state["curve"]]
        kind, words, gauss = state["random"]
        self.random.setstate((kind, tuple(words), gauss))


class Silent(Descent):
    """Reports nothing on test data."""

    def result(self, *, test: bool = True) -> dict:
        return {"status": self.status, "metrics": {"test_other": 1.0}}


class Mute(Descent):
    """Its rows lack what a search needs."""

    def step(self) -> dict:
        super().step()
        self.curve[-1] = {"val_energy": 3.0}
        return self.curve[-1]


class Finished(Descent):
    """Ends with a status that is not known."""

    def step(self) -> dict:
        row = super().step()
        self.status = "finished" if self.status == "complete" else self.status
        return row


class Endless(Descent):
    """Goes on after its last epoch."""

    def step(self) -> dict:
        row = super().step()
        self.status = "running"
        return row


class Undone(Descent):
    """Says that it is done, and that it runs."""

    done = True


class Thief(Descent):
    """Writes over who it is."""

    def result(self, *, test: bool = True) -> dict:
        return {**super().result(test=test), "trial_id": "f" * 16}


class Classifier(Descent):
    """Says of each of 40 test samples whether it is right; the share of these is its accuracy."""

    SAMPLES = 40

    def result(self, *, test: bool = True) -> dict:
        chance = random.Random(f"{self.seed} {self.config.method}")
        right = [chance.random() < (0.6 if self.config.method == "plain" else 0.9) for _ in range(self.SAMPLES)]
        found = {"correct": right, "test_pool_sha256": "a" * 64}
        return {"status": self.status, "metrics": {"test_accuracy": sum(right) / len(right)} if test else {}, **found}


class Mistaken(Classifier):
    """Gives probabilities where it should say which samples are right."""

    def result(self, *, test: bool = True) -> dict:
        return {**super().result(test=test), "correct": [0.2, 0.9]}
