"""K directions as far from each other as possible: the vertices of a regular simplex, or points spread on a sphere."""

from __future__ import annotations

import torch
from torch import Tensor

from silhouette.loss.distances import unit

_STEPS, _RATE, _TEMPERATURE = 500, 0.5, 0.1


def simplex(points: int, dim: int) -> Tensor:
    """Return (K, D) unit vectors whose inner products are all -1 / (K - 1), in a random rotation.

    This is the simplex equiangular tight frame (Papyan et al. 2020; Yang et al. 2022). torch's global generator
    draws the rotation.

    Args:
        points: K, at least 2.
        dim: D, at least K - 1.

    >>> vertices = simplex(3, 2)
    >>> (vertices @ vertices.t()).round(decimals=4).tolist()[0]
    [1.0, -0.5, -0.5]
    """
    rank = torch.arange(1, points, dtype=torch.float64)
    columns = torch.arange(points)
    helmert = torch.where(columns < rank[:, None], 1.0, torch.where(columns == rank[:, None], -rank[:, None], 0.0))
    helmert = helmert / (rank * (rank + 1)).sqrt()[:, None]  # (K - 1, K) orthonormal rows, orthogonal to ones
    rotation = torch.linalg.qr(torch.randn(dim, points - 1, dtype=torch.float64)).Q
    return unit(helmert.t() @ rotation.t()).float()


def spread(points: int, dim: int) -> Tensor:
    """Return (K, D) unit vectors, uniformly spread: a simplex where it fits, else a minimum of Li et al. (2022).

    They minimise mean_i log Σ_j exp(t_i·t_j / τ) over the other points, here by gradient descent in a fixed number of
    steps from random directions.

    Args:
        points: K, at least 2.
        dim: D, at least 1.
    """
    if points <= dim + 1:
        return simplex(points, dim)
    t = unit(torch.randn(points, dim, dtype=torch.float64))
    for _ in range(_STEPS):
        similar = (t @ t.t() / _TEMPERATURE).fill_diagonal_(-torch.inf)
        shares = similar.softmax(1)
        t = unit(t - _RATE * _TEMPERATURE * ((shares + shares.t()) @ t))
    return t.float()
