"""Forward + backward of the silhouette's forms against SupCon, a naive silhouette and bare matrix products.

"+ mean" is a form with the mean in place of the sum in the soft minimum, "+ macro" with the macro reduction, "+ counts"
with the class prior and the balanced reduction, "+ momentum" and "+ queue" with a memory of the classes, filled before
and updated in every pass, "+ few" with one that also stands for classes of fewer than 4 samples in the batch.

    python benchmarks/loss.py [--repeats 7] [--threads 1] [--device cpu] [--small]

`--small` measures batches of 32 to 128 instead, as most studies use, each form against the naive one.

All forms of a size take turns in one process, so that a busy machine slows all of them. Times and ratios are medians
over the turns; compare the ratios. Peak memory is the increase over the memory held before, in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from timing import arguments, interleave, ratio, table
from torch import Tensor

from silhouette import MomentumMemory, QueueMemory, SoftSilhouetteLoss
from silhouette.training.machine import peak_memory, reset_peak_memory

SMALL = ((32, 64, 10), (64, 64, 10), (128, 64, 10))
SIZES = ((256, 128, 10), (1024, 128, 100), (4096, 128, 1000), (16384, 128, 1000))
ALL_PAIRS_UP_TO = 4096
FAST = ("sqeuclidean", "cosine")
TAIL = ("mean", "macro", "counts", "momentum", "queue", "few")
MEASURE = "import sys; sys.path[:0] = {path!r}; import loss; loss.print_peak({form!r}, {size!r})"


def naive(z: Tensor, y: Tensor, tau: float = 0.1) -> Tensor:
    """Return the loss in its simplest form: all distances, differentiated by autograd."""
    z = torch.nn.functional.normalize(z)
    classes, index = torch.unique(y, return_inverse=True)
    hot = torch.nn.functional.one_hot(index, len(classes)).to(z.dtype)
    sums, counts, own = torch.cdist(z, z) @ hot, hot.sum(0), hot.bool()
    a = sums[own] / (counts[index] - 1).clamp_min(1)
    b = -tau * (-(sums / counts) / tau).masked_fill(own, float("-inf")).logsumexp(1)
    s = (b - a) / (tau * torch.logaddexp(a / tau, b / tau))
    return -torch.where(counts[index] > 1, s, 0).mean()


def pair_products(z: Tensor, classes: int) -> Callable[[], None]:
    """Return a function that computes z·zᵀ, and for the backward pass a (B, B) array times z."""
    z = z.detach()

    def run() -> None:
        pairs = z @ z.t()
        pairs @ z

    return run


def class_products(z: Tensor, classes: int) -> Callable[[], None]:
    """Return a function that computes means · zᵀ, and for the backward pass its products with z and the means."""
    z = z.detach()
    means = torch.randn(classes, z.shape[1], device=z.device)

    def run() -> None:
        weights = means @ z.t()
        weights @ z
        weights.t() @ means

    return run


def silhouette(form: str, classes: int, dim: int, device: str) -> SoftSilhouetteLoss:
    """Return the loss of a form: the distance, and after a plus what it has for a long tail."""
    distance, _, tail = form.partition(" + ")
    counts = [max(int(500 * 0.01 ** (c / classes)), 1) for c in range(classes)] if tail == "counts" else None
    memory: MomentumMemory | QueueMemory | None = None
    if tail in ("momentum", "queue", "few"):
        least = 4 if tail == "few" else 1
        memory = QueueMemory(classes, dim) if tail == "queue" else MomentumMemory(classes, dim, least=least)
        memory.update(torch.randn(classes * 8, dim), torch.arange(classes).repeat(8))
    loss = SoftSilhouetteLoss(
        distance=distance,
        num_classes=classes if tail else None,
        class_counts=counts,
        class_prior=1.0 if counts else 0.0,
        softmin="mean" if tail == "mean" else "sum",
        reduction={"macro": "macro", "counts": "balanced"}.get(tail, "mean"),
        memory=memory,
    )
    return loss.to(device)


def build(form: str, size: tuple[int, int, int], device: str = "cpu") -> Callable[[], None]:
    """Return a function that runs one forward and backward pass of a form."""
    samples, dim, classes = size
    torch.manual_seed(0)
    z = torch.randn(samples, dim, device=device, requires_grad=True)
    y = torch.randint(classes, (samples,), device=device)
    if form == "pair products":
        return pair_products(z, classes)
    if form == "class products":
        return class_products(z, classes)
    if form == "SupConLoss":
        from pytorch_metric_learning.losses import SupConLoss

        loss: Callable[[Tensor, Tensor], Tensor] = SupConLoss()
    elif form == "studies":
        loss = SoftSilhouetteLoss(num_classes=classes, normalize=False, validate=False)
    else:
        loss = naive if form == "naive" else silhouette(form, classes, dim, device)

    def run() -> None:
        z.grad = None
        loss(z, y).backward()

    return run


def print_peak(form: str, size: tuple[int, int, int]) -> None:
    """Print the largest increase of memory, in bytes, while a form runs."""
    cpu = torch.device("cpu")
    build(form, (64, size[1], 4))()
    run = build(form, size)
    before = peak_memory(cpu)
    reset_peak_memory(cpu)
    run()
    print((peak_memory(cpu) or 0) - (before or 0))


def peak(form: str, size: tuple[int, int, int], device: str) -> float:
    """Return the peak memory of a form in MB."""
    if device != "cpu":
        run = build(form, size, device)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    code = MEASURE.format(path=[sys.path[0]], form=form, size=size)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return int(out) / 1e6


def forms_of(size: tuple[int, int, int]) -> list[str]:
    """Return the forms that are measured at a size."""
    fast = [form for name in FAST for form in (name, *(f"{name} + {tail}" for tail in TAIL))]
    pairs = ["SupConLoss", "naive", "euclidean", *(f"euclidean + {tail}" for tail in TAIL), "pair products"]
    return [*pairs, *fast, "class products"] if size[0] <= ALL_PAIRS_UP_TO else [*fast, "class products"]


def measure(size: tuple[int, int, int], args: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table for one size."""
    runs = {form: build(form, size, args.device) for form in forms_of(size)}
    times = interleave(runs, args.repeats, args.device)
    rows = []
    for form in times:
        pairs = form.partition(" + ")[0] in ("SupConLoss", "naive", "euclidean", "pair products")
        rows.append(
            [
                "×".join(map(str, size)),
                form,
                f"{statistics.median(times[form]) * 1e3:.2f}",
                f"{ratio(times, form, 'SupConLoss'):.3f}" if "SupConLoss" in times else "-",
                f"{ratio(times, form, 'pair products' if pairs else 'class products'):.1f}",
                f"{peak(form, size, args.device):.0f}",
            ]
        )
    return rows


def measure_small(size: tuple[int, int, int], args: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table for a small size; "studies" is the Euclidean form as the trainer calls it."""
    runs = {form: build(form, size, args.device) for form in ("SupConLoss", "naive", "euclidean", *FAST, "studies")}
    times = interleave(runs, args.repeats, args.device)
    name = "×".join(map(str, size))
    return [
        [name, form, f"{statistics.median(seconds) * 1e3:.3f}", f"{ratio(times, form, 'naive'):.2f}"]
        for form, seconds in times.items()
    ]


def main() -> None:
    """Measure all sizes and print the table."""
    args = arguments(__doc__, "small")
    started = time.perf_counter()
    if args.small:
        rows, head = [row for size in SMALL for row in measure_small(size, args)], ["B×D×K", "form", "ms", "of naive"]
    else:
        rows = [row for size in SIZES for row in measure(size, args)]
        head = ["B×D×K", "form", "ms", "of SupConLoss", "of bare products", "peak MB"]
    print(table(head, rows))
    print(
        f"\ntorch {torch.__version__}, {args.device}, {args.threads} thread(s), {args.repeats} repeats, "
        f"{time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
