"""How many candidates a search runs at once, on one machine and on a cluster that grows."""

import math
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ablations.cluster.nodes import Node
from ablations.cluster.resources import GROWTH_SECONDS, ConcurrencyLimit, TrialResources, largest_node, usable_cpus
from ablations.driver.options import RunOptions, threads_of, trial_resources
from ablations.errors import StudyError


def limit_of(slots, grows):
    cluster = SimpleNamespace(slots=slots, asked=0, now=0.0)

    def fits():
        cluster.asked += 1
        return cluster.slots

    return cluster, ConcurrencyLimit(SimpleNamespace(fits=fits), grows, lambda: cluster.now)


def test_on_a_local_ray_nothing_waits():
    _, limit = limit_of(2, grows=False)
    assert limit() == 2


def test_the_limit_is_at_least_one():
    _, limit = limit_of(0, grows=False)
    assert limit() == 1


def test_a_growing_cluster_doubles_until_it_stops_growing():
    cluster, limit = limit_of(0, grows=True)
    seen = []
    for slots in (0, 2, 4, 6, 6):
        cluster.slots, cluster.now = slots, cluster.now + 300
        seen.append(limit())
    assert seen == [2, 4, 8, 12, 12]
    cluster.now += GROWTH_SECONDS
    assert limit() == 7  # one candidate that waits is enough to make it grow again
    cluster.slots, cluster.now = 7, cluster.now + 300
    assert limit() == 14


def test_the_limit_ignores_a_lost_machine_and_grows_at_its_return():
    cluster, limit = limit_of(4, grows=True)
    cluster.slots, cluster.now = 3, GROWTH_SECONDS
    assert limit() == 4
    cluster.slots, cluster.now = 4, 2 * GROWTH_SECONDS
    assert limit() == 8


def test_the_cluster_is_asked_once_a_second():
    cluster, limit = limit_of(4, grows=True)
    for _ in range(10):
        limit()
        cluster.now += 0.25
    assert cluster.asked == 3  # at the start, after one second and after two


def test_a_process_counts_the_cpus_that_its_affinity_allows():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from ablations.cluster.resources import usable_cpus; print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, None),
        ({"job/cpu.max": "max 100000"}, None),
        ({"job/cpu.max": "100000 100000"}, 1),
        ({"job/cpu.max": "50000 100000"}, 1),  # half a CPU still runs one trial
        ({"cpu.max": "max 100000", "job/cpu.max": "max 100000", "job/step/cpu.max": "100000 100000"}, 1),
        ({"job/cpu.max": "100000 100000", "job/step/cpu.max": "max 100000"}, 1),  # a parent's quota holds as well
        ({"job/cpu.max": "6400000 100000"}, None),
        ({"job/cpu.max": "damaged"}, None),
    ],
)
def test_a_process_counts_the_cpus_that_its_control_groups_allow(tmp_path, limits, expected):
    (tmp_path / "job/step").mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("0::/job/step\n")
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path, own) == (expected or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SLURM_CPUS_PER_TASK": "1"}, 1),
        ({"SLURM_CPUS_ON_NODE": "1"}, 1),
        ({"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "64"}, 1),
        ({"SLURM_CPUS_PER_TASK": "640"}, None),
        ({"SLURM_CPUS_PER_TASK": "damaged", "SLURM_CPUS_ON_NODE": ""}, None),
    ],
)
def test_a_process_counts_the_cpus_that_slurm_gave_its_task(monkeypatch, environment, expected):
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    free = usable_cpus()
    assert free > 1
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert usable_cpus() == (expected or free)


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert usable_cpus(tmp_path, tmp_path / "no such file") == len(os.sched_getaffinity(0))


def test_resources_are_shown_with_their_labels():
    assert str(TrialResources(1, 0.0, {})) == "1 CPU"
    assert str(TrialResources(2, 0.25, {"pool": "gpu"})) == "2 CPU, 0.25 GPU, pool=gpu"


def node(gpus, **labels):
    return Node("id", "host", {"CPU": 4.0, "GPU": gpus}, labels)


@pytest.mark.parametrize(
    ("nodes", "types", "labels", "largest"),
    [
        ([], {}, {}, 0),
        ([node(2.0), node(4.0)], {}, {}, 4),
        ([node(2.0, pool="small"), node(4.0, pool="large")], {}, {"pool": "small"}, 2),
        ([node(2.0)], {"gpu": {"resources": {"CPU": 8, "GPU": 8}}}, {}, 8),
        ([node(2.0)], {"gpu": {"resources": {"GPU": 8}, "labels": {"pool": "a"}}}, {"pool": "b"}, 0),
        ([node(2.0)], {"gpu": {"node_config": {}}}, {}, math.inf),  # the cloud says what it has
    ],
)
def test_the_largest_node_is_one_that_is_there_or_may_come(monkeypatch, nodes, types, labels, largest):
    monkeypatch.setattr("ablations.cluster.resources.alive", lambda: nodes)
    assert largest_node(labels, types) == largest


def test_trials_of_several_processes_need_a_gpu_and_a_cpu_for_each(monkeypatch):
    for module in ("ablations.cluster.resources", "ablations.driver.options"):
        monkeypatch.setattr(f"{module}.alive", lambda: [node(2.0)])
    assert trial_resources(RunOptions()).gpus == 1
    assert trial_resources(RunOptions(), 2) == trial_resources(RunOptions(gpus=2), 2)
    assert trial_resources(RunOptions(), 2).amounts == {"CPU": 2, "GPU": 2}
    assert trial_resources(RunOptions(gpus=0), 4).amounts == {"CPU": 4, "GPU": 0}
    assert threads_of(RunOptions(cpus=6), 2) == 3
    assert threads_of(RunOptions(), 2) == 1


@pytest.mark.parametrize(("gpus", "processes", "option"), [(4, 4, "--gpus-per-trial"), (None, 4, "world_size")])
def test_more_gpus_than_any_node_has_are_one_line(monkeypatch, gpus, processes, option):
    for module in ("ablations.cluster.resources", "ablations.driver.options"):
        monkeypatch.setattr(f"{module}.alive", lambda: [node(2.0), node(0.0)])
    with pytest.raises(StudyError) as caught:
        trial_resources(RunOptions(gpus=gpus), processes)
    line = f"{option}: the GPUs of a trial are on one node, and the largest has 2; lower it, got 4"
    assert str(caught.value) == line
