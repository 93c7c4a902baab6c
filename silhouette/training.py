"""One training run: `Training(config, seed)`, a plain PyTorch loop that can stop and go on at any epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from silhouette import evaluation, metrics, optim, process
from silhouette.config import TrialConfig
from silhouette.datasets import load, make_split
from silhouette.encoders import build
from silhouette.objectives import Losses, Objective
from silhouette.sampling import Composition, composition, epoch_batches
from silhouette.streams import derive


class Divergence(Exception):
    """A loss, gradient or output that is no finite number; ends the trial, not the study."""


class Training:
    """One trial. The same config, seed, machine, device and thread count give the same bits.

    Every random stream is derived from the seed and its purpose, and the constructor and every step put the
    process into a known state; so neither earlier trials, nor trials in turns with this one, nor an
    interruption change anything. That state is global: generators, deterministic kernels, thread count.

    Args:
        config: What to train.
        seed: In [0, 2^31); fixes split, class order, initial weights, batches and augmentation.
        device: A torch device; a GPU if there is one, by default.
        threads: Threads of a torch operation; OMP_NUM_THREADS or all usable CPUs by default.

    Attributes:
        epoch: Epochs done.
        status: `running`, `complete` or `diverged`.
        error: Why it diverged, else None.
        curve: One dict per epoch done, with the keys of the `curve` column of `silhouette.results`.
    """

    def __init__(
        self, config: TrialConfig, seed: int, *, device: str | None = None, threads: int | None = None
    ) -> None:
        self.config, self.seed = config, seed
        self.device = torch.device(device or process.default_device())
        self.threads = threads or process.default_threads()
        self.epoch = 0
        self.status = "running"
        self.error: str | None = None
        self.curve: list[dict[str, Any]] = []
        self._tested: dict[str, Any] | None = None
        self._prepare_data()
        self._build()

    def _prepare_data(self) -> None:
        self._data = load(self.config.dataset)
        self._split = make_split(self.config, self._data.labels, self.seed)
        self._labels = self._data.labels[self._split.train]
        self._train = self._tensors("train")
        self._val = self._tensors("val")

    def _tensors(self, part: str) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) scaled to [-1, 1], and labels (N,), on the device."""
        indices = getattr(self._split, part)
        images = torch.from_numpy(self._data.images[indices]).to(self.device)
        labels = torch.from_numpy(self._data.labels[indices]).to(self.device)
        return images.float() / 127.5 - 1, labels

    def _build(self) -> None:
        classes = len(self._data.classes)
        process.reset(derive(self.seed, "network"), self.threads)
        self.network = build(self.config, classes, self._data.in_shape).to(self.device)
        process.reset(derive(self.seed, "objective"), self.threads)
        self.objective = Objective(self.config, classes).to(self.device)
        self.optimizer = optim.build_optimizer(self.config, (self.network, self.objective))
        self._parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return self.status != "running"

    def step(self) -> dict[str, Any]:
        """Train one epoch and validate.

        Returns:
            The epoch's row of the curve. If the trial diverges, its measured values are None, the row is not
            kept and `status`, `error` say so.

        Raises:
            RuntimeError: If the trial is done.
        """
        if self.done:
            raise RuntimeError(f"the trial is {self.status} after epoch {self.epoch}; there is no next step")
        process.reset(derive(self.seed, "epoch", self.epoch), self.threads)
        started = time.perf_counter()
        batches = epoch_batches(self.config, self._labels, self.seed, self.epoch)
        row: dict[str, Any] = {"epoch": self.epoch + 1, **vars(composition(batches, self._labels))}
        try:
            row |= self._train_epoch(batches)
            row |= self._validate()
        except Divergence as divergence:
            self.status = "diverged"
            self.error = f"epoch {self.epoch + 1}: {divergence}"
            return dict.fromkeys(CURVE_KEYS) | row
        row["seconds"] = time.perf_counter() - started
        self.curve.append(row)
        self.epoch += 1
        if self.epoch == self.config.epochs:
            self.status = "complete"
        return dict(row)

    def _train_epoch(self, batches: list[Any]) -> dict[str, Any]:
        self.network.train()
        images, labels = self._train
        sums = {"train_loss": 0.0, "train_sup_loss": 0.0, "train_sil_loss": 0.0}
        for number, batch in enumerate(batches):
            lr = self._set_learning_rate(number, len(batches))
            chosen = torch.from_numpy(batch).to(self.device)
            losses = self._train_batch(images[chosen], labels[chosen])
            for name, loss in zip(sums, losses, strict=True):
                sums[name] += float("nan") if loss is None else float(loss.detach())
        means = {name: None if math.isnan(v) else v / len(batches) for name, v in sums.items()}
        return {"lr": lr, **means}

    def _set_learning_rate(self, number: int, per_epoch: int) -> float:
        total = self.config.epochs * per_epoch
        lr = optim.learning_rate(self.config, (self.epoch * per_epoch + number) / total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _train_batch(self, images: Tensor, labels: Tensor) -> Losses:
        self.optimizer.zero_grad(set_to_none=True)
        losses: Losses = self.objective(self.network(images), labels)
        loss = float(losses.total.detach())
        if not math.isfinite(loss):
            raise Divergence(f"loss is {loss:g}")
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None]))
        if not math.isfinite(norm):
            raise Divergence(f"gradient norm is {norm:g}")
        self.optimizer.step()
        return losses

    def _validate(self) -> dict[str, Any]:
        outputs = evaluation.run(self.network, *self._val)
        if not outputs.finite:
            raise Divergence("outputs on validation data are not finite")
        counts = outputs.counts()
        return {"val_loss": outputs.loss(), "val_top1": counts.top1, "val_macro_top1": counts.macro_top1}

    def result(self, *, test: bool = True) -> dict[str, Any]:
        """Columns of the trial's record (`silhouette.results.SCHEMA`) that training decides.

        Test data is read when this is called first on a complete trial, and never again; before the end, and
        after a divergence, test columns are None.

        Args:
            test: Whether to read test data at all; False in the tune phase.
        """
        last = self.curve[-1] if self.curve and self.status != "diverged" else {}
        if test and self.status == "complete" and self._tested is None:
            self._tested = self._test()
        return {
            "status": self.status,
            "error": self.error,
            "epochs_planned": self.config.epochs,
            "epochs_reached": self.epoch,
            **{name: last.get(name) for name in ("val_top1", "val_macro_top1", "val_loss")},
            **dict.fromkeys(TEST_KEYS),
            **((self._tested or {}) if test else {}),
            "class_train": self._class_train(),
            **{name: _mean(self.curve, name) for name in Composition.__dataclass_fields__},
            "curve": [dict(row) for row in self.curve],
            "device": self._device_name(),
            "threads": self.threads,
        }

    def _class_train(self) -> list[int]:
        return torch.from_numpy(self._labels).bincount(minlength=len(self._data.classes)).tolist()

    def _device_name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)

    def _test(self) -> dict[str, Any]:
        process.reset(derive(self.seed, "test"), self.threads)
        outputs = evaluation.run(self.network, *self._tensors("test"))
        counts = outputs.counts()
        return {
            "test_top1": counts.top1,
            "test_macro_top1": counts.macro_top1,
            "test_loss": outputs.loss(),
            "test_silhouette": metrics.silhouette(outputs.embedding, outputs.labels),
            "class_correct": list(counts.correct),
            "class_total": list(counts.total),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on, as tensors and plain values (`torch.load(weights_only=True)` reads it)."""
        return {
            "config": self.config.model_dump(mode="json"),
            "seed": self.seed,
            "epoch": self.epoch,
            "status": self.status,
            "error": self.error,
            "curve": [dict(row) for row in self.curve],
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of the same trial.

        Raises:
            ValueError: If the state belongs to another config or seed.
        """
        for name, own in (("config", self.config.model_dump(mode="json")), ("seed", self.seed)):
            if state[name] != own:
                raise ValueError(f"checkpoint: its {name} is not this trial's, got {state[name]!r}")
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.status, self.error = state["epoch"], state["status"], state["error"]
        self.curve = [dict(row) for row in state["curve"]]
        self._tested = None


CURVE_KEYS = (
    "epoch",
    "lr",
    "train_loss",
    "train_sup_loss",
    "train_sil_loss",
    "val_loss",
    "val_top1",
    "val_macro_top1",
    "classes_per_batch",
    "singleton_share",
    "single_class_batches",
    "seconds",
)
TEST_KEYS = (
    "test_top1",
    "test_macro_top1",
    "test_loss",
    "test_silhouette",
    "class_correct",
    "class_total",
)


def _mean(curve: list[dict[str, Any]], name: str) -> float | None:
    return sum(row[name] for row in curve) / len(curve) if curve else None
