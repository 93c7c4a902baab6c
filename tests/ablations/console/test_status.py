"""The tables of `ablate status` and of the live display: counts, validation means, the best candidate, time left."""

import io
import os
import sys

import pytest
from rich.console import Console

from ablations import Study, Tuning
from ablations.console import live
from ablations.console.candidates import CandidateTable, candidate_name, candidate_table
from ablations.console.live import LiveDisplay
from ablations.console.status import StatusTable, TrialUpdate
from ablations.search.candidates import Candidate

STUDY = Study(
    question="Does it help?",
    factors={"lambda_sil": (0.0, 0.2)},
    baseline={"lambda_sil": 0.0},
    seeds=(0, 1, 2),
    tuning=Tuning(nuisance={"lr": None}, settings=5),
)


def table(**status):
    """A table with the given status by number of the trial."""
    trials = list(STUDY.trials())
    found = {trials[int(number[1:])].trial_id: state for number, state in status.items()}
    return StatusTable(trials, found, {}, "val_top1")


def report(trial, value, status="complete"):
    return TrialUpdate(trial.trial_id, {"status": status, "val_top1": value, "test_top1": 0.123456})


def text_of(part):
    console = Console(file=io.StringIO(), width=100)
    console.print(part)
    return console.file.getvalue()


def candidate(number, status, value):
    return Candidate(number, {"lr": 0.1}, (), 0, status, {} if value is None else {3: value})


def searched():
    """Ten candidates: six complete, four stopped early. The best one is in the arm with the worse mean."""
    values = {"λ=0": [0.5, 0.6, 0.97, None, None], "λ=0.2": [0.9, 0.9, 0.9, None, None]}
    found = {
        arm: [candidate(n, "stopped" if v is None else "complete", v) for n, v in enumerate(of_arm)]
        for arm, of_arm in values.items()
    }
    return candidate_table(STUDY, found)


def test_before_the_first_trial_ends_there_is_no_estimate():
    assert table(n0="running", n3="running").pace() == "2 running, no time estimate yet"


def test_with_ended_trials_the_pace_and_the_time_left_are_shown(monkeypatch):
    shown = table(n0="running")
    shown.start -= 60
    shown.update(report(shown.trials[1], 0.9))
    shown.update(report(shown.trials[2], 0.9))
    assert shown.pace() == "2 trials/min, 2 min left"


def test_when_nothing_is_left_there_is_no_time_to_show():
    assert table(**{f"n{n}": "complete" for n in range(6)}).pace() == ""


def test_a_table_has_a_row_for_each_arm_and_a_mark_for_each_seed():
    shown = table(n0="running", n5="failed")
    shown.update(report(shown.trials[2], 0.75))
    shown.update(report(shown.trials[4], 0.25))
    rows = text_of(shown.table()).splitlines()
    assert rows[0].split() == ["arm", "seeds", "mean", "val_top1"]
    assert [row.split() for row in rows[1:]] == [["λ=0", "▶●●"], ["λ=0.2", "··✗"]]
    assert shown.line() == "2/6 complete (2 complete, 1 running, 1 failed, 2 missing)"


def test_means_are_those_of_the_seeds_that_all_arms_have():
    shown = table()
    for number, value in ((0, 0.5), (1, 0.7), (2, 0.9), (5, 0.1)):  # seeds 0 to 2; the arms take turns
        shown.update(report(shown.trials[number], value))
    rows = text_of(shown.table()).splitlines()
    assert rows[0].split() == ["arm", "seeds", "mean", "val_top1", "of", "1", "common", "seed"]
    assert [row.split() for row in rows[1:]] == [["λ=0", "●●·", "0.5000"], ["λ=0.2", "●·●", "0.7000"]]
    shown.update(report(shown.trials[3], 0.3))
    assert "of 2 common seeds" in text_of(shown.table())
    assert [row.split()[-1] for row in text_of(shown.table()).splitlines()[1:]] == ["0.7000", "0.5000"]


def test_no_arm_is_called_the_best_so_far():
    shown = table()
    for trial in shown.trials:
        shown.update(report(trial, 0.9))
    assert shown.best() == ""


def test_candidates_that_were_stopped_early_are_finished():
    assert searched().line() == "10/10 finished, 4 stopped early"


def test_a_search_without_values_has_no_best_candidate():
    assert candidate_table(STUDY, {"λ=0": [candidate(0, "running", None)]}).best() == ""


def test_the_best_candidate_is_one_candidate_and_no_mean():
    assert searched().best() == "best candidate so far: λ=0 #2 (val_top1 0.9700)"
    assert searched().pace() == ""


def test_the_last_column_of_a_search_is_the_best_value_of_an_arm():
    rows = text_of(searched().table()).splitlines()
    assert rows[0].split() == ["arm", "candidates", "best", "val_top1"]
    assert [row.split() for row in rows[1:]] == [["λ=0", "●●●◐◐", "0.9700"], ["λ=0.2", "●●●◐◐", "0.9000"]]


def test_the_best_value_of_a_loss_is_the_smallest():
    trials = searched().trials
    values = {candidate_name("λ=0", 0): 0.5, candidate_name("λ=0.2", 0): 0.3}
    losses = CandidateTable(trials, dict.fromkeys(values, "complete"), values, "val_loss", "min")
    assert losses.best() == "best candidate so far: λ=0.2 #0 (val_loss 0.3000)"


def test_what_is_no_terminal_gets_plain_lines(capsys, monkeypatch):
    monkeypatch.setattr(live, "PLAIN_SECONDS", 0.0)
    shown = table(n0="running")
    with LiveDisplay(shown) as display:
        display.note("node lost")
        display.update(report(shown.trials[0], 0.9))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "0/6 complete (1 running, 5 missing); 1 running, no time estimate yet"
    assert out[1] == "node lost"
    assert out[-1].startswith("1/6 complete (1 complete, 5 missing); ")
    assert not any(text in line for line in out for text in ("best", "test_", "0.1234"))


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 100 columns."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_the_table_and_the_notes_above_it(capsys):
    shown = table(n0="running")
    with LiveDisplay(shown) as display:
        assert display.live is not None
        display.note("node lost")
        display.show_table(searched())
        display.show_table(shown)
        display.update(report(shown.trials[0], 0.9))
    out = capsys.readouterr().out
    assert "node lost" in out
    last = out[out.rindex("seeds") :]
    assert "1/6 complete (1 complete, 5 missing)" in last
    assert "0.1234" not in out


@pytest.mark.usefixtures("terminal")
def test_drawing_takes_a_small_share_of_the_time(monkeypatch):
    drawn = []
    with LiveDisplay(table()) as display:
        monkeypatch.setattr(display, "_draw", drawn.append)
        for _ in range(5):
            display.show()
        assert drawn == []
    assert len(drawn) == 1


def test_output_without_a_reader_ends_nothing(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        live.print_lines("one")
        live.print_lines("two")
        monkeypatch.undo()


@pytest.mark.parametrize("status", ["complete", "stopped", "running", "diverged", "failed", "missing"])
def test_every_status_is_in_the_legend(status):
    from ablations.console.status import legend

    assert status in legend().plain
