"""A trial in two processes on the CPU: the same bits again and after a resume, lost processes, what it listens on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.errors import InputError
from silhouette.training.distributed import DistributedTraining, team, training
from tests.helpers.plugin import NAME, write_plugin
from tests.helpers.waiting import wait_for

LISTEN, LOOPBACK = "0A", "0100007F"  # in /proc/net/tcp


def config(**settings):
    return TrialConfig(
        **{"epochs": 2, "width": 4, "lambda_sil": 0.2, "train_fraction": 0.5, "world_size": 2, **settings}
    )


@pytest.fixture
def start():
    """Start trainings that end with the test."""
    started = []

    def begin(seed=0, **settings):
        started.append(DistributedTraining(config(**settings), seed, device="cpu", threads=1))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def finish(one):
    while not one.done:
        one.step()
    return one


def bits(one):
    result = one.result()
    for row in (result, *result["curve"]):
        for name in ("seconds", "images_per_second", "peak_memory"):
            row.pop(name, None)
    return {name: value.tobytes() for name, value in one.weights().items()}, result


def ended(pids):
    """Whether all processes have ended; they were children of this one, which waits for them."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def listening(pids):
    """Addresses of the TCP sockets that processes listen on, as /proc writes them."""
    found = []
    for pid in pids:
        sockets = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
        for table in ("tcp", "tcp6"):
            rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
            found += [row[1] for row in rows if row[3] == LISTEN and f"socket:[{row[9]}]" in sockets]
    return found


def test_the_same_bits_again_and_after_a_resume(start):
    whole = bits(finish(start()))
    assert bits(finish(start())) == whole
    first = start()
    first.step()
    state = first.state_dict()
    first.close()
    resumed = start()
    resumed.load_state_dict(state)
    assert (resumed.epoch, len(resumed.curve)) == (1, 1)
    assert bits(finish(resumed)) == whole


@pytest.mark.slow
def test_three_processes_with_dropout_resume_with_the_same_bits(start, tmp_path, monkeypatch):
    write_plugin(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = {
        **{"world_size": 3, "batch_size": 48, "encoder": f"{NAME}.nets:tiny", "encoder.drop": 0.3},
        **{"objective": "ce + kcl", "transform": "crop_flip", "class_memory": "momentum"},
    }
    whole = bits(finish(start(**settings)))
    first = start(**settings)
    first.step()
    resumed = start(**settings)
    resumed.load_state_dict(first.state_dict())
    assert bits(finish(resumed)) == whole


@pytest.mark.slow
def test_what_is_kept_describes_the_network(start):
    one = start(epochs=1)
    one.step()
    weights, found = one.weights(), one.embeddings()
    alone = Training(config(epochs=1), 0, device="cpu", threads=1)
    alone.load_weights(weights)
    for name, value in alone.embeddings().items():
        np.testing.assert_array_equal(found[name], value)
    one.load_weights({name: np.zeros_like(value) for name, value in weights.items()})
    assert not one.embeddings()["features"].any()


def test_it_listens_on_this_machine_alone(start):
    one = start()
    addresses = listening(one.pids)
    assert addresses
    assert {address.partition(":")[0] for address in addresses} == {LOOPBACK}


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_killed_process_ends_the_others_with_its_name(start, rank):
    one = start(epochs=50)
    one.step()
    os.kill(one.pids[rank], signal.SIGKILL)
    with pytest.raises(team.LostProcess, match=f"process {rank} of 2 was lost: signal SIGKILL"):
        finish(one)
    assert ended(one.pids)


@pytest.mark.slow
def test_a_process_that_stands_still_is_given_up(start, monkeypatch):
    monkeypatch.setattr(team, "TIMEOUT_SECONDS", 20.0)
    one = start(epochs=50)
    one.step()
    os.kill(one.pids[1], signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(RuntimeError):
        finish(one)
    assert time.monotonic() - begun < 60
    assert ended(one.pids)


def test_the_processes_end_with_the_object():
    one = DistributedTraining(config(), 0, device="cpu", threads=1)
    pids = one.pids
    assert not ended(pids)
    del one
    assert ended(pids)


ORPHANS = """
from silhouette import TrialConfig
from silhouette.training.distributed import DistributedTraining

training = DistributedTraining(TrialConfig(epochs=1000, world_size=2), 0, device="cpu", threads=1)
print(*training.pids, flush=True)
while True:
    training.step()
"""


@pytest.mark.slow
def test_the_processes_end_with_a_killed_worker():
    worker = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in worker.stdout.readline().split()]
    time.sleep(2)  # into a step
    worker.kill()
    worker.wait()
    assert len(pids) == 2
    wait_for(lambda: ended(pids), seconds=20)


@pytest.mark.slow
def test_a_divergence_is_a_result(start):
    one = finish(start(lr=100.0, optimizer="sgd", encoder="resnet32", lambda_sil=0.0, train_fraction=0.2))
    assert (one.status, one.epoch, one.curve) == ("diverged", 0, [])
    assert "not finite" in one.error or "loss is" in one.error
    assert one.result()["status"] == "diverged"


def test_data_that_cannot_be_shared_are_one_line(start):
    with pytest.raises(InputError, match="world_size: must divide the 51 samples of a batch") as caught:
        start(train_fraction=0.05)
    assert "\n" not in str(caught.value)


def test_fewer_gpus_than_processes_are_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"each process needs a GPU of its own, and there are 1 here; .*, got 2$"):
        training.DistributedTraining(config(), 0)


@pytest.mark.gpu
def test_two_gpus_resume_with_the_same_bits():
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    first = DistributedTraining(config(), 0, threads=1)
    first.step()
    resumed = DistributedTraining(config(), 0, threads=1)
    resumed.load_state_dict(first.state_dict())
    assert bits(finish(resumed)) == bits(finish(first))
