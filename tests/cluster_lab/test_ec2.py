"""`ray up cluster.yaml` on a pretend EC2: from no worker to spot machines with GPUs, one taken back, none to
be had, none again; then machines without GPUs, and the head lost.

The tests follow each other on one cluster. There are no GPUs: Ray is told of them, as on a real machine of that type,
and the trials that hold them compute on the CPU.
"""

import sys
import time

import pytest

from ablations.state.lock import STALE_SECONDS
from tests.cluster_lab.clusters import STUDY, Cluster, Recovery, filled_in, finished, outcomes
from tests.cluster_lab.region import BUCKET, NAME, PERSON, Region
from tests.cluster_lab.virtual_hosts import CHECKOUT, wait_for

pytestmark = pytest.mark.cluster
IDLE_SECONDS = 20


@pytest.fixture(scope="module")
def region(lab):
    with Region(lab) as region:
        yield region


@pytest.fixture(scope="module")
def cluster(lab, region, undisturbed):
    values = {
        "region": NAME,
        "image": "ami-0123456789abcdef0",
        "security_group": region.group,
        "gpu_spot": "2",
        "cpu_spot": "2",
        "gpu_idle": str(IDLE_SECONDS),
        "environment": f"bash ~/soft-silhouette/deploy/install.sh {sys.prefix}",
    }
    cluster = Cluster(lab.operator, filled_in((CHECKOUT / "cluster.yaml").read_text(), values), **PERSON)
    cluster.up()
    return cluster


def test_up_starts_the_head_alone(region, cluster):
    assert [found["InstanceType"] for found in region.running().values()] == ["m6i.large"]


def test_gpu_trials_fetch_spot_machines_and_survive_the_loss_of_one(region, cluster, undisturbed, tmp_path):
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
    time.sleep(5)  # a notice ends nothing by itself
    assert "lost its" not in log.read_text()
    recovery = Recovery(lambda: region.checkpoints("runs/demo"))
    region.host(victim).run("kill -TERM -1")  # the machine shuts down, then it is gone
    region.take(victim)
    recovery.watch(study, "spot machine taken back")
    finished(study, log)
    assert before.items() <= region.objects("runs/demo/trials/").items()
    assert outcomes(region.download("runs", tmp_path)) == undisturbed
    said = " ".join(log.read_text().split())
    assert "lost its machine, which was taken back: no failure" in said
    assert "lost its worker" not in said


def watcher(region, instance):
    """What the spot watcher of an instance has said."""
    return region.host(instance).run("cat /tmp/spot-watch.log").stdout


def test_without_spot_machines_the_on_demand_twin_steps_in(region, cluster, undisturbed, tmp_path):
    wait_for(lambda: not region.workers(), 60 + 4 * IDLE_SECONDS)
    log = tmp_path / "log"
    # the later --seeds counts: two trials, which two spot machines would hold, so that Ray itself asks for no other
    options = f"--seeds 1 --address auto --gpus-per-trial 1 --label pool=gpu --results s3://{BUCKET}/dear"
    with region.without_spot():
        study = cluster.start(" ".join(("ablate run", *STUDY, options)), log)
        wait_for(lambda: study.poll() is not None or region.workers(), 180)
        assert {found.get("InstanceLifecycle") for found in region.workers().values()} == {None}
        finished(study, log)
    said = " ".join(log.read_text().split())  # a terminal wraps lines
    assert "InsufficientInstanceCapacity" in said
    assert "asking for gpu-on-demand as well" in said
    found = outcomes(region.download("dear", tmp_path))
    assert len(found) == 2
    assert found == {trial_id: undisturbed[trial_id] for trial_id in found}


def test_idle_workers_go(region, cluster):
    wait_for(lambda: not region.workers(), 60 + 4 * IDLE_SECONDS)
    assert len(region.running()) == 1


def test_head_lost(region, cluster, undisturbed, tmp_path):
    log = tmp_path / "log"
    options = f"--address auto --label pool=cpu --checkpoint-seconds 0 --results s3://{BUCKET}/head"
    study = cluster.start(" ".join(("ablate run", *STUDY, options)), log)
    wait_for(lambda: study.poll() is not None or region.objects("head/demo/checkpoints/"), 180)
    assert study.poll() is None, log.read_text()
    (head,) = region.running().keys() - region.workers().keys()
    region.take(head)
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
