"""Results folders that version 0.1.0 wrote are read, extended and reported as before.

`tests/data/results-0.1.0` holds what `ablate run demo --seeds 3 --set epochs=3`, `ablate run tiny.py` and
`ablate report` of that version wrote. Checkpoints, figures and most files of `trials/` (whose rows are also in
records.parquet) are left out.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.cli.parser import main
from analysis.report.write import write_report
from silhouette.results import Store

KEPT = Path(__file__).parent / "data" / "results-0.1.0"
AS_BEFORE = ("--set", "vary=all_and_test_split")
"""In version 0.1 each seed drew its own test samples of a dataset without an official test split."""
DEMO = ("demo", "--set", "epochs=3", *AS_BEFORE)
STUDIES = {"demo": DEMO, "tiny": ("tiny.py", *AS_BEFORE)}
PLANNED = {"demo": (8, 3), "tiny": (4, 3)}

REMOVED = {
    r".*\.trend": "the trend test could not be asked for in a study, so the value was always null",
    r"\.negative_control": "halves of one arm's seeds cannot differ, so it controlled nothing; null in these studies",
}
"""Keys of report.json that version 0.1.0 wrote, null in these studies, as a pattern of their place, with the reason."""

ONE_NAME = "the report called λ λ_sil, where the labels of arms, the records and MLflow said λ"
NEW_TEXTS: dict[str, str] = {
    r"\.factors\[\d+\]\.label": ONE_NAME,
    r"\.arms\[\d+\]\.method": ONE_NAME,
    r"\.sensitivity\.curves\[\d+\]\.label": ONE_NAME,
    r"\.sensitivity\.shares\[\d+\]\.factors\[\d+\]": ONE_NAME,
    r"\.sensitivity\.shares\[\d+\]\.effects\[\d+\]\.name": ONE_NAME,
    r"\.interactions\[\d+\]\.treatment": ONE_NAME,
    r"\.learning\.arms\[\d+\]\.method": ONE_NAME,
}
"""Texts of report.json in which a name differs from 0.1.0, as a pattern of their place, with the reason."""

REWORDED = (
    r".*\.scope",
    r"\.comparisons\[\d+\]\.(sentence|feasibility_line)",
)
"""Texts of report.json that say the same in other words: every number in them is in the old text or in `NAMED`."""
NAMED = {"1", "2", "3"}
"""Seeds of the kept studies, and those of them with a difference: the old text left out how many there are."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A copy of the kept folder, with a new report of both studies."""
    folder = tmp_path_factory.mktemp("kept") / "results"
    shutil.copytree(KEPT, folder)
    for study in STUDIES:
        write_report(str(folder), study)
    return folder


@pytest.fixture
def ablate(results, monkeypatch, capsys):
    """Run a command beside the study file; returns what it printed."""
    monkeypatch.chdir(results)

    def run(*arguments):
        assert main([*arguments, "--results", "."]) == 0
        return capsys.readouterr().out

    return run


def planned_and_left(text):
    """Trials planned, finished and still to run, in the line of `ablate plan`."""
    found = re.search(r"= (\d+) trials \w+, (\d+) \w+, (\d+) to run", text)
    return tuple(map(int, found.groups()))


@pytest.mark.parametrize("study", STUDIES)
def test_every_record_is_read(results, study):
    arms, seeds = PLANNED[study]
    rows = Store(str(results), study).load(["trial_id", "phase", "status"]).to_pylist()
    confirm = [row for row in rows if row["phase"] == "confirm"]
    assert len(confirm) == arms * seeds
    assert {row["status"] for row in confirm} == {"complete"}
    assert len({row["trial_id"] for row in rows}) == len(rows) == {"demo": 24, "tiny": 44}[study]


@pytest.mark.parametrize("study", STUDIES)
def test_plan_and_status_count_every_trial_as_finished(ablate, study):
    arms, seeds = PLANNED[study]
    options = ("--seeds", str(seeds))
    assert planned_and_left(ablate("plan", *STUDIES[study], *options)) == (arms * seeds, arms * seeds, 0)
    counts = re.findall(r"(\d+)/(\d+)", ablate("status", *STUDIES[study], *options))
    assert counts[-1] == (str(arms * seeds),) * 2


