"""Ways to train one epoch that `gpu.py` compares, and how it measures them."""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silhouette import Training
from silhouette.config import make_config
from silhouette.data.feed import Feed
from silhouette.training.encoders import build_network
from silhouette.training.optimizer import build_optimizer

CLASSES = 10
Run = Callable[[], None]


@dataclass(frozen=True)
class Size:
    """What is trained: an encoder, images of a side in pixels, and an epoch of so many steps."""

    network: str
    side: int
    batch: int
    steps: int


NETWORKS = ("small_cnn", "resnet18", "efficientnet_b0")
SIZES = tuple(Size(name, side, *of) for side, of in ((32, (256, 60)), (224, (128, 20))) for name in NETWORKS)
QUICK_SIZES = tuple(Size(name, 16, 5, 2) for name in NETWORKS)


def make_data(folder: Path, sizes: Iterable[Size]) -> dict[int, str]:
    """Write random colour images of each side; return the data set of each side as a config names it."""
    found = {}
    for size in sizes:
        if size.side in found:
            continue
        count, path = size.batch * size.steps, folder / f"random{size.side}.npz"
        rng = np.random.default_rng(size.side)
        images = {part: rng.integers(256, size=(n, size.side, size.side, 3), dtype=np.uint8) for part, n in
                  (("train_images", count), ("test_images", CLASSES))}  # fmt: skip
        labels = {"train_labels": np.arange(count) % CLASSES, "test_labels": np.arange(CLASSES)}
        np.savez(path, **images, **labels)
        found[size.side] = f"npz:{path}"
    return found


def config_of(size: Size, args: argparse.Namespace, **more: Any) -> Any:
    """Return the config of a training that all ways share."""
    settings = {"dataset": args.data[size.side], "encoder": size.network, "batch_size": size.batch, "amp": args.amp}
    settings |= {"val_fraction": 0, "transform": "crop_flip", "optimizer": "sgd", "lr": 1e-3, "schedule": "constant"}
    return make_config({**settings, "channels_last": True, "epochs": 100_000, **more})


def ways(size: Size, args: argparse.Namespace) -> dict[str, Callable[[], Run]]:
    """Return, by name, functions that build a way to train; the bare loop comes first."""
    compiled = {} if args.quick else {"Training, compiled": lambda: ours(size, args, compile=True)}
    return {
        "bare loop": lambda: Bare(size, args).epoch,
        "bare loop, fastest kernels": lambda: Bare(size, args, deterministic=False).epoch,
        "DataLoader": lambda: Loader(size, args).epoch,
        "Training": lambda: ours(size, args),
        "Training, streamed": lambda: ours(size, args, streamed=True),
        "Training, CE + Sil": lambda: ours(size, args, lambda_sil=0.1),
        **compiled,
    }


def ours(size: Size, args: argparse.Namespace, *, streamed: bool = False, **more: Any) -> Run:
    """Return a function that trains an epoch as a trial of a study does."""
    training = Training(config_of(size, args, **more), 0, device=args.device)
    if streamed:
        training._feed = Feed(training._data.images, training._data.sha256, training.device, "streamed")

    def epoch() -> None:
        training.step()
        if training.done:
            raise RuntimeError(f"the trial is {training.status}: {training.error}")

    return epoch


class Bare:
    """A hand-written loop over images that lie on the device."""

    def __init__(self, size: Size, args: argparse.Namespace, *, deterministic: bool = True) -> None:
        self.size, self.device, self.deterministic = size, torch.device(args.device), deterministic
        training = Training(config_of(size, args), 0, device=args.device)  # its images, and its global settings
        config, data, at = training.config, training._data, training._split.train
        self.network = build_network(config, CLASSES, data.in_shape).to(self.device, memory_format=torch.channels_last)
        self.optimizer = build_optimizer(config, self.network, training.objective)
        self.images, self.labels = torch.from_numpy(data.images[at]), torch.from_numpy(data.labels[at])
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(args.amp)
        self.autocast = (lambda: torch.autocast(self.device.type, dtype=kind)) if kind else nullcontext
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=args.amp == "fp16")
        self.place()

    def place(self) -> None:
        """Put the images where the batches come from."""
        self.images, self.labels = self.images.to(self.device), self.labels.to(self.device)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented images, uint8 on the device, and labels."""
        order = torch.randperm(len(self.images), device=self.device)
        for at in order[: self.size.batch * self.size.steps].split(self.size.batch):
            yield crop_flip(self.images[at]), self.labels[at]

    def epoch(self) -> None:
        """Train one epoch."""
        torch.use_deterministic_algorithms(self.deterministic, warn_only=True)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = self.deterministic, not self.deterministic
        self.network.train()
        total = torch.zeros((), device=self.device)
        for images, labels in self.batches():
            self.optimizer.zero_grad(set_to_none=True)
            x = (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            with self.autocast():
                logits = self.network(x).logits
            loss = F.cross_entropy(logits.float(), labels)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.detach()
        if not bool(total.isfinite()):
            raise RuntimeError("the loss is not finite")


class Samples(torch.utils.data.Dataset):
    """Images that are cropped one by one, as a worker of a DataLoader does it."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return crop_flip(self.images[index][None])[0], self.labels[index]


