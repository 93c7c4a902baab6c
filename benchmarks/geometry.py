"""What `metrics=geometry` costs on one split: time and memory of each measure, at the size of well-known test splits.

    python benchmarks/geometry.py [--repeats 3] [--threads 1] [--device cpu]

"of distances" is the time relative to one product of all features with each other, in tiles, which retrieval and
uniformity need at least. Times and ratios are medians over turns, in which all measures take part. Peak memory is the
increase over the memory held before, in a process of its own, and of all measures together.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from timing import arguments, interleave, ratio, table

from silhouette.geometry.clustering import k_means
from silhouette.geometry.collapse import nc1, nc2, nc4
from silhouette.geometry.measure import Sample, measure
from silhouette.geometry.retrieval import retrieve
from silhouette.geometry.sphere import alignment, uniformity
from silhouette.geometry.tiles import class_means, tiles
from silhouette.loss.distances import unit
from silhouette.training.machine import peak_memory, reset_peak_memory

SIZES = {
    "digits": (449, 64, 10),
    "CIFAR-10, ResNet-32": (10_000, 64, 10),
    "CIFAR-100, ResNet-18": (10_000, 512, 100),
    "Stanford Cars, ResNet-50": (8_041, 2048, 196),
}
"""Test samples, features and classes of each split."""
MEASURE = "import sys; sys.path[:0] = {path!r}; import geometry; geometry.print_peak({split!r})"


def sample(split: str, device: str = "cpu") -> Sample:
    """Return features around class means, with as much noise as leaves retrieval imperfect."""
    samples, dim, classes = SIZES[split]
    torch.manual_seed(0)
    labels = torch.arange(samples, device=device) % classes
    centres = torch.randn(classes, dim, device=device)
    features = (centres[labels] + 2 * torch.randn(samples, dim, device=device)).relu()
    means = class_means(features, labels, classes)
    weight = (means - means.mean(0)).float()
    return Sample(features, features @ weight.t(), labels, weight, means)


def products(z: torch.Tensor) -> None:
    """Compute the product of all features with each other, tile by tile."""
    for part in tiles(len(z), len(z), z.device):
        z[part] @ z.t()


def measures(split: str, device: str) -> dict[str, Callable[[], object]]:
    """Return each measure of a split as a function without arguments."""
    one = sample(split, device)
    z, labels, classes = unit(one.features), one.labels, SIZES[split][2]
    means = class_means(one.features, labels, classes)
    return {
        "distances": lambda: products(z),
        "retrieval": lambda: retrieve(z, labels),
        "NMI": lambda: k_means(z, classes),
        "NC1 to NC4": lambda: (
            nc1(one.features, labels, class_means(one.features, labels, classes)),
            nc2(means),
            nc4(one.features, one.logits, means),
        ),
        "alignment": lambda: alignment(z, labels, classes),
        "uniformity": lambda: uniformity(z),
        "all": lambda: measure(one, {"many": range(classes), "medium": [], "few": []}),
    }


def print_peak(split: str) -> None:
    """Print the largest increase of memory, in bytes, while all measures of a split run."""
    cpu, one = torch.device("cpu"), sample(split)
    measure(sample("digits"), {"many": [], "medium": [], "few": []})  # what the first use of each operation holds
    before = peak_memory(cpu)
    reset_peak_memory(cpu)
    measure(one, {"many": [], "medium": [], "few": []})
    print((peak_memory(cpu) or 0) - (before or 0))


def peak(split: str) -> str:
    """Return the peak memory of all measures of a split on a CPU, in MB."""
    code = MEASURE.format(path=[sys.path[0]], split=split)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return f"{int(out) / 1e6:.0f}"


def main() -> None:
    """Measure all splits and print the table."""
    args = arguments(__doc__)
    started, rows = time.perf_counter(), []
    for split, size in SIZES.items():
        times = interleave(measures(split, args.device), args.repeats, args.device)
        for name in times:
            seconds, relative = statistics.median(times[name]), ratio(times, name, "distances")
            memory = peak(split) if name == "all" and args.device == "cpu" else "-"
            rows.append([split, "×".join(map(str, size)), name, f"{seconds:.3f}", f"{relative:.1f}", memory])
    print(table(["test split", "N×F×K", "measure", "s", "of distances", "peak MB"], rows))
    versions = f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), {args.repeats} repeats"
    print(f"\n{versions}, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
