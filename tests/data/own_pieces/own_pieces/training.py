"""A training without torch: logistic regression on two Gaussian classes, by gradient descent."""

import math
import random

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    epochs: int = 5
    lr: float = 0.5
    distance: float = 1.0


class Logistic:
    Config = Settings

    def __init__(self, config, seed, *, threads=None):
        self.config, self.epoch, self.status, self.curve, self.weight = config, 0, "running", [], 0.0
        draw = random.Random(seed)
        self.data = [(draw.gauss(y * config.distance, 1), y) for y in (-1, 1) * 200]

    @property
    def done(self):
        return self.status != "running"

    def step(self):
        train = self.data[:200]
        slopes = [x * y / (1 + math.exp(y * x * self.weight)) for x, y in train]
        self.weight += self.config.lr * sum(slopes) / len(train)
        self.epoch += 1
        self.curve.append({"epoch": self.epoch, "val_error": self.error(self.data[200:300])})
        self.status = "complete" if self.epoch == self.config.epochs else "running"
        return self.curve[-1]

    def error(self, data):
        return sum(math.log1p(math.exp(-y * x * self.weight)) for x, y in data) / len(data)

    def result(self, *, test=True):
        found = {"test_error": self.error(self.data[300:])} if test and self.done else {}
        return {"status": self.status, "metrics": found, "curve": self.curve}

    def state_dict(self):
        return {"epoch": self.epoch, "status": self.status, "curve": self.curve, "weight": self.weight}

    def load_state_dict(self, state):
        vars(self).update(state)
