"""One training run: `Training(config, seed)`, a plain PyTorch loop that can stop and resume after any epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from silhouette.config import TrialConfig
from silhouette.data import transforms
from silhouette.data.corruptions import corrupt
from silhouette.data.feed import Feed, to_device
from silhouette.data.sampling import Composition, composition, epoch_batches
from silhouette.data.splits import load, make_split
from silhouette.geometry.names import COLUMNS
from silhouette.seeding import derive
from silhouette.training import determinism, machine
from silhouette.training.encoders import build_network
from silhouette.training.evaluation import Outputs, chunks, evaluate
from silhouette.training.measurements import CURVE_KEYS, TEST_KEYS, end_metrics, mean_of
from silhouette.training.objectives import Objective
from silhouette.training.optimizer import build_optimizer, learning_rate
from silhouette.training.ranks import ALONE, Ranks, check_parts, freeze_unused
from silhouette.training.step_log import Divergence, StepLog

Array = NDArray[Any]
Indices = NDArray[np.int64]


class Training:
    """One trial. The same config, seed, machine, device and thread count give the same bits.

    Every random stream is derived from the seed and its purpose, and the constructor and every step put the process
    into a known state. Earlier trials, other trials that run in turns with this one, and interruptions therefore
    change nothing. The state is global: generators, deterministic kernels, thread count.

    Args:
        config: What to train.
        seed: In [0, 2^31); decides validation split, class order, initial weights, batches and augmentation.
        device: A torch device; by default a GPU if there is one.
        threads: Threads of a torch operation; by default OMP_NUM_THREADS or the number of usable CPUs.
        ranks: Which of the processes this one is that train together, once their process group is initialised. A config
            with a `world_size` above 1 trains only so; `silhouette.training.distributed.DistributedTraining` starts
            them. Evaluation needs one process alone.

    Attributes:
        epoch: Epochs done.
        status: `running`, `complete` or `diverged`.
        error: Why it diverged, else None.
        terms: The `terms` column of `silhouette.results`, for the last epoch.
        curve: One dict per epoch done, with the keys of the `curve` column of `silhouette.results`.

    Raises:
        silhouette.errors.InputError: If the dataset is absent and cannot be fetched, or the config does not fit it.

    >>> training = Training(TrialConfig(epochs=1, width=4, lambda_sil=0.2), seed=0, device="cpu", threads=1)
    >>> row = training.step()
    >>> training.done, sorted(row)[:3], training.result()["status"]
    (True, ['classes_per_batch', 'epoch', 'images_per_second'], 'complete')
    """

    Config: ClassVar[type] = TrialConfig

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        *,
        device: str | None = None,
        threads: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config, self.seed, self.ranks = config, seed, ranks
        self.device = torch.device(device or machine.default_device())
        self.threads = threads or machine.default_threads()
        self.epoch = 0
        self.status = "running"
        self.error: str | None = None
        self.curve: list[dict[str, Any]] = []
        self.terms: list[dict[str, Any]] = []
        self._measured: dict[bool, dict[str, Any]] = {}
        machine.reset_peak_memory(self.device)
        self._data = load(config)
        self._seeds = config.source_seeds(seed)
        self._split = make_split(config, self._data, seed)
        check_parts(config, len(self._split.train_labels))
        self._feed = Feed(self._data.images, self._data.sha256, self.device)
        self._build()

    def _build(self) -> None:
        classes = len(self._data.classes)
        determinism.reset(derive(self._seeds["init"], "network"), self.threads)
        self.network = build_network(self.config, classes, self._data.in_shape).to(self.device)
        if self.config.channels_last:
            self.network.to(memory_format=torch.channels_last)
        determinism.reset(derive(self._seeds["init"], "objective"), self.threads)
        counts = np.bincount(self._split.train_labels, minlength=classes).tolist()
        self.objective = Objective(self.config, classes, counts, self.network.features).to(self.device)
        self.optimizer = build_optimizer(self.config, self.network, self.objective)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.config.amp == "fp16")
        self._one = torch.ones((), device=self.device)
        self._parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.ranks.size > 1:
            freeze_unused(self.network, self.config)
        self._outputs: Any = torch.compile(self.network) if self.config.compile else self.network
        self._forward = self._outputs

    @property
    def done(self) -> bool:
        """True if the trial is complete or diverged."""
        return self.status != "running"

    def step(self) -> dict[str, Any]:
        """Train one epoch and validate.

        Returns:
            The row of the curve for this epoch. If the trial diverges, its measured values are None, the row is not
            added to the curve, and `status` and `error` are set.

        Raises:
            RuntimeError: If the trial has ended.
        """
        if self.done:
            raise RuntimeError(f"the trial is {self.status} after epoch {self.epoch}; there is no next step")
        self.ranks.check(self.config)
        determinism.reset(derive(self._seeds["order"], "epoch", self.epoch), self.threads)
        started = time.perf_counter()
        batches = epoch_batches(self.config, self._split.train_labels, self._seeds["order"], self.epoch)
        row: dict[str, Any] = dict.fromkeys(CURVE_KEYS) | {"epoch": self.epoch + 1}
        row |= vars(composition(batches, self._split.train_labels))
        try:
            row |= self._train_epoch(batches)
            row |= self._validate() if self.ranks.leads else {}
        except Divergence as divergence:
            self.status, self.error = "diverged", f"epoch {self.epoch + 1}: {divergence}"
            return row
        row["seconds"] = time.perf_counter() - started
        self.curve.append(row)
        self.epoch += 1
        if self.epoch == self.config.epochs:
            self.status = "complete"
        return dict(row)

    def _train_epoch(self, batches: list[Indices]) -> dict[str, Any]:
        self.network.train()
        self.objective.start_epoch(self.epoch)
        self._forward = self.ranks.wrapped(self._outputs, self.objective)
        started, lr = time.perf_counter(), 0.0
        samples = [self._split.train[self.ranks.part(batch)] for batch in batches]
        every = to_device(self._split.train_labels[np.concatenate(batches)], self.device)
        labels = torch.split(every, [*map(len, batches)])
        with StepLog() as log, closing(self._feed.batches(samples)) as feed:
            for number, images in enumerate(feed):
                lr = self._set_learning_rate(number, len(batches))
                self._train_batch(self._views(images, samples[number]), labels[number], number, log)
        images_per_second = sum(map(len, batches)) / (time.perf_counter() - started)
        self.terms = log.sums.terms()
        return {"lr": lr, "images_per_second": images_per_second, **log.sums.means()}

    def _set_learning_rate(self, number: int, per_epoch: int) -> float:
        lr = learning_rate(self.config, self.epoch * per_epoch + number, per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        return lr

    def _views(self, images: Tensor, indices: Indices) -> Tensor:
        """Return augmented views of images as input of the network, one view after the other.

        Args:
            images: (B, C, H, W) uint8 on the device.
            indices: (B,) of the images in the data set.
        """
        views = [
            transforms.augment(
                self.config, images, transforms.image_keys(self._seeds["augment"], self.epoch, view, indices)
            )
            for view in range(self.objective.views)
        ]
        return transforms.to_input(self.config, torch.cat(views) if len(views) > 1 else views[0])

    def _autocast(self) -> AbstractContextManager[object]:
        kind = torch.float16 if self.config.amp == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=kind, enabled=self.config.amp != "none")

    def _train_batch(self, images: Tensor, labels: Tensor, number: int, log: StepLog) -> None:
        """Take one step; nothing here may wait for the device, so the log reads whether it was finite."""
        self.optimizer.zero_grad(set_to_none=True)
        self.ranks.seed_forward(self._seeds["order"], self.epoch, number)
        with self._autocast():
            output = self.ranks.joined(self._forward(images), self.objective.views)
        self.ranks.seed_objective(self._seeds["order"], self.epoch, number)
        losses = self.objective(output, labels, self.network.classifier.weight)
        self.scaler.scale(losses.total).backward()
        self.scaler.unscale_(self.optimizer)
        norm, scale = self._clip(), self.scaler.scale(self._one) if self.scaler.is_enabled() else None
        self.scaler.step(self.optimizer)
        self.scaler.update()
        log.add(losses, norm, scale)

    def _clip(self) -> Tensor:
        """Return the norm of the gradient, and scale the gradient down where it is above the largest one."""
        given = [p for p in self._parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in given if p.grad is not None])
        if self.config.grad_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(given, self.config.grad_clip, norm)
        return norm

    def _run(self, indices: Indices, labels: Indices, corruption: tuple[str, int] | None = None) -> Outputs:
        """Return outputs on samples without augmentation, corrupted if a corruption is given."""
        inputs = self._inputs(indices, corruption)
        on_device = torch.from_numpy(labels).to(self.device)
        return evaluate(self.network, inputs, on_device, self._autocast)

    def _inputs(self, indices: Indices, corruption: tuple[str, int] | None) -> Iterator[Tensor]:
        with closing(self._feed.batches([*chunks(indices)])) as feed:
            for number, images in enumerate(feed):
                corrupted = corrupt(images, *corruption, chunk=number) if corruption else images
                yield transforms.to_input(self.config, corrupted)

    def _validate(self) -> dict[str, Any]:
        if not len(self._split.val):
            return {}
        if (self.epoch + 1) % self.config.eval_every and self.epoch + 1 != self.config.epochs:
            return {}
        outputs = self._run(self._split.val, self._data.labels[self._split.val])
        if not outputs.finite:
            raise Divergence("outputs on validation data are not finite")
        if self._needs_probe:
            outputs = outputs.probed(self._train_outputs())
        counts = outputs.counts()
        return {"val_loss": outputs.loss(), "val_top1": counts.top1, "val_macro_top1": counts.macro_top1}

    @property
    def _needs_probe(self) -> bool:
        """True if the objective does not train the classifier, so that a linear probe replaces it."""
        return not self.config.trains_classifier

    def _train_outputs(self) -> Outputs:
        return self._run(self._split.train, self._split.train_labels)

    def result(self, *, test: bool = True) -> dict[str, Any]:
        """Return the columns of the record (`silhouette.results.SCHEMA`) that training decides.

        The first call on a complete trial reads the test data; later calls do not read them again. Before the end and
        after a divergence the test columns are None.

        Args:
            test: Whether to read test data; False in the tune phase.
        """
        last = self.curve[-1] if self.curve and self.status != "diverged" else {}
        return {
            "status": self.status,
            "error": self.error,
            "epochs_planned": self.config.epochs,
            "epochs_reached": self.epoch,
            **{name: last.get(name) for name in ("val_top1", "val_macro_top1", "val_loss")},
            **dict.fromkeys((*TEST_KEYS, *COLUMNS)),
            **self._at_end(test),
            "class_train": self._class_train(),
            **{name: mean_of(self.curve, name) for name in Composition.__dataclass_fields__},
            "terms": [dict(row) for row in self.terms],
            "curve": [dict(row) for row in self.curve],
            "images_per_second": mean_of(self.curve, "images_per_second"),
            "peak_memory": machine.peak_memory(self.device),
            "parameters": sum(p.numel() for p in self._parameters),
            "data_sha256": self._data.sha256,
            "test_pool_sha256": self._split.test_pool_sha256,
            "device": self._device_name(),
            "threads": self.threads,
        }

    def _class_train(self) -> list[int]:
        """Return the number of training samples of each true class."""
        labels = self._data.labels[self._split.train]
        return [int(n) for n in np.bincount(labels, minlength=len(self._data.classes))]

    def _device_name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)

    def _at_end(self, test: bool) -> dict[str, Any]:
        """Return what is measured once, after the last epoch; nothing before."""
        more = bool(self.config.metrics)
        if self.status == "complete" and (test or more) and test not in self._measured:
            determinism.reset(derive(self.seed, "test"), self.threads)
            on = self._train_outputs()
            splits = {"val": self._split.val} if more and len(self._split.val) else {}
            splits |= {"test": self._split.test} if test else {}
            runs = {name: partial(self._run, at, self._data.labels[at]) for name, at in splits.items()}
            self._measured[test] = end_metrics(self.config, runs, on, self._class_train(), probe=self._needs_probe)
        return self._measured.get(test, {})

    def weights(self) -> dict[str, Array]:
        """Return the parameters and buffers of the network by name, as copies on the CPU."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.network.state_dict().items()}

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Put the weights of a trial of the same config into the network, so that `embeddings` describes it.

        Args:
            weights: From `weights`.

        Raises:
            RuntimeError: If they belong to another network.
        """
        self.network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    def embeddings(self) -> dict[str, Array]:
        """Return the outputs of the network, as it is now, on the N test samples, without augmentation.

        Returns:
            `features` (N, F) of the encoder and `embeddings` (N, D), both float32; `labels` (N,) and `indices` (N,) of
            the samples in the data set, both int64.
        """
        determinism.reset(derive(self.seed, "test"), self.threads)
        at = self._split.test
        outputs = self._run(at, self._data.labels[at])
        found = {"features": outputs.features, "embeddings": outputs.embedding, "labels": outputs.labels}
        return {**{name: value.cpu().numpy() for name, value in found.items()}, "indices": at}

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to resume, as tensors and plain values for `torch.load(weights_only=True)`."""
        return {
            "config": self.config.model_dump(mode="json"),
            "seed": self.seed,
            "epoch": self.epoch,
            "status": self.status,
            "error": self.error,
            "terms": [dict(row) for row in self.terms],
            "curve": [dict(row) for row in self.curve],
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state of the same trial.

        Args:
            state: From `state_dict`.

        Raises:
            ValueError: If the state belongs to another config or seed.
        """
        for name, own in (("config", self.config.model_dump(mode="json")), ("seed", self.seed)):
            if state[name] != own:
                raise ValueError(f"checkpoint: its {name} is not this trial's, got {state[name]!r}")
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.status, self.error = state["epoch"], state["status"], state["error"]
        self.curve = [dict(row) for row in state["curve"]]
        self.terms = [dict(row) for row in state["terms"]]
        self._measured = {}
