"""Images of a data set as batches on the device of a run, without a wait for that device.

On a CPU a batch is read from the shared array. On a GPU all images lie in its memory as uint8 where they fit, and a
batch is looked up there. Where they do not fit, a thread copies the next batches into page-locked memory, and from
there to the GPU on a stream of its own, while the GPU computes. All three ways give the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Indices = NDArray[np.int64]
Way = Literal["host", "resident", "streamed"]

_SHARE = 0.25  # of the free memory of a GPU that images may take; packed trials and activations need the rest
_AHEAD = 2  # batches on their way while one is used

_on_device: WeakValueDictionary[tuple[str, str], Tensor] = WeakValueDictionary()
"""Images by hash and device: the trials of one process share them, and the last one frees them."""


def to_device(array: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Return a small array, or a tensor on the CPU, as a tensor on a device; a GPU is not waited for.

    >>> to_device(np.arange(3), torch.device("cpu"))
    tensor([0, 1, 2])
    """
    host = array if isinstance(array, Tensor) else torch.from_numpy(array)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host


class Feed:
    """Batches of the images of a data set.

    Args:
        images: (N, C, H, W) uint8, often memory-mapped.
        sha256: Hash of the data set.
        device: Where the batches are needed.
        way: How they get there; None chooses by device and free memory.

    Attributes:
        way: `host` (read from the array), `resident` (looked up in the memory of the device) or `streamed`.
    """

    def __init__(self, images: NDArray[np.uint8], sha256: str, device: torch.device, way: Way | None = None) -> None:
        self._images, self._device = images, device
        self.way = way or _way(images, sha256, device)
        self._resident: Tensor | None = None
        if self.way == "resident":
            try:
                self._resident = _shared(images, sha256, device)
            except torch.OutOfMemoryError:  # another process took the memory in between
                self.way = "streamed"

    def batches(self, parts: Sequence[Indices]) -> Generator[Tensor, None, None]:
        """Yield the images (n, C, H, W), uint8 on the device, of each part of the samples.

        Args:
            parts: Index arrays into the images.
        """
        if self.way == "streamed":
            return self._streamed(parts)
        if self._resident is None:
            return (torch.from_numpy(self._images[part]) for part in parts)
        whole = self._resident
        where = torch.split(to_device(np.concatenate(parts), self._device), [len(part) for part in parts])
        return (whole[at] for at in where)

    def _streamed(self, parts: Sequence[Indices]) -> Generator[Tensor, None, None]:
        stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None  # type: ignore[no-untyped-call]
        waiting: deque[Future[tuple[Tensor, Any]]] = deque()
        pool = ThreadPoolExecutor(1, thread_name_prefix="images")
        try:
            for part in parts:
                waiting.append(pool.submit(self._copy, part, stream))
                if len(waiting) > _AHEAD:
                    yield _arrived(*waiting.popleft().result())
            while waiting:
                yield _arrived(*waiting.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _copy(self, part: Indices, stream: Any) -> tuple[Tensor, Any]:
        """Return a batch on the device, and the event after which it is there; runs in the thread."""
        shape = (len(part), *self._images.shape[1:])
        host = torch.empty(shape, dtype=torch.uint8, pin_memory=stream is not None)
        np.take(self._images, part, axis=0, out=host.numpy(), mode="clip")  # other modes copy once more
        if stream is None:
            return host, None
        with torch.cuda.stream(stream):
            batch = host.to(self._device, non_blocking=True)
            return batch, stream.record_event()


def _way(images: NDArray[np.uint8], sha256: str, device: torch.device) -> Way:
    if device.type != "cuda":
        return "host" if device.type == "cpu" else "resident"
    if (sha256, str(device)) in _on_device:
        return "resident"
    free, _ = torch.cuda.mem_get_info(device)
    return "resident" if images.nbytes <= _SHARE * free else "streamed"


def _shared(images: NDArray[np.uint8], sha256: str, device: torch.device) -> Tensor:
    """Return all images on the device."""
    key = (sha256, str(device))
    found = _on_device.get(key)
    if found is None:
        found = torch.tensor(images, device=device)
        _on_device[key] = found
    return found


def _arrived(batch: Tensor, event: Any) -> Tensor:
    """Return a batch that the current stream of its device may use."""
    if event is not None:
        current = torch.cuda.current_stream(batch.device)
        current.wait_event(event)
        batch.record_stream(current)  # its memory is not reused before this stream is done with it
    return batch
