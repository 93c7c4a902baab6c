"""The wheel works alone: outside the checkout, with the packages of this environment, it runs and reports a study."""

import json
import shutil
import zipfile

from tests.helpers.installed_wheel import ROOT


def test_the_four_packages_come_from_the_wheel(installed):
    names = ("ablations", "analysis", "search_spaces", "silhouette")
    found = installed.code(f"import {', '.join(names)}; print(*({'.__file__, '.join(names)}.__file__))")
    assert len(found) == len(names)
    assert all(path.startswith(str(installed.python.parents[1])) for path in found), found


def test_every_file_of_the_packages_is_in_the_wheel(installed):
    """Python files, templates, styles: what git has below the four packages, links as the files they lead to."""
    (packages,) = installed.python.parents[1].glob("lib/python*/site-packages")
    names = ("ablations", "analysis", "search_spaces", "silhouette")
    wanted = [path for name in names for path in (ROOT / name).rglob("*.*") if path.is_file()]
    missing = [
        str(path.relative_to(ROOT))
        for path in wanted
        if "__pycache__" not in path.parts and not (packages / path.relative_to(ROOT)).is_file()
    ]
    assert len(wanted) > 100
    assert missing == []


def test_a_study_from_the_template_runs_and_is_reported(installed):
    assert installed("ablate", "init", "study").returncode == 0
    run = installed("ablate", "run", "my_study.py", "--seeds", "1", "--set", "epochs=1")
    assert run.returncode == 0, run.stdout + run.stderr
    report = installed("ablate", "report", "my_study.py")
    assert report.returncode == 0, report.stderr
    document = json.loads((installed.work / "results/my_study/report/report.json").read_text())
    assert [(arm["settings"]["lambda_sil"], arm["n"]) for arm in document["arms"]] == [(0.0, 1), (0.2, 1)]
    assert (installed.work / "results/my_study/report/index.html").stat().st_size > 10_000


def test_the_cluster_file_is_checked_against_the_template_of_the_wheel(installed):
    assert installed("ablate", "init", "aws").returncode == 0
    unfilled = installed("ablate", "cluster", "check")
    assert unfilled.returncode == 2, unfilled.stderr
    assert [line.split(": ")[2] for line in unfilled.stdout.splitlines()] == [
        "must be filled in, got <AWS region>; put there",
        "must be filled in, got <AMI id>; put there",
        "must be filled in, got <security group id>; put there",
    ]
    file = installed.work / "cluster.yaml"
    filled = file.read_text()
    for mark, value in {
        "AWS region": "eu-central-1",
        "AMI id": "ami-01234567",
        "security group id": "sg-01234567",
    }.items():
        filled = filled.replace(f"<{mark}>", value)
    file.write_text(filled)
    assert installed("ablate", "cluster", "check").stdout == "cluster.yaml: nothing to fill in, nothing wrong\n"
    file.write_text(filled.replace("worker_profile soft-silhouette-worker", "worker_profile mine"))
    assert "deploy/aws/head.json must name it" in installed("ablate", "cluster", "check").stdout


def test_a_plain_installation_checks_cluster_files(installed):
    """Without the extra `cluster`: what is left to fill in, and one note on what is not checked."""
    assert installed("ablate", "init", "aws", "--to", "plain").returncode == 0
    modules = ("jsonschema", "aiohttp_cors", "boto3", "botocore", "googleapiclient")
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))"
    check = f"{hide}; from ablations.cli.parser import main; sys.exit(main())"
    done = installed(installed.python, "-c", check, "cluster", "check", "plain/cluster.yaml")
    assert (done.returncode, done.stderr) == (2, "")
    *unfilled, note = done.stdout.splitlines()
    assert [": must be filled in, got <" in line for line in unfilled] == [True] * 3
    assert note.endswith("; pip install 'soft-silhouette-ablations[cluster]'")


def test_a_machine_that_has_this_wheel_needs_no_installation(wheel, installed):
    installed("ablate", "init", "aws", "--to", "machine")
    folder = installed.work / "machine"
    shutil.copy(wheel, folder)
    satisfied = (installed.python, folder / "deploy/satisfied.py")
    done = installed(*satisfied)
    assert (done.returncode, done.stdout) == (0, "")
    _change_a_file(folder / wheel.name)
    done = installed(*satisfied)
    assert (done.returncode, done.stdout.split(" from ")[0]) == (1, "to install: soft-silhouette-ablations")


def _change_a_file(wheel):
    """Give the wheel's own list of files another hash of one file, as a build from other sources has."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    files[record] = files[record].replace(b"sha256=", b"sha256=0", 1)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
