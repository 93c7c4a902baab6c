"""What the processes of a training say to each other: plain values and tensors, read with `weights_only`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch


def send(to: Connection, message: Any) -> None:
    """Send plain values, tensors and arrays; arrays arrive as tensors, NumPy numbers as plain ones.

    Raises:
        OSError: If the other process has ended.
    """
    buffer = io.BytesIO()
    torch.save(_plain(message), buffer)
    to.send_bytes(buffer.getbuffer())


def receive(connection: Connection) -> Any:
    """Return the next message, with all tensors on the CPU.

    Raises:
        EOFError: If the other process has ended.
        OSError: Likewise, in the middle of a message.
    """
    return torch.load(io.BytesIO(connection.recv_bytes()), weights_only=True, map_location="cpu")


def arrays(found: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return received tensors as NumPy arrays."""
    return {name: value.numpy() for name, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return value.item() if isinstance(value, np.generic) else value
