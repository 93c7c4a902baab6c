"""Checks of the arguments of the loss; every message is one line: argument, rule, value."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Check that an option is one of its allowed values.

    Raises:
        ValueError: If it is not.
    """
    if value not in allowed:
        raise ValueError(f"{name}: must be one of {', '.join(allowed)}, got {value!r}")


def check_temperature(name: str, value: Any) -> None:
    """Check that a temperature is a finite number above 0.

    Raises:
        TypeError: If it is not a number, for example text.
        ValueError: If it is not finite or not above 0.

    >>> check_temperature("tau_s", "0.1")
    Traceback (most recent call last):
    TypeError: tau_s: must be a number, got '0.1' (str)
    """
    _check_number(name, value)
    if not (float(value) > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: must be a finite number above 0, got {value!r}")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: must be a number, got {value!r} ({type(value).__name__})")


def check_num_classes(value: Any) -> None:
    """Check that the number of classes is None or an integer of at least 1.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is below 1.
    """
    if value is not None:
        check_count("num_classes", value, "an integer or None")


def check_count(name: str, value: Any, kind: str = "an integer") -> None:
    """Check that a value is an integer of at least 1.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is below 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: must be {kind}, got {value!r} ({type(value).__name__})")
    if value < 1:
        raise ValueError(f"{name}: must be at least 1, got {value}")


def check_share(name: str, value: Any) -> None:
    """Check that a value is a number in [0, 1).

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is out of range.
    """
    _check_number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"{name}: must be at least 0 and below 1, got {value!r}")


def check_finite(name: str, value: Any) -> None:
    """Check that a value is a finite number.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is not finite.
    """
    _check_number(name, value)
    if not math.isfinite(value):
        raise ValueError(f"{name}: must be a finite number, got {value!r}")


def check_class_counts(counts: Any, num_classes: int | None) -> Tensor:
    """Return the training samples of each class as a tensor (K,) of float64.

    Raises:
        ValueError: If it is not K numbers of at least 0 with one above 0, or no number of classes is given.

    >>> check_class_counts([5, -1], 2)
    Traceback (most recent call last):
    ValueError: class_counts: must be finite numbers of at least 0, one of them above 0, got [5.0, -1.0]
    """
    if num_classes is None:
        raise ValueError("num_classes: must be given with class_counts, since labels index them, got None")
    try:
        numbers = torch.as_tensor(counts, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"class_counts: must be {num_classes} numbers, got {counts!r}") from None
    if numbers.shape != (num_classes,):
        raise ValueError(f"class_counts: must be ({num_classes},) as num_classes is, got {tuple(numbers.shape)}")
    if not (numbers.isfinite().all() and (numbers >= 0).all() and (numbers > 0).any()):
        rule = "must be finite numbers of at least 0, one of them above 0"
        raise ValueError(f"class_counts: {rule}, got {numbers.tolist()}")
    return numbers


def check_log_weights(log_weights: Any, num_classes: int | None) -> None:
    """Check that logarithms of class weights are None or a floating tensor (K,); this does not read the values.

    Raises:
        ValueError: If they are not, or K is not given.
    """
    if log_weights is None:
        return
    if num_classes is None:
        raise ValueError("num_classes: must be given with log_weights, since labels index them, got None")
    if not isinstance(log_weights, Tensor) or log_weights.shape != (num_classes,):
        got = tuple(log_weights.shape) if isinstance(log_weights, Tensor) else _type_name(log_weights)
        raise ValueError(f"log_weights: must be a tensor ({num_classes},) as num_classes is, got {got}")


def check_memory(classes: int, dim: int, num_classes: int | None, embeddings: Tensor) -> None:
    """Check that a memory of so many classes and dimensions fits the number of classes and the batch.

    Raises:
        ValueError: If it does not.
    """
    if num_classes != classes:
        raise ValueError(f"num_classes: must be that of the memory, {classes}, got {num_classes}")
    if embeddings.shape[1] != dim:
        raise ValueError(f"embeddings: must be (B, {dim}) as the memory is, got {tuple(embeddings.shape)}")


def check_batch(embeddings: Any, labels: Any) -> None:
    """Check types, shapes, dtypes and devices of a batch; this does not read the values.

    Raises:
        TypeError: If one of them is not a tensor.
        ValueError: If a shape, dtype or device is wrong.

    >>> import torch
    >>> check_batch(torch.zeros(2, 3), [0, 1])
    Traceback (most recent call last):
    TypeError: labels: must be a torch.Tensor, got list; use torch.as_tensor(labels)
    """
    for name, value in (("embeddings", embeddings), ("labels", labels)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: must be a torch.Tensor, got {_type_name(value)}; use torch.as_tensor({name})")
    if embeddings.dim() != 2 or not embeddings.dtype.is_floating_point:
        raise ValueError(
            f"embeddings: must be (B, D) of a floating dtype, got {tuple(embeddings.shape)} of {embeddings.dtype}"
        )
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels: must be ({len(embeddings)},) as embeddings are, got {tuple(labels.shape)}")
    if labels.dtype.is_floating_point or labels.dtype.is_complex:
        raise ValueError(f"labels: must be of an integer dtype, got {labels.dtype}")
    if labels.device != embeddings.device:
        raise ValueError(f"labels: must be on the device of embeddings, {embeddings.device}, got {labels.device}")


def _type_name(value: Any) -> str:
    """Return the name of a value's type, with its package unless it is built in."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def check_values(embeddings: Tensor, labels: Tensor, num_classes: int | None) -> None:
    """Check that embeddings are finite and labels in range; a GPU is waited for once if they are.

    Raises:
        ValueError: If an embedding is nan or inf, or a label is outside [0, num_classes).
    """
    fine = embeddings.sum().isfinite()  # fast; false in every doubtful case, and then every value is checked
    if num_classes is not None and len(labels):
        fine = fine & (labels.min() >= 0) & (labels.max() < num_classes)
    if bool(fine):
        return
    check_finite_embeddings(embeddings)
    check_labels(labels, num_classes)


def check_finite_embeddings(embeddings: Tensor) -> None:
    """Check that no embedding is nan or inf.

    Raises:
        ValueError: If one is.
    """
    bad = int((~embeddings.isfinite()).sum())
    if bad:
        raise ValueError(f"embeddings: must be finite, got {bad} values of nan or inf")


def check_labels(labels: Tensor, num_classes: int | None) -> None:
    """Check that labels lie in [0, num_classes), if that is given.

    Raises:
        ValueError: If one does not.
    """
    if num_classes is not None and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        low, high = int(labels.min()), int(labels.max())
        raise ValueError(f"labels: must lie in [0, {num_classes}), got values from {low} to {high}")