@pytest.mark.parametrize("study", STUDIES)
def test_an_extension_runs_the_new_seeds_only(ablate, study):
    arms, seeds = PLANNED[study]
    options = ("--seeds", str(seeds + 2))
    assert planned_and_left(ablate("plan", *STUDIES[study], *options)) == (arms * (seeds + 2), arms * seeds, arms * 2)


def test_a_folder_is_extended_by_one_seed_and_reported(tmp_path):
    results = shutil.copytree(KEPT, tmp_path / "results")
    store = Store(str(results), "demo")
    before = {row["trial_id"]: row for row in store.load().to_pylist()}
    command = [sys.executable, "-m", "ablations", "run", *DEMO, "--seeds", "4", "--results", str(results)]
    refused = subprocess.run([*command, "--extend"], capture_output=True, text=True, check=False, cwd=results)
    assert refused.returncode == 2
    assert "24 records of code that was not recorded" in refused.stderr
    command += ["--extend", "--allow-mixed-code"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=results)
    assert done.returncode == 0, done.stderr
    after = {row["trial_id"]: row for row in store.load().to_pylist()}
    assert len(after) == len(before) + 8
    assert {trial_id: after[trial_id] for trial_id in before} == before
    assert store.read_json("study.json")["extended"]
    report = json.loads((Path(write_report(str(results), "demo")).parent / "report.json").read_text())
    assert {arm["n"] for arm in report["arms"]} == {4}


def test_the_frozen_selection_is_kept(ablate):
    hash_of = json.loads((KEPT / "tiny" / "frozen.json").read_text())["hash"]
    assert hash_of in ablate("plan", *STUDIES["tiny"])


def test_a_folder_is_not_extended_with_other_test_samples(results, capsys):
    assert main(["plan", "demo", "--set", "epochs=3", "--results", str(results)]) == 2
    assert "to extend it, give --set vary=all_and_test_split" in capsys.readouterr().err


def test_a_folder_whose_seeds_moved_all_of_the_split_is_only_reported(tmp_path, capsys):
    results = shutil.copytree(KEPT, tmp_path / "results")
    plan = (results / "demo/study.json").read_text()
    (results / "demo/study.json").write_text(plan.replace('"vary": "all"', '"vary": "split"'))
    assert '"vary": "split"' in (results / "demo/study.json").read_text()
    for vary in ("split", "all", "all_and_test_split"):
        arguments = ["plan", "demo", "--set", "epochs=3", "--set", f"vary={vary}", "--results", str(results)]
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert "'split' also moved class order and subset; no value means that now: " in error
        assert "only version 0.1 extends it; give another --results" in error


ABSENT = object()


def differences(old, new, place=""):
    """Places at which two documents differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [(f"{place}.{key}", old[key], ABSENT) for key in old if key not in new]
        added = [(f"{place}.{key}", ABSENT, new[key]) for key in new if key not in old]
        both = [d for key in old if key in new for d in differences(old[key], new[key], f"{place}.{key}")]
        return gone + added + both
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in differences(a, b, f"{place}[{i}]")]
    return [] if type(old) is type(new) and old == new else [(place, old, new)]


RULES_0_2 = {
    r"\.families\[\d+\]\.m": "A1",
    r"\.comparisons\[\d+\]\.(p_adjusted|p_equivalence_adjusted|size|ci_adjusted_(low|high))": "A1, A2, A6",
    r"\.comparisons\[\d+\]\.(m|verdict|reason|sentence)": "A1, A2, A4, A5",
    r"\.comparisons\[\d+\]\.(p_t|p_equivalence|ci_(low|high|90_low|90_high)|warnings|scope)": "A2",
    r"\.comparisons\[\d+\]\.detail\.(method|assumptions|t)": "A2",
    r"\.comparisons\[\d+\]\.detail\.g_z\..*": "B6",
    r"\.comparisons\[\d+\]\.detail\.p_better\..*": "B5",
    r"\.comparisons\[\d+\]\.feasibility(\..*|_line)": "B2, B3, B4",
    r"\.sensitivity\.shares[.\[].*": "B7",
    r"\.sensitivity\.curves\[\d+\]\.(plateau|levels\[\d+\]\.on_plateau)": "C4, D",
    r"\.sensitivity\.curves\[\d+\]\.(scope|levels\[\d+\]\.(ci|band)_(low|high)|reference\..*)": "A2",
    r"\.tail\[\d+\]\.(groups|overall|classes|empty).*": "A7",
    r"\.interactions\[\d+\]\.(ci_low|ci_high|p|p_adjusted|scope)": "A2, B11",
    r"\.composition\[\d+\]\.(ci_low|ci_high)": "A2",
    r"\.checklist\[\d+\]\.where": "V7",
    r"\.robustness\[\d+\]\.(p_t|other_metrics\..*)": "A2",
    r"(\.arms\[\d+\])?\.scope": "A2",
    r"\.arms\[\d+\]\.ci_(low|high)": "A2",
    r"\.tuning\[\d+\]\.expected_optimism": "B8",
    r"\.tuning\[\d+\]\.(evp|warnings)": "B9",
}
"""Places whose values follow the rules of version 0.2, and the fault of version 0.1 that each rule mends.

