"""One of the processes of a training: `python -m silhouette.training.distributed.process FD`.

It does what comes through the socket FD, which only the process that started it holds, and ends with that process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from silhouette.config import TrialConfig
from silhouette.errors import InputError
from silhouette.training.distributed.messages import receive, send
from silhouette.training.ranks import Ranks
from silhouette.training.run import Training

Commands = queue.Queue[tuple[str, Any]]


def main(fd: int) -> None:
    """Join the group, and answer each command with `("ok", value)` or `("error", (kind, text))`, until the end."""
    commands: Commands = queue.Queue()
    connection = Connection(fd)
    threading.Thread(target=_listen, args=(connection, commands), daemon=True).start()
    training: Training | None = None
    while True:
        name, argument = commands.get()
        try:
            if training is None:
                training = _start(argument)
                value = None
            else:
                value = _answer(training, name, argument)
            answer: tuple[str, Any] = ("ok", value)
        except Exception as error:  # whatever a trial raises is told to the worker, which ends all processes
            answer = ("error", (_kind(error), _text(error)))
        send(connection, answer)


def _listen(connection: Connection, commands: Commands) -> None:
    """Take commands; end the process, also in the middle of a step, when the one that started it has ended."""
    try:
        while True:
            commands.put(tuple(receive(connection)))
    except (EOFError, OSError):
        os._exit(0)


def _start(given: dict[str, Any]) -> Training:
    """Return the training, as one of a group of processes."""
    rank, size, device = given["rank"], given["size"], torch.device(given["device"])
    timeout = timedelta(seconds=given["timeout"])
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    listener = {"master_listen_fd": given["listener"]} if rank == 0 else {}
    store = dist.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", given["port"], size, rank == 0, timeout=timeout, **listener
    )
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=timeout,
        device_id=device if on_gpu else None,
    )
    config = TrialConfig(**given["config"])
    return Training(config, given["seed"], device=given["device"], threads=given["threads"], ranks=Ranks(rank, size))


def _answer(training: Training, name: str, argument: Any) -> Any:
    if name == "step":
        return _progress(training, training.step())
    if name == "load":
        training.load_state_dict(argument)
        return _progress(training, None)
    if name == "load_weights":
        training.load_weights({key: value.numpy() for key, value in argument.items()})
        return None
    return {
        "state": training.state_dict,
        "result": lambda: training.result(test=argument),
        "weights": training.weights,
        "embeddings": training.embeddings,
    }[name]()


def _progress(training: Training, row: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the worker shows of the training; of the process that evaluates."""
    if not training.ranks.leads:
        return {}
    about = {"epoch": training.epoch, "status": training.status, "error": training.error}
    return {**about, "row": row, "curve": training.curve if row is None else None}


def _kind(error: Exception) -> str:
    if isinstance(error, InputError):
        return "input"
    return "memory" if isinstance(error, torch.OutOfMemoryError) else "other"


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else "".join(traceback.format_exception(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
