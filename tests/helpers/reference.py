"""The soft silhouette as two plain loops over Python numbers, written from the formula and nothing else."""

import math

import torch


def distance(x, y, kind):
    if kind == "cosine":
        return 1 - float(torch.dot(x, y) / (x.norm() * y.norm()))
    return float((x - y).norm()) ** (2 if kind == "sqeuclidean" else 1)


def soft_silhouette(z, labels, tau_s=0.1, tau_m=0.1, kind="euclidean", softmin="sum"):
    """Scores of samples z (B, D); `labels` is a list."""
    scores = []
    for i, own in enumerate(labels):
        to = {c: [] for c in labels}
        for j, c in enumerate(labels):
            if j != i:
                to[c].append(distance(z[i], z[j], kind))
        others = [sum(d) / len(d) for c, d in to.items() if c != own]
        if not to[own] or not others:
            scores.append(0.0)
            continue
        a = sum(to[own]) / len(to[own])
        total = sum(math.exp(-d / tau_s) for d in others)
        b = -tau_s * math.log(total / (len(others) if softmin == "mean" else 1))
        scores.append((b - a) / (tau_m * math.log(math.exp(a / tau_m) + math.exp(b / tau_m))))
    return torch.tensor(scores, dtype=torch.float64)
