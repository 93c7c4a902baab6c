"""`ablate slurm`: the file that it shows and submits, and what it refuses in one line. A script stands for sbatch."""

import re
import subprocess
from pathlib import Path

import pytest

from ablations.cli.parser import main

RESULTS = "/srv/shared/results"


@pytest.fixture
def slurm(tmp_path, monkeypatch, capsys):
    """Run `ablate slurm demo` in an empty folder; returns code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(*arguments):
        try:
            code = main(["slurm", "demo", *arguments])
        except SystemExit as error:
            code = error.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def sbatch(folder, monkeypatch, body):
    """Put a program named sbatch on the PATH that notes its arguments."""
    program = folder / "bin/sbatch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{folder}/given\n{body}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_the_file_asks_for_what_was_given_and_runs_the_study(slurm, tmp_path):
    code, text, errors = slurm(
        "--nodes", "2", "--cpus-per-node", "4", "--gpus-per-node", "1", "--time", "02:00:00", "--partition", "gpu",
        "--results", RESULTS, "--seeds", "3", "--set", "epochs=2", "--print",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?", text, re.MULTILINE))
    assert asked == {
        "nodes": "2", "ntasks-per-node": "1", "cpus-per-task": "4", "gpus-per-node": "1", "time": "02:00:00",
        "partition": "gpu", "job-name": "ablate-demo", "output": f"{RESULTS}/demo/slurm/%j.out",
        "chdir": str(tmp_path), "signal": "B:USR1@120", "requeue": "", "open-mode": "append", "no-kill": "",
    }  # fmt: skip
    last = text.splitlines()[-1]
    assert last.startswith("exec ")
    assert last.endswith(f" -m ablations cluster job run demo --results {RESULTS} --seeds 3 --set epochs=2")
    assert not (tmp_path / "results").exists()
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_one_node_ends_with_its_job_and_needs_no_kill_protection(slurm):
    assert "--no-kill" not in slurm("--results", RESULTS, "--print")[1]


def test_the_warning_before_the_limit_depends_on_the_checkpoints(slurm):
    text = slurm("--results", RESULTS, "--checkpoint-seconds", "300", "--print")[1]
    assert "--signal=B:USR1@600 " in text


def test_lines_of_the_site_come_before_python_starts(slurm, tmp_path):
    (tmp_path / "slurm.yaml").write_text(
        "account: mine\nsetup: ['module load cuda']\nsbatch: [--mail-type=END]\npython: /env/bin/python\n"
    )
    text = slurm("--results", RESULTS, "--print")[1]
    assert "#SBATCH --account=mine" in text
    assert "#SBATCH --mail-type=END" in text
    assert text.index("module load cuda") < text.index("exec /env/bin/python -m ablations cluster job run demo")


def test_a_job_is_submitted_from_a_file_beside_its_log(slurm, tmp_path, monkeypatch):
    sbatch(tmp_path, monkeypatch, "echo '42;cluster'")
    monkeypatch.setattr("ablations.slurm.submit.NODE_OWN", ())
    code, out, errors = slurm("--results", str(tmp_path / "r"))
    assert (code, errors) == (0, "")
    option, script = (tmp_path / "given").read_text().splitlines()
    assert option == "--parsable"
    assert out.splitlines()[:2] == [f"job 42: {script}", f"log: {tmp_path}/r/demo/slurm/42.out"]
    assert out.splitlines()[-1] == f"next: ablate status demo --results {tmp_path}/r; to end it: scancel 42"
    assert f"--output={tmp_path}/r/demo/slurm/%j.out" in Path(script).read_text()


def test_what_sbatch_says_is_in_the_line(slurm, tmp_path, monkeypatch):
    sbatch(tmp_path, monkeypatch, "echo 'sbatch: error: invalid partition specified: gpu' >&2\nexit 1")
    monkeypatch.setattr("ablations.slurm.submit.NODE_OWN", ())
    code, _, errors = slurm("--results", str(tmp_path / "r"))
    assert code == 2
    assert errors.startswith("ablate: sbatch: invalid partition specified: gpu; the file is ")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--results", "/tmp/r"], "--results: /tmp is a folder of this machine alone; give one that all nodes mount"),
        (
            ["--gpus-per-trial", "1"],
            "--gpus-per-trial: must be at most the GPUs of a node of the job (--gpus-per-",
        ),
        (
            ["--cpus-per-trial", "2"],
            "--cpus-per-trial: must be at most the CPUs of a node of the job (--cpus-per-",
        ),
        (
            ["--array", "3", "--results", "s3://bucket/x?region=eu-west-1"],
            "--array: needs results in a folder",
        ),
        (["--array", "3", "--nodes", "2"], "--array: each task has one node of its own"),
        (["--array", "0"], "--array: must be at least 1, got 0"),
        (["--time", "3"], "--time: must be at least 4 minutes: the warning comes 120 to 180 s before the limit"),
        (["--time", "20", "--checkpoint-seconds", "600"], "--time: must be at least 31 minutes"),
        (["--time", "soon"], "--time: must be minutes"),
        (["--address", "auto"], "--address: a job has a cluster of its own; drop the option, got 'auto'"),
        (["--nodes", "0"], "--nodes: must be at least 1, got 0"),
        (["--site", "absent.yaml"], "--site: must be a file"),
        (["--results", "s3://key:secret@bucket/x"], "--results: the file of a job must hold no keys"),
        (["--seeds", "0", "--results", "/srv/r"], "seeds: "),
        (["--shred"], "unrecognized arguments: --shred"),
        ([], "sbatch: there is none on this machine; run this on a login node, or use --print"),
    ],
)
def test_bad_input_is_one_line(slurm, monkeypatch, tmp_path, arguments, expected):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    if "--results" not in arguments:
        arguments = [*arguments, "--results", str(tmp_path / "r")]
        monkeypatch.setattr("ablations.slurm.submit.NODE_OWN", ())
    code, out, errors = slurm(*arguments)
    assert (code, out) == (2, "")
    assert expected in errors
    assert len(errors.splitlines()) == 1
    assert "secret" not in errors


@pytest.mark.parametrize("part", ["job", "node"])
def test_the_parts_of_a_job_refuse_to_run_outside_of_one(monkeypatch, capsys, part):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert main(["cluster", part, *(["run", "demo"] if part == "job" else [])]) == 2
    assert capsys.readouterr().err.startswith("ablate: SLURM_JOB_ID: is not set")


def test_a_job_runs_a_study_or_the_doctor_only(capsys):
    assert main(["cluster", "job", "forget", "demo", "x"]) == 2
    assert "COMMAND: must be run or doctor" in capsys.readouterr().err
