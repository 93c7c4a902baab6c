"""What Slurm gave this job, as its environment says."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ablations.errors import StudyError


@dataclass(frozen=True)
class Allocation:
    """One job, seen from one of its nodes.

    Attributes:
        job: Its id; a task of an array has one of its own.
        nodes: How many nodes it has.
        node_list: Their names, as Slurm shortens them.
        node: Slurm's name of this node.
        cpus: CPUs of the job on this node.
        gpus: GPUs of the job on this node.
        restarts: How often the job was requeued.
    """

    job: str
    nodes: int
    node_list: str
    node: str
    cpus: int
    gpus: int
    restarts: int = 0


def read_allocation(environment: Mapping[str, str] = os.environ) -> Allocation:
    """The job that this process is in.

    Raises:
        StudyError: Outside a job.
    """
    job = environment.get("SLURM_JOB_ID")
    if not job:
        raise StudyError("SLURM_JOB_ID: is not set; this command runs inside a job that `ablate slurm` submits")
    cpus = _number(environment, "SLURM_CPUS_PER_TASK") or _number(environment, "SLURM_CPUS_ON_NODE") or 1
    return Allocation(
        job=job,
        nodes=_number(environment, "SLURM_JOB_NUM_NODES") or 1,
        node_list=environment.get("SLURM_JOB_NODELIST", ""),
        node=environment.get("SLURMD_NODENAME") or socket.gethostname(),
        cpus=cpus,
        gpus=_number(environment, "SLURM_GPUS_ON_NODE"),
        restarts=_number(environment, "SLURM_RESTART_COUNT"),
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "").partition("(")[0]
    return int(text) if text.isdecimal() else 0


def address_of(node: str) -> str | None:
    """The IPv4 address by which other machines reach a node; None if its name gives only loopback addresses.

    On Debian a machine's own name is often 127.0.1.1.
    """
    for name in dict.fromkeys((node, socket.getfqdn(node))):
        with suppress(OSError):
            for found in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM):
                address = str(found[4][0])
                if not ipaddress.ip_address(address).is_loopback:
                    return address
    return None


def outward_address(towards: str) -> str | None:
    """The address of this machine on the way to another; None if there is no way. Sends nothing."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])
    return None
