"""A training of your own: a linear classifier of scikit-learn on handwritten digits. my_experiment.py asks about it."""

import numpy as np
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier


class Settings(BaseModel, frozen=True):  # what a study can vary: its fields, with their defaults and ranges
    penalty: str = Field("l2", pattern="l1|l2|elasticnet")
    alpha: float = Field(1e-4, gt=0, title="α")
    epochs: int = Field(10, ge=1)


class Digits:
    Config = Settings
    done = property(lambda self: self.status != "running")

    def __init__(self, config, seed, *, threads=1):
        self.config, self.seed = config, seed
        self.epoch, self.status, self.curve = 0, "running", []
        images, self.y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(self.y))  # the test samples are the same for every seed
        self.test, rest = order[:500], np.random.default_rng(seed).permutation(order[500:])
        self.x, self.val, self.train = images / 16, rest[:300], rest[300:]  # the seed draws them, and their order
        self.model = SGDClassifier(loss="log_loss", penalty=config.penalty, alpha=config.alpha, random_state=seed)

    def step(self):  # one epoch: returns its row of the curve
        batch = np.random.default_rng((self.seed, self.epoch)).permutation(self.train)
        self.model.partial_fit(self.x[batch], self.y[batch], classes=np.unique(self.y))
        self.epoch += 1
        self.curve.append({"epoch": self.epoch, "val_error": self.error(self.val)})
        self.status = "complete" if self.epoch == self.config.epochs else "running"
        return self.curve[-1]

    def error(self, samples):  # share of wrong answers, in [0, 1]
        return float(np.mean(self.model.predict(self.x[samples]) != self.y[samples]))

    def result(self, *, test=True):  # test data are read here alone, and only if they may be
        return {"status": self.status, "metrics": {"test_error": self.error(self.test)} if test else {}}

    def state_dict(self):  # plain values or tensors: all that is needed to continue
        fitted = {name: getattr(self.model, name).tolist() for name in ("coef_", "intercept_")} if self.epoch else {}
        return {"epoch": self.epoch, "curve": self.curve, "fitted": fitted, "t": getattr(self.model, "t_", 1.0)}

    def load_state_dict(self, state):
        self.epoch, self.curve = state["epoch"], list(state["curve"])
        if self.epoch:
            self.model.partial_fit(self.x[:100], self.y[:100], classes=np.unique(self.y))  # makes the arrays
            self.model.coef_[...], self.model.intercept_[...] = state["fitted"]["coef_"], state["fitted"]["intercept_"]
            self.model.t_ = state["t"]
