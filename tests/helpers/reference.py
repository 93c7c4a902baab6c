"""The soft silhouette as two plain loops over Python numbers, written from the formula and nothing else."""

import math

import torch


def distance(x, y, kind):
    if kind == "cosine":
        return 1 - float(torch.dot(x, y) / (x.norm() * y.norm()))
    return float((x - y).norm()) ** (2 if kind == "sqeuclidean" else 1)


def soft_silhouette(
    z, labels, tau_s=0.1, tau_m=0.1, kind="euclidean", softmin="sum", weights=None, memory=None, power=1, least=1
):
    """Scores of samples z (B, D); `labels` is a list.

    `weights` holds the weight of each class in the soft minimum. `memory` holds for each known class its remembered
    samples, each with a share; the shares of a class add up to 1. The mean distance to them is the power mean. It
    stands for classes of fewer than `least` samples besides i itself.
    """
    scores, memory = [], memory or {}
    for i, own in enumerate(labels):
        to = {c: [] for c in (*labels, *memory)}
        for j, c in enumerate(labels):
            if j != i:
                to[c].append(distance(z[i], z[j], kind))
        mean = {c: sum(d) / len(d) for c, d in to.items() if d}
        for c in {c for c in to if len(to[c]) < least} & memory.keys():
            mean[c] = sum(share * distance(z[i], x, kind) ** power for share, x in memory[c]) ** (1 / power)
        others = {c: d for c, d in mean.items() if c != own}
        if own not in mean or not others:
            scores.append(0.0)
            continue
        share = {c: weights[c] if weights else 1 for c in others}
        total = sum(share[c] * math.exp(-d / tau_s) for c, d in others.items())
        a, b = mean[own], -tau_s * math.log(total / (sum(share.values()) if softmin == "mean" else 1))
        scores.append((b - a) / (tau_m * math.log(math.exp(a / tau_m) + math.exp(b / tau_m))))
    return torch.tensor(scores, dtype=torch.float64)
