"""Tiles of rows, so that an array over all pairs of samples is never held; sums over classes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from silhouette.loss.distances import row_slices

_TILE = 1 << 22  # values held at a time on a CPU: 16 MB in float32
_TILE_GPU = 1 << 25


def tiles(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Return slices of rows, each of which holds a bounded number of values over all columns.

    >>> [part.stop - part.start for part in tiles(3, 1 << 21, torch.device("cpu"))]
    [2, 1]
    """
    return row_slices(rows, columns, _TILE if device.type == "cpu" else _TILE_GPU)


def class_sums(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return (K, D) sums of values (N, D) by label, in float64.

    >>> class_sums(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 2]), 3).tolist()
    [[1.0], [0.0], [6.0]]
    """
    sums = torch.zeros(classes, values.shape[1], dtype=torch.double, device=values.device)
    for part in tiles(len(values), values.shape[1], values.device):
        sums.index_add_(0, labels[part], values[part].double())
    return sums


def class_means(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return (K, D) means of values (N, D) by label, in float64; NaN for a class without samples."""
    return class_sums(values, labels, classes) / labels.bincount(minlength=classes)[:, None]