class Loader(Bare):
    """The same loop over a DataLoader with workers and page-locked memory."""

    def __init__(self, size: Size, args: argparse.Namespace) -> None:
        self.workers = args.workers
        super().__init__(size, args)

    def place(self) -> None:
        """Leave the images on the host."""
        self.loader = torch.utils.data.DataLoader(
            Samples(self.images, self.labels),
            self.size.batch,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            persistent_workers=self.workers > 0,
        )

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented images, uint8 on the device, and labels."""
        for number, (images, labels) in enumerate(self.loader):
            if number == self.size.steps:
                return
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


def crop_flip(images: Tensor) -> Tensor:
    """Shift images by up to an eighth of their side, filled with zeros, and mirror half of them."""
    count, _, height, width = images.shape
    pad, device = height // 8, images.device
    padded = F.pad(images, (pad, pad, pad, pad))
    down, right = torch.randint(2 * pad + 1, (2, count, 1), device=device)
    column = torch.arange(width, device=device)
    mirrored = torch.rand(count, 1, device=device) < 0.5
    rows = down + torch.arange(height, device=device)
    columns = right + torch.where(mirrored, width - 1 - column, column)
    sample = torch.arange(count, device=device)[:, None, None]
    return padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Measured:
    """Median seconds of a run, and as text the share of the device that was busy, and its peak memory in MB."""

    seconds: float
    busy: str
    memory: str


def measure(run: Run, args: argparse.Namespace, inner: int = 1) -> Measured:
    """Return what a run takes, as the mean of `inner` calls, after calls to warm up; then forget its memory."""
    on_gpu = torch.device(args.device).type == "cuda"
    wait = torch.cuda.synchronize if on_gpu else (lambda: None)
    inner = 1 if args.quick else inner
    for _ in range(1 if args.quick else 2):
        run()
    wait()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(args.repeats):
        started = time.perf_counter()
        for _ in range(inner):
            run()
        wait()
        seconds.append((time.perf_counter() - started) / inner)
    median = statistics.median(seconds)
    if not on_gpu:
        return Measured(median, "-", "-")
    memory = f"{torch.cuda.max_memory_allocated() / 1e6:.0f}"
    busy = f"{min(1.0, kernel_seconds(run) / median):.2f}"
    del run
    gc.collect()
    torch.cuda.empty_cache()
    return Measured(median, busy, memory)


def kernel_seconds(run: Run) -> float:
    """Return the seconds of a run in which a kernel runs. Their length does not depend on the profiler; gaps do."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        run()
        torch.cuda.synchronize()
    on_device = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    kernels = [event for event in on_device if not event.name.startswith(("Memcpy", "Memset"))]
    return covered([(event.time_range.start, event.time_range.end) for event in kernels]) / 1e6


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of spans.

    >>> covered([(0, 2), (1, 3), (5, 6)])
    4
    """
    total: float = 0
    end = float("-inf")
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


def attempt(name: str, build: Callable[[], Run], args: argparse.Namespace, inner: int = 1) -> Measured | str:
    """Return what a way takes, or what stands in place of its numbers if it needs more memory or a compiler."""
    try:
        return measure(build(), args, inner)
    except torch.OutOfMemoryError:
        text = "out of memory"
    except Exception as error:
        if "compiled" not in name:
            raise
        text = f"not compiled ({type(error).__name__})"
    gc.collect()  # after the block above, whose error holds what the way had allocated
    if torch.device(args.device).type == "cuda":
        torch.cuda.empty_cache()
    return text
