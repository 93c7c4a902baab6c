"""A cluster of several raylets in namespaces of their own: what `ablate run --address` and `ablate doctor` make of it.

One node sees another folder where the results should be, one has other sources, one counts a GPU. tests/cluster_lab has
real hosts and `ray up`; here everything is one machine, so that this runs with every change.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.cluster.session import explain_connection_error
from silhouette.results import Store

ROOT = Path(__file__).parents[3]
ISOLATE = ["unshare", "--net", "--pid", "--mount", "--ipc", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
HEAD = "127.0.0.1:6379"
NODES = """
set -e
ip link set lo up
mkdir -p /tmp/ray "$FOLDER/ray" "$FOLDER/blind" "$FOLDER/late" "$FOLDER/home" && mount --bind "$FOLDER/ray" /tmp/ray
ray get-auth-token --generate && chmod 600 ~/.ray/auth_token
ray start --head --port=6379 --num-cpus=0 --include-dashboard=false --object-store-memory=80000000
join="ray start --address=127.0.0.1:6379 --object-store-memory=80000000"
$join --num-cpus=1 --labels=pool=cpu,market=spot
$join --num-cpus=1 --num-gpus=1 --labels=pool=gpu
touch "$FOLDER/ready"
while [ ! -e "$FOLDER/odd" ]; do sleep 0.2; done  # the nodes that are not as they should be join later
sed 's/Bad input/Worse input/' "$ROOT/silhouette/errors.py" > "$FOLDER/errors.py"
unshare --mount sh -c "mount --bind $FOLDER/errors.py $ROOT/silhouette/errors.py; $join --num-cpus=1 --labels=pool=old"
unshare --mount sh -c "mount -t tmpfs none $FOLDER/blind; $join --num-cpus=1 --labels=pool=blind"
touch "$FOLDER/all"
while [ ! -e "$FOLDER/join" ]; do sleep 0.2; done
unshare --mount sh -c "mount -t tmpfs none $FOLDER/late; $join --num-cpus=1 --labels=pool=late"
sleep infinity
"""
STUDY = """
from ablations import Study
STUDY = Study(
    question="Does it run there?", factors={"lambda_sil": (0.0, 0.5)}, baseline={"lambda_sil": 0.0}, seeds=(0, 1),
    fixed={"dataset": "digits", "epochs": 2, "width": 4},
)
"""


def _isolated():
    if os.geteuid() or not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip")):
        return "needs root, unshare, nsenter and ip"
    tried = subprocess.run([*ISOLATE, "true"], capture_output=True, check=False)
    return "namespaces are not allowed here" if tried.returncode else ""


pytestmark = pytest.mark.skipif(bool(_isolated()), reason=_isolated() or "-")


def test_other_versions_on_the_head_are_one_line():
    heard = "RuntimeError: Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.1\n"
    expected = "Version mismatch: The cluster was started with: Ray: 2.59.0 Python: 3.12.1; install the same versions"
    assert explain_connection_error(heard).startswith(expected)


class Cluster:
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
        """Until the nodes have come so far."""
        import time

        for _ in range(600):
            if (self.folder / file).exists():
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def command(self, *arguments):
        init = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        inside = ["nsenter", "--target", init, "--net", "--pid", "--mount", "--ipc", "--wd=" + str(self.folder)]
        return [*inside, sys.executable, "-m", "ablations", *arguments]

    def __call__(self, *arguments, without=(), **environment):
        kept = {key: value for key, value in self.environment.items() if key not in without}
        return subprocess.run(
            self.command(*arguments), env=kept | environment, capture_output=True, text=True, check=False, timeout=180
        )

    def refusal(self, *arguments, **environment):
        """The one line of bad input."""
        done = self("run", "small.py", *arguments, **environment)
        lines = [line for line in done.stderr.splitlines() if "network_util.cc" not in line]  # Ray, without a route out
        assert (done.returncode, len(lines)) == (2, 1), done.stderr
        return lines[0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Head without CPUs, a CPU node, a node that counts a GPU."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.process.kill()
    cluster.process.wait()


@pytest.fixture(scope="module")
def odd(cluster):
    """The same with a node that has other sources, and one that sees another folder where the results should be."""
    (cluster.folder / "odd").touch()
    cluster.wait("all")
    return cluster


def records(cluster, results):
    return Store(str(cluster.folder / results), "small").load(["trial_id", "status", "device", "test_top1"]).to_pylist()


def test_trials_run_on_the_nodes_that_wear_the_label(cluster):
    done = cluster("run", "small.py", "--address", "auto", "--label", "pool=cpu", "--label", "market=spot")
    assert done.returncode == 0, done.stderr
    assert [record["status"] for record in records(cluster, "results")] == ["complete"] * 4


def test_a_quarter_of_a_gpu_runs_where_there_is_one_with_the_same_result(cluster):
    done = cluster("run", "small.py", "--address", HEAD, "--gpus-per-trial", "0.25", "--results", "packed")
    assert done.returncode == 0, done.stderr
    assert records(cluster, "packed") == records(cluster, "results")


def test_a_study_that_fits_nowhere_says_that_it_waits(cluster):
    command = cluster.command("run", "small.py", "--address", "auto", "--label", "pool=none", "--results", "waits")
    with subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        for line in run.stdout:
            if b"waiting for the cluster to grow" in line:
                break
        assert b"no node offers 1 CPU, pool=none yet" in line
        inner = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()[0]
        os.kill(int(inner), signal.SIGINT)
        said = run.stdout.read().decode()
    assert run.returncode == 130, said


@pytest.mark.parametrize(
    ("address", "without", "environment", "expected"),
    [
        ("127.0.0.1:9999", (), {}, "--address: no Ray head answers there within"),
        ("ray://127.0.0.1:10001", (), {}, "--address: Ray Client is not used"),
        ("auto", (), {"HOME": "/nonexistent"}, "--address: the cluster requires a token and this machine has none"),
        ("auto", ("RAY_AUTH_MODE",), {"HOME": "/nonexistent"}, "--address: the head rejected our token"),
        ("auto", (), {"RAY_AUTH_TOKEN": "0" * 32}, "--address: the head rejected our token"),
    ],
)  # fmt: skip
def test_a_head_that_does_not_answer_or_let_us_in_is_one_line(cluster, address, without, environment, expected):
    line = cluster.refusal("--address", address, "--results", "refused", without=without, **environment)
    assert line.startswith(f"ablate: {expected}")
    assert not (cluster.folder / "refused").exists()


def test_the_doctor_finds_a_sound_cluster_sound(cluster):
    done = cluster("doctor", "--address", "auto")
    assert done.returncode == 0, done.stdout
    assert "3 nodes, 2 CPUs, 1 GPUs" in done.stdout
    assert "market=spot, pool=cpu; same versions, sees the results" in done.stdout
    assert "Ray counts 1 GPUs, nvidia-smi 0" in done.stdout
    assert done.stdout.endswith("ready to run\n")
    assert not (cluster.folder / "results/doctor-probe").exists()


def test_results_that_a_node_does_not_see_are_refused_before_a_trial_runs(odd):
    line = odd.refusal("--address", "auto", "--results", "blind", "--label", "pool=blind")
    assert line.startswith("ablate: --results: ")
    assert "does not see" in line
    assert "s3://bucket/prefix" in line
    assert not (odd.folder / "blind/small/trials").exists()


def test_other_sources_on_a_node_that_trials_may_run_on_are_refused(odd):
    line = odd.refusal("--address", "auto", "--results", "old", "--label", "pool=old")
    assert re.match(r"ablate: --address: \S+ \(\S+\) runs sources \w{12} of this project, the driver \w{12}; ", line), (
        line
    )


def test_a_node_that_joins_later_and_does_not_see_the_results_ends_the_study_before_a_trial_fails_there(odd):
    options = ("--address", "auto", "--label", "pool=late", "--results", "late")
    command = odd.command("run", "small.py", *options)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=odd.environment, text=True, **pipes) as run:
        next(line for line in run.stdout if "waiting for the cluster to grow" in line)
        (odd.folder / "join").touch()
        out, err = run.communicate(timeout=120)
    assert run.returncode == 2, out + err
    assert re.match(r"ablate: --results: \S+ does not see ", err.splitlines()[-1]), err
    assert "s3://bucket/prefix" in err
    assert "Traceback" not in out + err
    assert not (odd.folder / "late/small/trials").exists()


def test_the_doctor_names_the_nodes_with_other_sources_and_other_folders(odd):
    done = odd("doctor", "--address", "auto", "--results", "blind")
    assert done.returncode == 1, done.stdout
    faults = [line for line in done.stdout.splitlines() if line.startswith("fault")]
    assert len(faults) == 2
    assert any("of this project, here" in line for line in faults)
    assert any("(no driver.json there)" in line for line in faults)
