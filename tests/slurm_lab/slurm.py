"""A real Slurm of several nodes on one machine: `lab.sh` from Python."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from silhouette.results import Store
from tests.helpers.comparing import comparable_fields
from tests.helpers.waiting import wait_for

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
STUDY = """
from ablations import Study

STUDY = Study(
    question="Does Slurm change the records?",
    treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.2}},
    fixed={"epochs": 30},
    baseline="CE",
    seeds=(0, 1, 2, 3),
    experiment="tests.helpers.pretend:Pretend",
)
"""


def missing():
    """Return why this machine cannot start the lab; None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("unshare", "nsenter", "ip", "munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"needs {program} (apt-get install slurmctld slurmd slurm-client munge iproute2)"
    return None


@dataclass
class Slurm:
    """The lab: `login` and the nodes `n1`, `n2`, …

    Attributes:
        folder: Its files; `folder/shared` is /shared on all hosts.
        nodes: How many nodes it has.
    """

    folder: Path
    nodes: int = 3

    @property
    def shared(self):
        return self.folder / "shared"

    def lab(self, act, *arguments, timeout=120):
        """Call lab.sh."""
        show = ":".join(dict.fromkeys(map(os.path.realpath, (CHECKOUT, sys.prefix, sys.base_prefix, *_packages()))))
        settings = {"LAB_SHOW": show, "LAB_PATH": f"{sys.prefix}/bin"}
        return subprocess.run(
            [str(HERE / "lab.sh"), act, str(self.folder), *map(str, arguments)],
            env=os.environ | settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip

    def up(self):
        """Start the lab, or what is missing of it."""
        done = self.lab("up", self.nodes)
        assert done.returncode == 0, done.stderr

    def on(self, host, *command, timeout=120, **environment):
        """Run a command on a host as the user alice, in /shared."""
        given = {"PYTHONPATH": str(CHECKOUT), **environment}
        return self.lab(
            "exec", host, "env", *(f"{key}={value}" for key, value in given.items()), *command, timeout=timeout
        )

    def submit(self, study, results, *options, epoch_seconds=0.2):
        """`ablate slurm` from the login node; returns the job's id."""
        given = ("--time", "10", "--results", f"/shared/{results}", *options)
        done = self.on("login", "ablate", "slurm", study, *given, PRETEND_EPOCH_SECONDS=str(epoch_seconds))
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[1].rstrip(":")

    def job(self, job):
        """What Slurm says of a job, by name."""
        said = self.on("login", "scontrol", "show", "job", job).stdout
        return dict(pair.split("=", 1) for pair in said.split() if "=" in pair)

    def wait(self, seconds=300):
        """Until no job is left."""
        wait_for(lambda: not self.on("login", "squeue", "--noheader").stdout.strip(), seconds)

    def log(self, results, name):
        """All that the jobs of a study printed."""
        return "".join(path.read_text() for path in sorted(self.folder_of(results, name).glob("slurm/*.out")))

    def folder_of(self, results, name):
        return self.shared / results / name

    def wait_for_checkpoint(self, results, name):
        """Until a trial has left a checkpoint."""
        wait_for(lambda: list(self.folder_of(results, name).glob("checkpoints/*/*.pt")), 180)

    def rows(self, results, name):
        """The records, without what may differ between two runs."""
        table = Store(str(self.shared / results), name).load().to_pylist()
        return sorted(map(comparable_fields, table), key=lambda row: row["trial_id"])

    def leftovers(self):
        """Processes of Ray, and files in /tmp, on all nodes that are up."""
        shown = {
            path.split("/")[2]
            for path in map(os.path.realpath, (CHECKOUT, sys.prefix, *_packages()))
            if path.startswith("/tmp/")
        }
        found = []
        for number in range(1, self.nodes + 1):
            files = self.on(f"n{number}", "ls", "/tmp").stdout.split()
            processes = self.on(f"n{number}", "pgrep", "-af", "raylet|gcs_server|ablations").stdout.splitlines()
            found += [name for name in files if name not in shown] + [p for p in processes if "pgrep" not in p]
        return found


def _packages():
    """Folders of packages that this Python imports, also those that a .pth file adds."""
    return [path for path in sys.path if path.endswith("site-packages")]