A1 one correction, A2 moving test splits, A4 and A5 verdicts before or beside the plan, A6 interval of the verdict, A7
tail of each seed, B2 to B11 wrong numbers, C4 sweeps, D words, V7 checklist.
"""


def is_allowed(place, old, new):
    """A new key, a value of RULES_0_2, a text of NEW_TEXTS or REWORDED, or a key of REMOVED that was null."""
    if old is ABSENT or any(re.fullmatch(pattern, place) for pattern in RULES_0_2):
        return True
    if isinstance(old, str) and isinstance(new, str):
        if any(re.fullmatch(pattern, place) for pattern in REWORDED):
            return numbers(new) <= numbers(old) | NAMED
        return new == old.replace("λ_sil", "λ") and any(re.fullmatch(pattern, place) for pattern in NEW_TEXTS)
    return old is None and new is ABSENT and any(re.fullmatch(pattern, place) for pattern in REMOVED)


def numbers(text):
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_a_difference_is_found_wherever_it_is():
    old = {"a": [{"b": 1.0}, {"b": 2.0}], "c": "x"}
    assert differences(old, {"a": [{"b": 1.0}, {"b": 2.0}], "c": "x"}) == []
    assert differences(old, {"a": [{"b": 1.0}, {"b": 2.0000000000000004}], "c": "x"})[0][0] == ".a[1].b"
    assert differences(old, {"a": [{"b": 1}, {"b": 2.0}], "c": "x"})[0][0] == ".a[0].b"
    assert [d[0] for d in differences(old, {"a": [], "d": "x"})] == [".c", ".d", ".a"]
    assert differences({"c": "x"}, {"c": "y"}) == [(".c", "x", "y")]


@pytest.mark.parametrize("study", STUDIES)
def test_the_report_has_the_same_keys_and_the_numbers_that_no_new_rule_changes(results, study):
    old, new = (json.loads((top / study / "report" / "report.json").read_text()) for top in (KEPT, results))
    found = differences(old, new)
    assert [d for d in found if not is_allowed(*d)] == []


def test_every_rule_of_version_0_2_names_its_fault_and_changes_something(results):
    pairs = [(json.loads(report_of(study)), json.loads((results / study / "report/report.json").read_text()))
             for study in STUDIES]  # fmt: skip
    places = [place for old, new in pairs for place, before, _ in differences(old, new) if before is not ABSENT]
    unused = [pattern for pattern in RULES_0_2 if not any(re.fullmatch(pattern, place) for place in places)]
    assert unused == []
    assert all(re.fullmatch(r"[ABCDV]\d*(, [ABCDV]\d*)*", fault) for fault in RULES_0_2.values())


def test_every_listed_text_still_exists():
    texts = [place for study in STUDIES for place in text_places(json.loads(report_of(study)))]
    assert [p for p in (*NEW_TEXTS, *REWORDED) if not any(re.fullmatch(p, place) for place in texts)] == []


def report_of(study):
    return (KEPT / study / "report" / "report.json").read_text()


def text_places(value, place=""):
    """Places of all texts of a document."""
    if isinstance(value, dict):
        return [p for key, inner in value.items() for p in text_places(inner, f"{place}.{key}")]
    if isinstance(value, list):
        return [p for i, inner in enumerate(value) for p in text_places(inner, f"{place}[{i}]")]
    return [place] if isinstance(value, str) else []
