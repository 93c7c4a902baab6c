"""A whole training step: cross-entropy alone, with the silhouette, and with SupCon on two views.

    python benchmarks/step.py [--repeats 7] [--threads 1] [--device cpu]

The paper claims "substantially lower computational overhead" for the silhouette than for contrastive terms. A step is
forward, loss, backward and optimiser on a random batch that is already augmented. SupCon2 needs two views of each
image, so its network gets twice as many. The arms take turns in one process; times and ratios are medians over the
turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from timing import arguments, interleave, ratio, table

from silhouette.config import TrialConfig
from silhouette.training.encoders import build_network
from silhouette.training.objectives import Objective
from silhouette.training.optimizer import build_optimizer

ARMS = {
    "CE": {"lambda_sil": 0.0},
    "CE + Sil": {"lambda_sil": 0.1},
    "CE + Sil (sqeuclidean)": {"lambda_sil": 0.1, "distance": "sqeuclidean"},
    "CE + SupCon2": {"objective": "ce + supcon2", "transform": "crop_flip"},
}
NETWORKS = (
    ("efficientnet_b0", 32, 64, 100),
    ("small_cnn", 32, 256, 100),
    ("small_cnn", 8, 64, 10),
)
"""(encoder, side of the images, batch size, classes)."""


def build_step(
    encoder: str, side: int, batch: int, classes: int, settings: dict[str, object], device: str
) -> Callable[[], None]:
    """Return a function that runs one training step."""
    config = TrialConfig(dataset="cifar100", encoder=encoder, batch_size=batch, **settings)
    torch.manual_seed(0)
    network = build_network(config, classes, (3, side, side)).to(device)
    objective = Objective(config, classes).to(device)
    optimizer = build_optimizer(config, network, objective)
    images = torch.randn(batch * objective.views, 3, side, side, device=device)
    labels = torch.randint(classes, (batch,), device=device)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        objective(network(images), labels).total.backward()
        optimizer.step()

    return run


def main() -> None:
    """Measure all networks and print the table."""
    args = arguments(__doc__)
    rows = []
    for encoder, side, batch, classes in NETWORKS:
        runs = {
            name: build_step(encoder, side, batch, classes, settings, args.device) for name, settings in ARMS.items()
        }
        times = interleave(runs, args.repeats, args.device)
        for name, seconds in times.items():
            rows.append(
                [
                    f"{encoder} {side} px, B = {batch}",
                    name,
                    f"{statistics.median(seconds) * 1e3:.1f}",
                    f"{ratio(times, name, 'CE'):.3f}",
                ]
            )
    print(table(["network", "objective", "ms per step", "of CE"], rows))
    print(f"\ntorch {torch.__version__}, {args.device}, {args.threads} thread(s), {args.repeats} repeats")


if __name__ == "__main__":
    main()
