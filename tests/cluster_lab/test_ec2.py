"""`ray up cluster.yaml` on an emulated EC2: spot machines with GPUs, a preemption, no spot capacity, the head lost.

The tests use one cluster, in this order. The GPUs do not exist: Ray is given their number, as on a real machine of that
type, and their trials compute on the CPU.
"""

import sys
import time

import pytest

from ablations.state.lock import STALE_SECONDS
from tests.cluster_lab.clusters import STUDY, Cluster, Recovery, filled_in, finished, outcomes
from tests.cluster_lab.region import BUCKET, NAME, PERSON, Region
from tests.cluster_lab.virtual_hosts import CHECKOUT
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.cluster
IDLE_SECONDS = 20


@pytest.fixture(scope="module")
def region(hosts):
    with Region(hosts) as region:
        yield region


@pytest.fixture(scope="module")
def cluster(hosts, region, undisturbed):
    values = {
        "region": NAME,
        "image": "ami-0123456789abcdef0",
        "security_group": region.group,
        "gpu_spot": "2",
        "cpu_spot": "2",
        "gpu_idle": str(IDLE_SECONDS),
        "environment": f"bash ~/soft-silhouette/deploy/install.sh {sys.prefix}",
    }
    cluster = Cluster(hosts.operator, filled_in((CHECKOUT / "cluster.yaml").read_text(), values), **PERSON)
    cluster.up()
    return cluster


def test_up_starts_the_head_alone(region, cluster):
    assert [found["InstanceType"] for found in region.running().values()] == ["m6i.large"]


def test_gpu_trials_start_spot_machines_and_survive_the_preemption_of_one(region, cluster, undisturbed, tmp_path):
    log = tmp_path / "log"
    options = "--address auto --gpus-per-trial 1 --label pool=gpu --label market=spot --checkpoint-seconds 0"
    study = cluster.start(" ".join(("ablate run", *STUDY, options, f"--results s3://{BUCKET}/runs")), log)
    checkpoints = "runs/demo/checkpoints/"
    wait_for(lambda: study.poll() is not None or (len(region.workers()) == 2 and region.objects(checkpoints)), 180)
    assert study.poll() is None, log.read_text()
    machines = region.workers()
    assert {found["InstanceType"] for found in machines.values()} == {"g5.xlarge"}
    assert {found["InstanceLifecycle"] for found in machines.values()} == {"spot"}
    victim = min(machines)
    wait_for(lambda: "watching" in watcher(region, victim), 60)
    region.give_notice(victim, 20)
    wait_for(lambda: "drained" in watcher(region, victim), 60)
    before = region.objects("runs/demo/trials/")
    time.sleep(5)  # the notice itself must not end anything
    assert "lost its" not in log.read_text()
    assert "preempted" not in log.read_text()
    recovery = Recovery(lambda: region.checkpoints("runs/demo"))
    region.host(victim).run("kill -TERM -1")  # the machine shuts down, then it is terminated
    region.terminate(victim)
    recovery.watch(study, "spot machine preempted")
    finished(study, log)
    assert before.items() <= region.objects("runs/demo/trials/").items()
    assert outcomes(region.download("runs", tmp_path)) == undisturbed
    text = " ".join(log.read_text().split())  # a terminal wraps lines
    assert "node preempted; not counted as a failure" in text
    assert "lost its worker" not in text


def watcher(region, instance):
    """The output of the spot watcher of an instance."""
    return region.host(instance).run("cat /tmp/spot-watch.log").stdout


def test_without_spot_capacity_an_on_demand_machine_is_started(region, cluster, undisturbed, tmp_path):
    wait_for(lambda: not region.workers(), 60 + 4 * IDLE_SECONDS)
    log = tmp_path / "log"
    # the last --seeds counts. Two spot machines hold these two trials, so Ray itself requests no other type
    options = f"--seeds 1 --address auto --gpus-per-trial 1 --label pool=gpu --results s3://{BUCKET}/on-demand"
    with region.without_spot():
        study = cluster.start(" ".join(("ablate run", *STUDY, options)), log)
        wait_for(lambda: study.poll() is not None or region.workers(), 180)
        assert {found.get("InstanceLifecycle") for found in region.workers().values()} == {None}
        finished(study, log)
    text = " ".join(log.read_text().split())
    assert "InsufficientInstanceCapacity" in text
    assert "also requesting gpu-on-demand" in text
    found = outcomes(region.download("on-demand", tmp_path))
    assert len(found) == 2
    assert found == {trial_id: undisturbed[trial_id] for trial_id in found}


def test_idle_workers_are_terminated(region, cluster):
    wait_for(lambda: not region.workers(), 60 + 4 * IDLE_SECONDS)
    assert len(region.running()) == 1


def test_head_lost(region, cluster, undisturbed, tmp_path):
    log = tmp_path / "log"
    options = f"--address auto --label pool=cpu --checkpoint-seconds 0 --results s3://{BUCKET}/head"
    study = cluster.start(" ".join(("ablate run", *STUDY, options)), log)
    wait_for(lambda: study.poll() is not None or region.objects("head/demo/checkpoints/"), 180)
    assert study.poll() is None, log.read_text()
    (head,) = region.running().keys() - region.workers().keys()
    region.terminate(head)
    assert study.wait(120) != 0
    before, lost = region.objects("head/demo/trials/"), time.monotonic()
    cluster.up()
    time.sleep(max(0.0, STALE_SECONDS + 5 - (time.monotonic() - lost)))  # on S3 a heartbeat is the lock
    study = cluster.start(" ".join(("ablate run", *STUDY, options)), log)
    finished(study, log)
    assert {found["InstanceType"] for found in region.workers().values()} == {"m6i.2xlarge"}
    assert before.items() <= region.objects("head/demo/trials/").items()
    assert outcomes(region.download("head", tmp_path)) == undisturbed


def test_down_leaves_no_instance(region, cluster):
    cluster.down()
    assert not region.running()
