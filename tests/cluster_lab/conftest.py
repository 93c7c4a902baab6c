"""The lab as fixtures; skipped, with the reason, where a machine cannot be one."""

import pytest

from tests.cluster_lab.clusters import STUDY, outcomes
from tests.cluster_lab.virtual_hosts import CHECKOUT, Lab, missing


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab with the operator's host."""
    if reason := missing("sshd", "ssh", "ssh-keygen", "rsync"):
        pytest.skip(f"the lab {reason}")
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="module")
def undisturbed(lab):
    """Outcomes of the study without a cluster: one machine, where nothing happens to it."""
    command = " ".join(("ablate run", *STUDY, "--results /shared/undisturbed"))
    done = lab.operator.run(command, timeout=240, PYTHONPATH=str(CHECKOUT))
    assert done.returncode == 0, done.stderr
    return outcomes(lab.shared / "undisturbed")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """One host alone, in which anything may be started and stopped; no ssh."""
    if reason := missing():
        pytest.skip(f"a host in namespaces {reason}")
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab.operator
