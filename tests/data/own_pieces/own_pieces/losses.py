"""A rival loss."""

import torch
from torch import nn


class _Pull(nn.Module):
    def __init__(self, centers, margin):
        super().__init__()
        self.centers, self.margin = nn.Parameter(centers), margin

    def forward(self, embeddings, labels):
        return (1 - (embeddings * self.centers[labels]).sum(1) - self.margin).clamp_min(0).mean()


def pull(num_classes, embedding_dim, *, margin=0.1, class_counts=None):
    """Pull each sample to the centre of its class, up to a cosine of 1 - margin."""
    return _Pull(nn.functional.normalize(torch.randn(num_classes, embedding_dim)), margin)
