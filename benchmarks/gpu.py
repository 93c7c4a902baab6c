"""What a GPU is kept busy with: training against bare loops, the loss against others, and small trials side by side.

    python benchmarks/gpu.py [--only training loss packing] [--amp bf16] [--repeats 5] [--seconds 20]
    python benchmarks/gpu.py --device cpu --quick        # tiny sizes, to see that it runs

It needs neither Ray nor MLflow: a checkout and `pip install torch torchvision numpy pydantic filelock` are enough. All
images are random. Times are medians over the repeats; the device is waited for at the end of each epoch or call.

training: images per second of whole epochs of random crops and cross-entropy, with deterministic kernels. `of bare` is
the speed relative to a hand-written loop with the same network, optimiser, precision and crops, whose images lie on the
device too. `busy` is the share of the time in which the device computes. `DataLoader` reads, crops and collates in
worker processes. `CE + Sil` adds the silhouette loss. `streamed` has its images in the memory of the host.
loss: forward and backward pass of one loss on random embeddings.
packing: images per second of 1, 2, 4 and 8 trials of `small_cnn`, each a process, on one device at the same time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a bare machine has the checkout alone

import torch
from gpu_packing import packing
from gpu_training import QUICK_SIZES, SIZES, attempt, make_data, ways
from loss import naive
from timing import table
from torch import Tensor

from silhouette import SoftSilhouetteLoss

BATCHES, QUICK_BATCHES = (64, 256, 1024, 4096, 16384), (16, 32)
DIM, CLASSES, TEMPERATURE = 128, 100, 0.1
PARTS = ("training", "loss", "packing")
Loss = Callable[[Tensor, Tensor], Tensor]


def supcon(z: Tensor, y: Tensor) -> Tensor:
    """Return SupCon (Khosla et al. 2020) on one view, with all pairs differentiated by autograd."""
    z = torch.nn.functional.normalize(z)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    similar = (z @ z.t() / TEMPERATURE).masked_fill(itself, float("-inf"))
    positive = (y[:, None] == y) & ~itself
    log_p = similar.log_softmax(1).masked_fill(~positive, 0)
    return -(log_p.sum(1) / positive.sum(1).clamp_min(1)).mean()


def losses(*, compiled: bool) -> dict[str, Loss]:
    """Return the losses that are compared, by name."""
    found: dict[str, Loss] = {"SupCon": supcon, "naive": naive}
    for distance in ("euclidean", "sqeuclidean", "cosine"):
        found[distance] = SoftSilhouetteLoss(distance=distance, num_classes=CLASSES, validate=False)
        if compiled:
            found[f"{distance}, compiled"] = torch.compile(found[distance])  # type: ignore[assignment]
    return found


def loss_rows(args: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table of losses."""
    rows = []
    for size in QUICK_BATCHES if args.quick else BATCHES:
        z = torch.randn(size, DIM, device=args.device, requires_grad=True)
        y = torch.randint(CLASSES, (size,), device=args.device)
        first: float | None = None
        for name, loss in losses(compiled=not args.quick).items():

            def run(loss: Loss = loss, z: Tensor = z, y: Tensor = y) -> None:
                z.grad = None
                loss(z, y).backward()

            found = attempt(name, lambda run=run: run, args, inner=20 if size < 4096 else 3)
            if isinstance(found, str):
                rows.append([str(size), name, found, "-", "-"])
                continue
            first = found.seconds if name == "SupCon" else first
            ratio = f"{found.seconds / first:.3f}" if first else "-"
            rows.append([str(size), name, f"{found.seconds * 1e3:.3f}", ratio, found.memory])
    return rows


def training_rows(args: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table of training."""
    rows = []
    for size in QUICK_SIZES if args.quick else SIZES:
        bare: float | None = None
        label = f"{size.network} {size.side} px, B = {size.batch}"
        for name, build in ways(size, args).items():
            found = attempt(name, build, args)
            if isinstance(found, str):
                rows.append([label, name, found, "-", "-", "-"])
                continue
            speed = size.batch * size.steps / found.seconds
            bare = speed if name == "bare loop" else bare
            ratio = f"{speed / bare:.3f}" if bare else "-"
            rows.append([label, name, f"{speed:.0f}", ratio, found.busy, found.memory])
    return rows


def card(device: str) -> str:
    """Return a line that names the device and the versions."""
    versions = f"torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
    if torch.device(device).type != "cuda":
        return f"no GPU: {device}, {torch.get_num_threads()} threads, {versions}"
    facts = torch.cuda.get_device_properties(device)
    return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}, {versions}"


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--amp", choices=("none", "bf16", "fp16"), help="default: bf16 on a GPU, none elsewhere")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20, help="of each packing, after the warm-up")
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="of the DataLoader")
    args = parser.parse_args()
    args.amp = args.amp or ("bf16" if args.device.startswith("cuda") else "none")
    if args.quick:
        args.repeats, args.seconds, args.workers = 1, 0.2, 0
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("--device: torch finds no GPU here; give --device cpu --quick to try the command, got cuda")
    return args


def main() -> None:
    """Measure what was asked for and print the tables."""
    args = arguments()
    print(card(args.device), f"amp {args.amp}", sep=", ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SILHOUETTE_DATA"] = folder
        args.data = make_data(Path(folder), QUICK_SIZES if args.quick else SIZES)
        if "training" in args.only:
            head = ["network", "way", "images/s", "of bare", "busy", "peak MB"]
            print(f"\n{table(head, training_rows(args))}", flush=True)
        if "loss" in args.only:
            print(f"\n{table(['B', 'loss', 'ms', 'of SupCon', 'peak MB'], loss_rows(args))}", flush=True)
        if "packing" in args.only:
            print(f"\n{table(['trials', 'images/s', 'of one'], packing(args))}", flush=True)


if __name__ == "__main__":
    main()
