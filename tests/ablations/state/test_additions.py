"""What a run refuses to add to a results folder: records of other code, seeds after a look. Nothing is written then."""

import pytest

from ablations import RunOptions, Study, load_study, run_study
from ablations.cli.parser import main
from ablations.design.plan import adopt_plan
from ablations.design.plans.describe import describe_study
from ablations.errors import StudyError
from ablations.state.additions import check_additions, extension_line
from ablations.state.pending import has_complete_plan
from ablations.state.provenance import plugin_sources, plugins_text, source_digest
from silhouette.results import Store
from tests.helpers import plugin
from tests.helpers.ablate import TINY

OTHER = "0123456789ab"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY.replace("(0, 1)", "range(3)"))
    return tmp_path


@pytest.fixture
def study(folder) -> Study:
    return load_study("tiny.py")


def finish(study, seeds=None, status="complete", phase="confirm", **columns):
    """A results folder with records of some seeds of a study; by default of this code."""
    store = Store("results", study.name)
    adopt_plan(study, store, {})
    for trial in study.trials():
        if seeds is None or trial.seed in seeds:
            store.write_record(
                {"trial_id": trial.trial_id, "arm": trial.arm.label, "seed": trial.seed, "phase": phase,
                 "status": status, "source_sha256": source_digest(), "test_top1": 0.5, **columns}
            )  # fmt: skip
    return store


def check(study, store, mixed_code=False, extend=False):
    check_additions(study, store, mixed_code=mixed_code, extend=extend)


@pytest.mark.parametrize(("code", "words"), [(OTHER, OTHER), (None, "code that was not recorded")])
def test_records_of_other_code_are_not_mixed_without_the_option(study, code, words, capsys):
    store = finish(study, seeds=(0,), source_sha256=code)
    before = store.read_json("study.json")
    assert main(["run", "tiny.py"]) == 2
    line = capsys.readouterr().err
    assert len(line.splitlines()) == 1
    assert line.startswith(f"ablate: --allow-mixed-code: {store.root} has 2 records of {words}, and this code is ")
    assert "the report gives no verdict; give another --results, go back to that code, or pass" in line
    assert store.read_json("study.json") == before
    check(study, store, mixed_code=True)


def test_from_python_the_line_names_the_argument(study):
    finish(study, seeds=(0,), source_sha256=OTHER)
    with pytest.raises(StudyError, match=r"^allow_mixed_code: .* or pass allow_mixed_code$"):
        run_study(study, RunOptions())


def test_a_resumed_study_of_the_same_code_goes_on(study):
    check(study, finish(study, seeds=(0,)))
    check(study, Store("results", "another"))


def test_other_code_may_look_at_what_is_finished_and_repeat_what_failed(study):
    check(study, finish(study, source_sha256=OTHER))
    check(study, finish(study.replaced(name="failed"), seeds=(0,), status="failed", source_sha256=OTHER))


def test_a_search_of_other_code_is_not_continued(study):
    tuned = study.replaced(tuning={"nuisance": {"lr": None}, "grace": 1})
    store = finish(tuned, seeds=(0,), phase="tune", source_sha256=OTHER, epochs_planned=2)
    with pytest.raises(StudyError, match="--allow-mixed-code"):
        check(tuned, store)


def test_more_seeds_after_a_look_need_the_option(study, capsys):
    store = finish(study)
    before = store.read_json("study.json")
    assert main(["run", "tiny.py", "--seeds", "5"]) == 2
    assert capsys.readouterr().err == (
        f"ablate: --extend: {store.root} has results that could be seen; with 5 instead of 3 seeds the report will "
        "give no verdict: extended after looking; declare looks in a new study with other seeds, or pass --extend\n"
    )
    assert store.read_json("study.json") == before
    check(study.replaced(seeds=range(5)), store, extend=True)


def test_plan_says_what_more_seeds_would_mean(study, capsys):
    finish(study)
    assert main(["plan", "tiny.py", "--seeds", "5"]) == 0
    assert (
        "with 5 instead of 3 seeds the report will give no verdict: extended after looking" in capsys.readouterr().out
    )
    assert main(["plan", "tiny.py"]) == 0
    assert "extended" not in capsys.readouterr().out


def test_seeds_may_be_added_before_any_result_and_at_a_declared_look(study):
    store = finish(study, seeds=())
    assert extension_line(study.replaced(seeds=range(5)), store) == ""
    declared = study.replaced(name="declared", seeds=range(3), looks=(3, 5))
    store = finish(declared)
    assert extension_line(declared.replaced(seeds=range(5)), store) == ""


def test_a_part_of_the_plan_and_another_arm_are_no_extension(study):
    store = finish(study)
    check(study.replaced(seeds=(0,)), store)
    check(study.replaced(factors={"lambda_sil": (0.0, 0.5, 1.0)}), store)


def test_an_extended_plan_of_version_0_1_still_says_that_it_was_declared_then(study):
    store = Store("results", study.name)
    then = study.replaced(fixed={**study.fixed, "vary": "all_and_test_split"})
    old = describe_study(then)
    del old["error_rate"]
    store.write_json(old, "study.json")
    adopt_plan(then.replaced(seeds=range(5)), store, {})
    assert store.read_json("study.json")["seeds"] == [0, 1, 2, 3, 4]
    assert "error_rate" not in store.read_json("study.json")


def test_a_plan_is_complete_when_every_trial_of_it_has_ended(study):
    assert not has_complete_plan(Store("results", "absent"))
    store = finish(study, seeds=(0, 1))
    assert not has_complete_plan(store)
    finish(study, seeds=(2,), status="failed")
    assert not has_complete_plan(store)
    finish(study, seeds=(2,), status="diverged")
    assert has_complete_plan(store)
    store.write_json([], "study.json")
    assert not has_complete_plan(store)


NETS, SPREAD = f"{plugin.NAME}.nets:tiny", f"{plugin.NAME}.metrics:spread"
OWN = f"""
from ablations import Study

STUDY = Study(
    question="Does depth help?",
    factors={{"encoder.depth": (1, 2)}},
    fixed={{"encoder": "{NETS}", "epochs": 1}},
    baseline={{"encoder.depth": 1}},
    seeds=range(3),
)
"""


MEASURED = OWN.replace("encoder.depth", "spread.power").replace(f'"encoder": "{NETS}"', f'"metrics": ["{SPREAD}"]')


@pytest.mark.parametrize(("name", "text"), [(NETS, OWN), (SPREAD, MEASURED)])
def test_records_of_another_source_of_a_plugin_are_not_mixed_without_the_option(
    folder, monkeypatch, capsys, name, text
):
    monkeypatch.syspath_prepend(str(folder / "site"))
    plugin.write_plugin(folder / "site")
    (folder / "own.py").write_text(text)
    own = load_study("own.py")
    before = plugin_sources([name])[name]
    store = finish(own, seeds=(0,), plugins=plugins_text([name]))
    check(own, store)  # nothing has changed
    plugin.write_plugin(folder / "site", helper="x = 1")
    assert main(["run", "own.py"]) == 2
    line = capsys.readouterr().err
    now = plugin_sources([name])[name]
    assert line.startswith(
        f"ablate: --allow-mixed-code: {store.root} has 2 records of {name} with source {before}, which is now {now}; "
    )
    assert len(line.splitlines()) == 1
    check(own, store, mixed_code=True)
    check(own, finish(own, plugins=plugins_text([name])))  # nothing would be added
