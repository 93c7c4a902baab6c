"""`ray up` over ssh on existing machines, and faults of these machines while a study runs.

The tests use one cluster, in this order: a head, three workers, and a machine with another version of Ray.
"""

import re
import sys
from pathlib import Path

import pytest
import ray

from tests.cluster_lab.clusters import (
    STUDY,
    Cluster,
    Recovery,
    checkpoints_in,
    filled_in,
    finished,
    in_the_middle,
    outcomes,
    writing_times,
)
from tests.cluster_lab.virtual_hosts import CHECKOUT
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.cluster
ADDRESSES = {"head": "10.77.0.10", "w1": "10.77.0.11", "w2": "10.77.0.12", "w3": "10.77.0.13", "old": "10.77.0.14"}
WORKERS = ("w1", "w2", "w3")
RAY = f"{Path(ray.__file__).parent}/_version.py"


@pytest.fixture(scope="module")
def machines(hosts):
    machines = {name: hosts.boot(name, f"{address}/24") for name, address in ADDRESSES.items()}
    assert machines["old"].run(f"sed -i 's/{ray.__version__}/2.59.0/' {RAY}").returncode == 0
    return machines


@pytest.fixture(scope="module")
def cluster(hosts, machines, undisturbed):
    values = {
        "head_ip": ADDRESSES["head"],
        "worker_ips": f"[{', '.join(ADDRESSES[name] for name in (*WORKERS, 'old'))}]",
        "ssh_user": "root",
        "ssh_private_key": "~/.ssh/lab_key",
        "environment": f"bash ~/soft-silhouette/deploy/install.sh {sys.prefix}",
    }
    cluster = Cluster(hosts.operator, filled_in((CHECKOUT / "deploy/local.yaml").read_text(), values))
    cluster.up()
    wait_for(lambda: all(serving(machines[name]) for name in WORKERS), 120)
    return cluster


def serving(host):
    return host.processes("raylet/raylet ")


def run(results):
    return " ".join(("ablate run", *STUDY, "--address auto --checkpoint-seconds 0 --results", results))


def test_the_dashboard_is_on_the_loopback_and_ray_client_is_closed(machines, cluster):
    rows = machines["head"].run("ss -ltnH").stdout.splitlines()
    listening = [row.split()[3].rpartition(":")[::2] for row in rows]
    assert {address for address, port in listening if port == "8265"} == {"127.0.0.1"}
    assert "6379" in {port for _, port in listening}
    assert "10001" not in {port for _, port in listening}


def test_the_doctor_reports_the_machine_that_cannot_join(machines, cluster):
    log = "/tmp/ray/session_latest/logs/monitor.out"
    wait_for(lambda: "Version mismatch" in machines["head"].run(f"cat {log}").stdout)
    out = cluster.run("ray exec /root/cluster.yaml 'ablate doctor --address auto --results /shared/doctor'").stdout
    faults = [line for line in out.splitlines() if line.startswith("fault")]
    assert len(faults) == 1, out
    assert f"{ADDRESSES['old']} cannot join: has Ray 2.59.0, the head Ray {ray.__version__}" in faults[0]


def test_a_job_runs_the_code_of_its_working_folder_on_every_node(cluster):
    cluster.check(f"rsync -a --exclude .git --filter ':- .gitignore' {CHECKOUT}/ /root/changed")
    cluster.check("echo '# changed' >>/root/changed/silhouette/errors.py")
    doctor = "ablate doctor --address auto --results /shared/doctor || true"  # a machine that cannot join
    brought = cluster.submit(f"bash -c '{doctor}'", "--working-dir /root/changed")
    synced = cluster.check(f'ray exec /root/cluster.yaml "{doctor}"')
    for out in (brought, synced):
        assert out.count("same versions, sees the results") == 1 + len(WORKERS), out
    assert sources(brought) != sources(synced)


def sources(out):
    """The digest of the code that the doctor runs, from its output."""
    return re.search(r"sources (\w+)", out)[1]


def test_worker_killed_and_worker_cut_off(hosts, machines, cluster, undisturbed, tmp_path):
    results, log = hosts.shared / "workers", tmp_path / "log"
    study = cluster.start(run("/shared/workers"), log)
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 3))
    before = writing_times(results)
    recovery = Recovery(checkpoints_in(results))
    machines["w1"].kill()
    hosts.cut(machines["w2"])
    recovery.watch(study, "worker killed, worker cut off, one left")
    finished(study, log)
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()
    assert "lost its worker (1 of 3: " in " ".join(log.read_text().split())
    hosts.connect(machines["w2"])


def test_driver_killed(hosts, machines, cluster, undisturbed, tmp_path):
    results, log = hosts.shared / "driver", tmp_path / "log"
    study = cluster.start(run("/shared/driver"), log)
    wait_for(lambda: study.poll() is not None or writing_times(results))
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 1))
    machines["head"].run("pkill -KILL -f '[a]blate run'")
    assert study.wait(60) != 0, log.read_text()
    before, recovery = writing_times(results), Recovery(checkpoints_in(results))
    study = cluster.start_job(run("/shared/driver"), log)
    recovery.watch(study, "driver killed, job submitted")
    finished(study, log)
    assert "6/6 complete" in log.read_text()
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()


def test_head_lost(hosts, machines, cluster, undisturbed, tmp_path):
    results, log = hosts.shared / "head", tmp_path / "log"
    study = cluster.start(run("/shared/head"), log)
    wait_for(lambda: study.poll() is not None or writing_times(results))
    wait_for(lambda: study.poll() is not None or in_the_middle(results, 1))
    recovery = Recovery(checkpoints_in(results))
    machines["head"].kill()
    assert study.wait(120) != 0, log.read_text()
    before = writing_times(results)
    for name in ("head", "w1"):
        machines[name] = hosts.boot(name, f"{ADDRESSES[name]}/24")
    cluster.down()  # the machine is new: without this `ray up` assumes that it is set up
    cluster.up()
    wait_for(lambda: any(serving(machines[name]) for name in WORKERS), 120)
    study = cluster.start(run("/shared/head"), log)
    recovery.watch(study, "head lost, ray up and ablate run again")
    finished(study, log)
    assert outcomes(results) == undisturbed
    assert before.items() <= writing_times(results).items()


def test_down_ends_ray_on_every_machine(machines, cluster):
    cluster.down()
    left = "/ray/|ray::|ray start|ablate|end_with_raylet"
    wait_for(lambda: not any(host.processes(left) for host in machines.values()), 240)
