"""Losses and gradient norms of the steps of an epoch, gathered on the device and read together.

Reading a number from a GPU waits until it has done all that was asked of it. A step therefore reads none: its losses
are kept as tensors, and read at the end of an epoch and after every `READ_EVERY` steps.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from silhouette.training.measurements import EpochSums
from silhouette.training.objectives import Losses

READ_EVERY = 256
"""Steps after which what was gathered is read within an epoch, so that a divergence ends a long one."""
_SMALLEST_SCALE = 2.0**-10  # of fp16 gradients: an overflow below it is a divergence, not a limit of fp16


class Divergence(Exception):
    """A loss, gradient or output is not finite; this ends the trial, not the study."""


class StepLog:
    """What the steps of an epoch computed. As a context it reads what is left at its end.

    If a step raises an exception and an earlier step was not finite, the context ends with `Divergence` instead, since
    the network had no finite weights any more.

    Attributes:
        sums: Sums over the steps that have been read.
    """

    def __init__(self) -> None:
        self.sums = EpochSums()
        self._rows: list[dict[str, Tensor]] = []

    def add(self, losses: Losses, norm: Tensor, scale: Tensor | None) -> None:
        """Add a step.

        Args:
            losses: Of its batch.
            norm: Norm of its gradient, before clipping.
            scale: Scale of the loss under fp16, as the step used it; else None.

        Raises:
            Divergence: If this call reads, and a value of an earlier step or of this one is not finite.
        """
        row = {"norm": norm, "train_loss": losses.total, "train_sup_loss": losses.supervised}
        if scale is not None:
            row["scale"] = scale
        if losses.silhouette is not None:
            row["train_sil_loss"] = losses.silhouette
        row |= {f"term {name}": value for name, value in losses.terms.items()}
        self._rows.append({name: value.detach() for name, value in row.items()})
        if len(self._rows) == READ_EVERY:
            self.read()

    def read(self) -> None:
        """Wait for the device, and add what was gathered to the sums.

        Raises:
            Divergence: If the loss or the gradient of a step is not finite.
        """
        rows, self._rows = self._rows, []
        if not rows:
            return
        columns = [torch.stack([row[name] for row in rows]).flatten() for name in rows[0]]
        for values in torch.stack(columns, 1).tolist():
            row = dict(zip(rows[0], values, strict=True))
            _check(row["train_loss"], row.pop("norm"), row.pop("scale", None))
            self.sums.add(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None or (issubclass(kind, Exception) and not issubclass(kind, torch.OutOfMemoryError)):
            self.read()


def _check(loss: float, norm: float, scale: float | None) -> None:
    """Raise `Divergence` for a step whose loss or gradient is not finite.

    An overflow is normal with fp16: the scaler leaves the step out and lowers its scale.
    """
    if not math.isfinite(loss):
        raise Divergence(f"loss is {loss:g}")
    if not math.isfinite(norm) and (scale is None or scale < _SMALLEST_SCALE):
        raise Divergence(f"gradient norm is {norm:g}")
