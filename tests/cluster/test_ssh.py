"""`ray up` with machines that are there already, over ssh; then what can happen to them while a study runs.

The tests follow each other on one cluster: a head and three workers.
"""

import sys

import pytest
from clusters import STUDY, Cluster, Recovery, filled_in, finished, in_the_middle, outcomes, writing_times
from lab import CHECKOUT, wait_for

pytestmark = pytest.mark.cluster
ADDRESSES = {"head": "10.77.0.10", "w1": "10.77.0.11", "w2": "10.77.0.12", "w3": "10.77.0.13"}
WORKERS = ("w1", "w2", "w3")


@pytest.fixture(scope="module")
def hosts(lab):
    return {name: lab.boot(name, f"{address}/24") for name, address in ADDRESSES.items()}


@pytest.fixture(scope="module")
def cluster(lab, hosts, undisturbed):
    values = {
        "head_ip": ADDRESSES["head"],
        "worker_ips": f"[{', '.join(ADDRESSES[name] for name in WORKERS)}]",
        "ssh_user": "root",
        "ssh_private_key": "~/.ssh/lab_key",
        "environment": f"bash ~/soft-silhouette/deploy/install.sh {sys.prefix}",
    }
    cluster = Cluster(lab.operator, filled_in((CHECKOUT / "deploy/local.yaml").read_text(), values))
    cluster.up()
    wait_for(lambda: all(serving(hosts[name]) for name in WORKERS), 120)
    return cluster


def serving(host):
    return host.processes("raylet/raylet ")


def run(results):
    return " ".join(("ablate run", *STUDY, "--address auto --checkpoint-seconds 0 --results", results))


def test_worker_killed_and_worker_cut_off(lab, hosts, cluster, undisturbed, tmp_path):
    results, log = lab.shared / "workers", tmp_path / "log"
    study = cluster.start(run("/shared/workers"), log)
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 3))
    before = writing_times(results)
    recovery = Recovery(results)
    hosts["w1"].kill()
    lab.cut(hosts["w2"])
    recovery.watch(study, "worker killed, worker cut off, one left")
    finished(study, log)
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()
    lab.plug(hosts["w2"])


def test_driver_killed(lab, hosts, cluster, undisturbed, tmp_path):
    results, log = lab.shared / "driver", tmp_path / "log"
    study = cluster.start(run("/shared/driver"), log)
    wait_for(lambda: study.poll() is not None or writing_times(results))
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 1))
    hosts["head"].run("pkill -KILL -f '[a]blate run'")
    assert study.wait(60) != 0, log.read_text()
    before = writing_times(results)
    assert "6/6 complete" in cluster.submit(run("/shared/driver"))
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()


def test_head_lost(lab, hosts, cluster, undisturbed, tmp_path):
    results, log = lab.shared / "head", tmp_path / "log"
    study = cluster.start(run("/shared/head"), log)
    wait_for(lambda: study.poll() is not None or writing_times(results))
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 1))
    recovery = Recovery(results)
    hosts["head"].kill()
    assert study.wait(120) != 0, log.read_text()
    before = writing_times(results)
    for name in ("head", "w1"):
        hosts[name] = lab.boot(name, f"{ADDRESSES[name]}/24")
    cluster.down()  # what comes back is a new machine; without this `ray up` believes that it is set up already
    cluster.up()
    wait_for(lambda: any(serving(hosts[name]) for name in WORKERS), 120)
    study = cluster.start(run("/shared/head"), log)
    recovery.watch(study, "head lost, ray up and ablate run again")
    finished(study, log)
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()


def test_down_ends_ray_on_every_machine(hosts, cluster):
    cluster.down()
    at_work = "raylet/raylet |gcs_server |ray::|ablate"  # Ray leaves a reader of log files on each worker
    wait_for(lambda: not any(host.processes(at_work) for host in hosts.values()), 240)
