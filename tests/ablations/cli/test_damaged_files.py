"""Damaged files and impossible options end a command with one line and exit code 2; no line shows a key."""

import json

import pytest

from ablations.cli.parser import main
from ablations.workers.spec import RunContext
from silhouette.config.identity import plan_hash


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", '{"study": "demo", "plan_hash": "x"}', '{"study": ["x"], "question": "?", "plan_hash": "x"}'],
)
def test_a_damaged_plan_is_one_line_of_sync(tmp_path, capsys, content):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "study.json").write_text(content)
    assert main(["sync", "demo", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "study.json: not in the format of a study; restore it" in error


@pytest.mark.parametrize(("content", "got"), [("[]", "list []"), ("3", "int 3"), ('"a"', "str 'a'")])
def test_report_of_a_plan_that_is_no_object_is_one_line(tmp_path, capsys, content, got):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/study.json").write_text(content)
    assert main(["report", "demo", "--results", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"ablate: {tmp_path}/demo/study.json: must be a JSON object, got {got}; restore it\n"
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--jobs", "-1"], "--jobs: must be at least 1, got -1"),
        (["--gpus-per-trial", "-2"], "--gpus-per-trial: must be from 0 to 1, or a whole number above, got -2"),
    ],
)
def test_plan_refuses_impossible_options(tmp_path, capsys, options, line):
    assert main(["plan", "demo", "--results", str(tmp_path), *options]) == 2
    assert line in capsys.readouterr().err


def test_a_frozen_plan_without_its_time_is_one_line(tmp_path, capsys):
    folder, plan = tmp_path / "joint", {"configs": {}}
    folder.mkdir()
    (folder / "frozen.json").write_text(json.dumps({"plan": plan, "arms": [], "hash": plan_hash(plan)}))
    assert main(["plan", "joint", "--results", str(tmp_path)]) == 2
    assert "frozen.json: not in the format of a frozen plan; restore it" in capsys.readouterr().err


def test_a_field_that_is_too_long_is_one_line(tmp_path, capsys):
    table = tmp_path / "long.csv"
    table.write_text("method,seed,acc\nCE,0," + "1" * 200_000 + "\n")
    options = [
        "--arm",
        "method",
        "--seed",
        "seed",
        "--metric",
        "acc",
        "--baseline",
        "CE",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["report", "--table", str(table), *options]) == 2
    assert "--table: not a CSV file" in capsys.readouterr().err


def test_the_context_of_the_workers_shows_no_key():
    assert "SECRET" not in repr(RunContext(results="s3://KEY:SECRET@bucket/x", study="s"))
