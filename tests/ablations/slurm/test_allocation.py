"""What a job's environment says, and the address of a node."""

import socket

import pytest

from ablations.errors import StudyError
from ablations.slurm import allocation, worker_node
from ablations.slurm.allocation import Allocation, address_of, read_allocation
from ablations.slurm.ray_node import head_state, make_folder, remove_folder


def test_a_job_is_read_from_its_environment():
    environment = {
        "SLURM_JOB_ID": "42", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "n[1-2]", "SLURMD_NODENAME": "n1",
        "SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8", "SLURM_GPUS_ON_NODE": "2", "SLURM_RESTART_COUNT": "1",
    }  # fmt: skip
    assert read_allocation(environment) == Allocation("42", 2, "n[1-2]", "n1", 4, 2, 1)
    del environment["SLURM_CPUS_PER_TASK"]
    assert read_allocation(environment).cpus == 8


def test_outside_a_job_there_is_one_line():
    with pytest.raises(StudyError, match=r"^SLURM_JOB_ID: is not set"):
        read_allocation({})


@pytest.mark.parametrize(
    ("found", "expected"),
    [(["127.0.1.1", "10.1.2.3"], "10.1.2.3"), (["127.0.1.1"], None), ([], None)],
)
def test_the_address_of_a_node_is_no_loopback(monkeypatch, found, expected):
    monkeypatch.setattr(socket, "getfqdn", lambda name: name)
    monkeypatch.setattr(allocation.socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", (address, 0)) for address in found])
    assert address_of("n1") == expected


def test_the_state_of_a_head_tells_a_dead_process_from_a_dead_machine(monkeypatch):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        assert head_state(address) == "up"
    assert head_state(address) == "refused"

    def no_route(*_, **__):
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", no_route)
    assert head_state(address) == "unreachable"


@pytest.mark.parametrize(
    ("states", "returns", "requeued"),
    [
        (["refused", "up"], True, []),  # its job starts it again
        (["unreachable", "unreachable"], False, ["42"]),  # its machine is gone, and the batch script with it
        (["unreachable", "refused", "up"], True, []),  # a lost packet
    ],
)
def test_a_node_that_lost_its_head_waits_or_requeues_the_job(monkeypatch, states, returns, requeued):
    seen, left = [], list(states)
    monkeypatch.setattr(worker_node, "head_state", lambda *_: left.pop(0))
    monkeypatch.setattr(worker_node, "requeue", seen.append)
    monkeypatch.setattr(worker_node.time, "sleep", lambda _: None)
    told = type("Told", (), {"ended": False, "cancelled": False})
    job = Allocation("42", 2, "n[1-2]", "n2", 1, 0)
    assert worker_node._head_returns(told, job, "10.0.0.1:6379", "") is returns
    assert seen == requeued


def test_after_scancel_a_node_never_requeues(monkeypatch):
    monkeypatch.setattr(worker_node, "head_state", lambda *_: pytest.fail("not asked"))
    told = type("Told", (), {"ended": False, "cancelled": True})
    assert not worker_node._head_returns(told, Allocation("42", 2, "", "n2", 1, 0), "10.0.0.1:6379", "")


def test_the_folder_of_a_job_is_its_owners_and_short():
    folder = make_folder()
    assert (folder.stat().st_mode & 0o777, len(str(folder)) < 20) == (0o700, True)
    (folder / "t/session").mkdir(parents=True)
    remove_folder(folder)
    assert not folder.exists()
