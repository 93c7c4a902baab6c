"""Fixtures of virtual hosts. Their tests are skipped, with the reason, on a machine that cannot start them."""

import pytest

from tests.cluster_lab.clusters import STUDY, outcomes
from tests.cluster_lab.virtual_hosts import CHECKOUT, VirtualHosts, missing


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Virtual hosts, at first the operator's only."""
    if reason := missing("sshd", "ssh", "ssh-keygen", "rsync"):
        pytest.skip(f"a test on virtual hosts {reason}")
    with VirtualHosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def undisturbed(hosts):
    """Outcomes of the study on one machine without a cluster and without faults."""
    command = " ".join(("ablate run", *STUDY, "--results /shared/undisturbed"))
    done = hosts.operator.run(command, timeout=240, PYTHONPATH=str(CHECKOUT))
    assert done.returncode == 0, done.stderr
    return outcomes(hosts.shared / "undisturbed")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One host, without ssh, in which a test may start and end any process."""
    if reason := missing():
        pytest.skip(f"a host in namespaces {reason}")
    with VirtualHosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts.operator
