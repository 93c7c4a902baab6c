"""`ablate run --until-decided` as a person runs it: killed on the way, resumed, shown, reported."""

import json
import os
import signal

import pytest

from silhouette.results import Store
from tests.helpers.comparing import comparable_fields
from tests.helpers.waiting import wait_for

STUDY = """
from ablations import Study

STUDY = Study(
    question="Which gain is better?",
    experiment="tests.helpers.known_effect:KnownEffect",
    factors={"gain": (0.0, 4.0, 0.1)},
    baseline={"gain": 0.0},
    metric="test_score",
    direction="max",
    seeds=range(5),
)
"""
OPTIONS = ("--until-decided", "--max-seeds", "10")


def rows(ablate, results):
    found = Store(str(ablate.folder / results), "known").load().to_pylist()
    return [comparable_fields(row) for row in sorted(found, key=lambda row: (row["arm"], row["seed"]))]


def test_a_run_that_is_killed_and_resumed_ends_as_one_that_was_not(ablate):
    study = ablate.study(STUDY, "known")
    undisturbed = ablate("run", study, *OPTIONS, "--jobs", "1", "--results", "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert "1 of 2 comparisons decided, 0 open" in undisturbed.stdout

    process = ablate.start("run", study, *OPTIONS, "--jobs", "1")
    wait_for(lambda: len(list((ablate.folder / "results/known/trials").glob("*.parquet"))) >= 17)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    resumed = ablate("run", study, *OPTIONS, "--jobs", "1")
    assert resumed.returncode == 0, resumed.stderr
    assert rows(ablate, "results") == rows(ablate, "whole")

    again = ablate("run", study, *OPTIONS)
    assert (again.returncode, "nothing to run" in again.stdout) == (0, True)
    status = ablate("status", study)
    assert "decided after" in status.stdout
    assert "gain=4 against gain=0: better" in status.stdout
    assert ablate("report", study).returncode == 0
    report = json.loads((ablate.folder / "results/known/report/report.json").read_text())
    assert [c["verdict"] for c in report["comparisons"]] == ["better", "inconclusive"]
    assert report["until_decided"]["trials"] == len(rows(ablate, "results")) < 30


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--until-decided", "--max-seeds", "4"), "max_seeds: the first of 2 comparisons can be decided by 6 seeds"),
        (("--max-seeds", "40"), "--max-seeds: needs --until-decided, or stop='decided' in the study, got 40"),
        (("--until-decided", "--seeds", "7"), "--seeds: fixes their number; with --until-decided give --max-seeds"),
        (("--until-decided", "--max-seeds", "0"), "--max-seeds: must be from 1 to 10000, got 0"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_options_that_do_not_fit_are_one_line(ablate, command, arguments, fault):
    done = ablate(command, ablate.study(STUDY, "known"), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ablate: {fault}")
    assert done.stderr.count("\n") == 1


def test_looks_another_mixture_and_another_margin_are_one_line(ablate):
    study = ablate.study(STUDY.replace("seeds=", "looks=(3, 5), seeds="), "known")
    done = ablate("plan", study, "--until-decided")
    assert (done.returncode, done.stderr.startswith("ablate: looks: leave them out")) == (2, True)
    declared = 'seeds=range(8), stop="decided"'
    text = STUDY.replace("seeds=range(5)", declared)
    folder = ablate.folder / "results/known"
    folder.mkdir(parents=True)
    from ablations.design.loading import load_study
    from ablations.design.plan import describe_study

    plan = describe_study(load_study(str(ablate.folder / ablate.study(text, "known"))))
    (folder / "study.json").write_text(json.dumps(plan))
    for change, fault in (("mixture=2.0", "mixture: was 1.0 and is now 2.0"), ("sesoi=0.5", "sesoi: was None and is")):
        done = ablate("run", ablate.study(text.replace("seeds=", f"{change}, seeds="), "known"))
        assert done.returncode == 2
        assert done.stderr.startswith(f"ablate: {fault}"), done.stderr
    fixed = ablate("run", ablate.study(STUDY, "known"))
    assert fixed.stderr.startswith("ablate: stop: was 'decided' and is now None; to keep it, write stop='decided'")
