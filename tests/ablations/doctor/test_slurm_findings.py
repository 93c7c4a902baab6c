"""What the doctor says of Slurm: one line for each fault. Scripts stand for Slurm's commands; the lab has real ones."""

import pytest

from ablations.cli.parser import main
from ablations.doctor import slurm

SOUND = {
    "name": "n1", "address": "10.0.0.1", "tmp_free": 50 << 30, "tmp_writable": True, "visible": None, "token": True,
}  # fmt: skip


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program of Slurm on the PATH, where no other is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(slurm.shutil, "which", lambda name: str(folder / name) if (folder / name).exists() else None)

    def put(name, body):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"address": None}, ["n1 (10.0.0.1): its name n1 gives loopback addresses only"]),
        ({"tmp_free": 3 << 20}, ["n1 (10.0.0.1): /tmp has 3 MiB free"]),
        ({"tmp_writable": False}, ["n1 (10.0.0.1): /tmp has 51200 MiB free"]),
        ({"token": False}, ["n1 (10.0.0.1): no RAY_AUTH_TOKEN"]),
    ],
)
def test_a_fault_of_a_node_is_named(changed, expected):
    found = list(slurm.node_faults("n1 (10.0.0.1)", SOUND | changed))
    assert [finding.detail for finding in found] == expected
    assert all(finding.state == "fault" and finding.advice for finding in found)


def test_this_machine_answers_for_itself(monkeypatch):
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    facts = slurm.node_facts()
    assert facts["name"] == "n7"
    assert facts["tmp_writable"]
    assert facts["tmp_free"] > 0


def test_without_slurm_there_is_one_fault(program, tmp_path, monkeypatch, capsys):
    (finding,) = slurm.commands()
    assert str(finding).startswith(
        "fault  slurm       no sbatch, scontrol, squeue on this machine; run this on a login"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ablations.slurm.submit.NODE_OWN", ())
    assert main(["doctor", "--slurm", "--results", str(tmp_path / "r")]) == 1
    assert capsys.readouterr().out == f"{finding}\n"
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("echo 'Slurmctld(primary) at login is UP'", "ok"),
        ("echo 'Slurmctld(primary) at login is DOWN'", "fault"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "fault"),
    ],
)
def test_the_controller_is_asked(program, body, state):
    for name in ("sbatch", "squeue"):
        program(name, "")
    program("scontrol", body)
    (finding,) = slurm.commands()
    assert finding.state == state


def test_a_job_is_followed_to_its_end(program, tmp_path):
    log, left = tmp_path / "42.out", tmp_path / "left"
    left.write_text("xx")
    # each question takes one of the marks; while any is left, the job runs
    says = f'echo "line $(wc -c <{left})" >>{log}; truncate -s -1 {left}; echo RUNNING'
    program("squeue", f"[ -s {left} ] || exit 0; {says}")
    log.write_text("first\n")
    assert list(slurm.follow("42", log)) == ["first", "line 2", "line 1"]


@pytest.mark.parametrize(
    ("state", "has_log", "expected"),
    [
        ("COMPLETED Reason=None", True, ("ok", "job 42: completed")),
        ("FAILED Reason=NonZeroExitCode", True, ("fault", "job 42: failed")),
        ("PENDING Reason=Resources", False, ("fault", "job 42 still waits (Resources)")),
        ("FAILED Reason=NonZeroExitCode", False, ("fault", "job 42 ended (FAILED, NonZeroExitCode) without its log")),
    ],
)
def test_what_slurm_says_of_the_job(program, tmp_path, state, has_log, expected):
    program("scontrol", f"echo 'JobId=42 JobState={state}'")
    log = tmp_path / "42.out"
    if has_log:
        log.write_text("")
    (finding,) = slurm.verdict("42", log)
    assert (finding.state, finding.detail[: len(expected[1])]) == expected
