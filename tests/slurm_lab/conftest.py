"""A fixture of the Slurm lab. Its tests are skipped, with the reason, on a machine that cannot start it."""

import pytest

from tests.slurm_lab.slurm import STUDY, Slurm, missing


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Three nodes, and a study on the folder that they share."""
    if reason := missing():
        pytest.skip(f"a test on Slurm {reason}")
    lab = Slurm(tmp_path_factory.mktemp("slurm"))
    lab.up()
    try:
        for name in ("two_nodes", "node_lost", "first_lost", "warned", "limit", "shared", "one", "other"):
            (lab.shared / f"{name}.py").write_text(STUDY)
        yield lab
    finally:
        lab.lab("down")


@pytest.fixture(autouse=True)
def all_nodes_are_up(request):
    """Boot again what a test before has powered off."""
    if "slurm" in request.fixturenames:
        request.getfixturevalue("slurm").up()


@pytest.fixture(scope="module")
def undisturbed(slurm):
    """Records of the study from one local run, without what may differ."""
    done = slurm.on("login", "ablate", "run", "one.py", "--results", "/shared/undisturbed")
    assert done.returncode == 0, done.stderr
    return slurm.rows("undisturbed", "one")
