"""Fixtures of the lab. Their tests are skipped, with the reason, on a machine that cannot run it."""

import pytest

from tests.cluster_lab.clusters import STUDY, outcomes
from tests.cluster_lab.virtual_hosts import CHECKOUT, Lab, missing


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab that has the operator's host only."""
    if reason := missing("sshd", "ssh", "ssh-keygen", "rsync"):
        pytest.skip(f"the lab {reason}")
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="module")
def undisturbed(lab):
    """Outcomes of the study on one machine without a cluster and without faults."""
    command = " ".join(("ablate run", *STUDY, "--results /shared/undisturbed"))
    done = lab.operator.run(command, timeout=240, PYTHONPATH=str(CHECKOUT))
    assert done.returncode == 0, done.stderr
    return outcomes(lab.shared / "undisturbed")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One host, without ssh, in which a test may start and end any process."""
    if reason := missing():
        pytest.skip(f"a host in namespaces {reason}")
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab.operator
