"""`ablate run --address` and `ablate doctor` on a cluster of several raylets, each in its own namespaces.

One node has another folder in the place of the results, one has other sources, one has a GPU that does not exist.
tests/cluster_lab has real hosts and `ray up`. Here everything is one machine, so that it runs with every change.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from silhouette.results import Store
from tests.helpers.waiting import wait_for

ROOT = Path(__file__).parents[3]
ISOLATE = ["unshare", "--net", "--pid", "--mount", "--ipc", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
HEAD = "127.0.0.1:6379"
NODES = """
set -e
ip link set lo up
mkdir -p /tmp/ray "$FOLDER/ray" "$FOLDER/other" "$FOLDER/late" "$FOLDER/home" && mount --bind "$FOLDER/ray" /tmp/ray
ray get-auth-token --generate && chmod 600 ~/.ray/auth_token
ray start --head --port=6379 --num-cpus=0 --include-dashboard=false --object-store-memory=80000000
join="ray start --address=127.0.0.1:6379 --object-store-memory=80000000"
$join --num-cpus=1 --num-gpus=1 --labels=pool=sound,market=spot
touch "$FOLDER/ready"
wait_for() { while [ ! -e "$FOLDER/$1" ]; do sleep 0.2; done; }
(
wait_for start-late
unshare --mount sh -c "mount -t tmpfs none $FOLDER/late; $join --num-cpus=1 --labels=pool=late"
) &
wait_for start-faulty  # the nodes with faults join when a test wants them
sed 's/Bad input/Worse input/' "$ROOT/silhouette/errors.py" > "$FOLDER/errors.py"
unshare --mount sh -c "mount --bind $FOLDER/errors.py $ROOT/silhouette/errors.py; $join --num-cpus=1 --labels=pool=old"
unshare --mount sh -c "mount -t tmpfs none $FOLDER/other; $join --num-cpus=1 --labels=pool=other"
touch "$FOLDER/faulty"
sleep infinity
"""
STUDY = """
from ablations import Study
STUDY = Study(
    question="Does it run there?", factors={"lambda_sil": (0.0, 0.5)}, baseline={"lambda_sil": 0.0}, seeds=(0, 1),
    fixed={"dataset": "digits", "epochs": 2, "width": 4},
)
"""


def why_not_isolated():
    if os.geteuid() or not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip")):
        return "needs root, unshare, nsenter and ip"
    tried = subprocess.run([*ISOLATE, "true"], capture_output=True, check=False)
    return "namespaces are not allowed here" if tried.returncode else ""


needs_namespaces = pytest.mark.skipif(bool(why_not_isolated()), reason=why_not_isolated() or "-")


class Cluster:
    """A head without CPUs and a worker node; the nodes with faults join when a test asks for them."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "FOLDER": str(folder),
            "ROOT": str(ROOT),
        }
        (folder / "home").mkdir()
        (folder / "small.py").write_text(STUDY)
        with (folder / "log").open("wb") as log:
            command = [*ISOLATE, "bash", "-c", NODES]
            self.process = subprocess.Popen(command, env=self.environment, cwd=folder, stdout=log, stderr=log)
        self.wait("ready")

    def wait(self, file):
        """Wait until the nodes have come so far."""

        def is_there():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            return (self.folder / file).exists()

        wait_for(is_there)

    def command(self, *arguments):
        init = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        inside = ["nsenter", "--target", init, "--net", "--pid", "--mount", "--ipc", "--wd=" + str(self.folder)]
        return [*inside, sys.executable, "-m", "ablations", *arguments]

    def __call__(self, *arguments, **environment):
        return subprocess.run(
            self.command(*arguments),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def error(self, *arguments, **environment):
        """The one line of bad input."""
        done = self("run", "small.py", *arguments, **environment)
        lines = [line for line in done.stderr.splitlines() if "network_util.cc" not in line]  # Ray, without a route out
        assert (done.returncode, len(lines)) == (2, 1), done.stderr
        return lines[0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head without CPUs, and a node with a CPU and a GPU that does not exist."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.process.kill()
    cluster.process.wait()


@pytest.fixture(scope="module")
def sound_doctor(cluster):
    """What the doctor says before nodes with faults have joined."""
    return cluster("doctor", "--address", "auto")


@pytest.fixture(scope="module")
def faulty(cluster, sound_doctor):
    """The same cluster with a node of other sources, and one with another folder in the place of the results."""
    (cluster.folder / "start-faulty").touch()
    cluster.wait("faulty")
    return cluster


def records(cluster, results):
    return Store(str(cluster.folder / results), "small").load(["trial_id", "status", "device", "test_top1"]).to_pylist()


@needs_namespaces
def test_a_quarter_of_a_gpu_gives_the_same_results_as_none(cluster):
    for results, gpus in (("whole", "0"), ("packed", "0.25")):
        labels = ("--label", "pool=sound", "--label", "market=spot")
        done = cluster("run", "small.py", "--address", HEAD, *labels, "--gpus-per-trial", gpus, "--results", results)
        assert done.returncode == 0, done.stderr
    assert [record["status"] for record in records(cluster, "whole")] == ["complete"] * 4
    assert records(cluster, "packed") == records(cluster, "whole")


@needs_namespaces
def test_a_study_that_fits_on_no_node_says_that_it_waits(cluster):
    command = cluster.command("run", "small.py", "--address", "auto", "--label", "pool=none", "--results", "waits")
    with subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        for line in run.stdout:
            if b"waiting for new nodes" in line:
                break
        assert b"no node offers 1 CPU, pool=none yet" in line
        inner = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()[0])
        os.kill(inner, signal.SIGINT)
        ending = threading.Timer(60, os.kill, (inner, signal.SIGKILL))
        ending.start()
        out = run.stdout.read().decode()
        ending.cancel()
    assert run.returncode == 130, out


@needs_namespaces
def test_a_head_that_rejects_our_token_is_one_line_and_no_folder_is_made(cluster):
    line = cluster.error("--address", "auto", "--results", "rejected", RAY_AUTH_TOKEN="0" * 32)
    assert line.startswith("ablate: --address: the head rejected our token")
    assert not (cluster.folder / "rejected").exists()


@needs_namespaces
def test_the_doctor_finds_no_fault_in_a_sound_cluster(cluster, sound_doctor):
    assert sound_doctor.returncode == 0, sound_doctor.stdout
    assert "2 nodes, 1 CPU, 1 GPU" in sound_doctor.stdout
    assert "market=spot, pool=sound; same versions, sees the results" in sound_doctor.stdout
    assert "Ray counts 1 GPUs, nvidia-smi 0" in sound_doctor.stdout
    assert sound_doctor.stdout.endswith("ready to run\n")
    assert not (cluster.folder / "results/doctor-probe").exists()


@needs_namespaces
def test_a_node_that_does_not_see_the_results_ends_the_study_before_a_trial_runs(faulty):
    line = faulty.error("--address", "auto", "--results", "other", "--label", "pool=other")
    assert line.startswith("ablate: --results: ")
    assert "does not see" in line
    assert "s3://bucket/prefix" in line
    assert not (faulty.folder / "other/small/trials").exists()


@needs_namespaces
def test_a_node_with_other_sources_ends_the_study_before_a_trial_runs(faulty):
    line = faulty.error("--address", "auto", "--results", "old", "--label", "pool=old")
    pattern = r"ablate: --address: \S+ \(\S+\) runs sources \w{12} of this project, the driver \w{12}; "
    assert re.match(pattern, line), line


@needs_namespaces
def test_a_node_that_joins_later_and_does_not_see_the_results_ends_the_study(cluster, sound_doctor):
    command = cluster.command("run", "small.py", "--address", "auto", "--label", "pool=late", "--results", "late")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=cluster.environment, text=True, **pipes) as run:
        next(line for line in run.stdout if "waiting for new nodes" in line)
        (cluster.folder / "start-late").touch()
        out, err = run.communicate(timeout=120)
    assert run.returncode == 2, out + err
    assert re.match(r"ablate: --results: \S+ does not see ", err.splitlines()[-1]), err
    assert "s3://bucket/prefix" in err
    assert "Traceback" not in out + err
    assert not (cluster.folder / "late/small/trials").exists()


@needs_namespaces
def test_the_doctor_names_the_nodes_with_other_sources_and_other_folders(faulty):
    done = faulty("doctor", "--address", "auto", "--results", "other")
    assert done.returncode == 1, done.stdout
    faults = [line for line in done.stdout.splitlines() if line.startswith("fault")]
    assert len(faults) == 2
    assert any("of this project, here" in line for line in faults)
    assert any("(no driver.json there)" in line for line in faults)
