"""Ray's autoscaler with fake nodes under a real study: 0 -> 4 -> 0 workers."""

import json

import pytest

from tests.cluster_lab.virtual_hosts import CHECKOUT

pytestmark = pytest.mark.cluster
STUDY = """
from ablations import Study

STUDY = Study(
    question="Do four workers start and end?",
    factors={"lambda_sil": (0.0, 0.5)},
    fixed={"dataset": "digits", "epochs": 2, "width": 4},
    baseline={"lambda_sil": 0.0},
    seeds=range(4),
)
"""


def test_workers_start_for_the_trials_and_end_after_them(machine, tmp_path):
    write = machine.run(f"cat >/root/small.py <<'END'\n{STUDY}\nEND")
    assert write.returncode == 0, write.stderr
    script = f"cd /root && exec python {CHECKOUT}/tests/cluster_lab/fake_cluster.py small.py /root/results"
    done = machine.run(script, timeout=300, PYTHONPATH=str(CHECKOUT))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["exit_code"] == 0, found["stderr"]
    workers = found["workers"]
    assert (workers[0], max(workers), workers[-1]) == (0, 4, 0)
    top = workers.index(4)
    assert workers[:top] == sorted(workers[:top])
    assert workers[top:] == sorted(workers[top:], reverse=True)
