"""Expansion of a study into arms and trials, and the faults it refuses."""

import ast
import re

import pytest

from ablations.design.loading import built_in, change_study, load_study, question
from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import covers
from ablations.design.study import Study, make_study
from ablations.errors import StudyError
from search_spaces import Choice, Interval
from silhouette.errors import InputError
from tests.helpers.own_data import arrays_of, save

BASE = {
    "question": "Does it help?",
    "factors": {"lambda_sil": (0.0, 0.2), "imbalance": ("none", "long_tail")},
    "fixed": {"imbalance_factor": 20},
    "baseline": {"lambda_sil": 0.0},
    "blocks": ("imbalance",),
    "seeds": (0, 1, 2),
}


def study(**changes) -> Study:
    return make_study({**BASE, **changes})


def test_arms_are_the_product_with_one_baseline_per_block():
    arms = study().arms
    assert [arm.label for arm in arms] == ["λ=0 balanced", "λ=0 long_tail×20", "λ=0.2 balanced", "λ=0.2 long_tail×20"]
    assert [arm.baseline for arm in arms] == [True, True, False, False]
    assert [arm.block for arm in arms] == ["balanced", "long_tail×20"] * 2
    assert arms[3].settings == {"lambda_sil": 0.2, "imbalance": "long_tail", "imbalance_factor": 20.0}


def test_trials_interleave_arms_so_that_early_results_are_paired():
    trials = list(study().trials())
    assert len({trial.trial_id for trial in trials}) == 12
    assert [trial.seed for trial in trials] == [0] * 4 + [1] * 4 + [2] * 4
    assert [trial.arm.label for trial in trials[:4]] == [arm.label for arm in study().arms]


def test_settings_that_train_the_same_thing_are_one_arm():
    factors = {"lambda_sil": (0.0, 0.2), "tau_s": (0.03, 0.1, 0.3)}
    arms = study(factors=factors, fixed={}, blocks=()).arms
    assert [arm.label for arm in arms] == ["λ=0", "λ=0.2 τ_s=0.03", "λ=0.2 τ_s=0.1", "λ=0.2 τ_s=0.3"]
    assert arms[0].settings == {"lambda_sil": 0.0}


def test_one_at_a_time_varies_around_the_baseline():
    factors = {"lambda_sil": (0.1, 0.5), "tau_s": (0.03, 0.1, 0.3)}
    arms = study(
        factors=factors, fixed={}, blocks=(), baseline={"lambda_sil": 0.1, "tau_s": 0.1}, design="one_at_a_time"
    )
    labels = [arm.label for arm in arms.arms]
    assert labels == ["λ=0.1 τ_s=0.03", "λ=0.1 τ_s=0.1", "λ=0.1 τ_s=0.3", "λ=0.5 τ_s=0.1"]


def test_description_holds_what_the_analysis_needs():
    described = describe_study(study())
    assert described["families"] == [
        {
            "family": block,
            "role": "primary",
            "correction": "holm",
            "baseline": f"λ=0 {block}",
            "treatments": [f"λ=0.2 {block}"],
        }
        for block in ("balanced", "long_tail×20")
    ]
    assert described["direction"] == "max"
    assert described["factors"][0]["values"] == [0.0, 0.2]


def test_plan_hash_follows_the_plan_and_nothing_else():
    assert describe_study(study())["plan_hash"] == describe_study(study(question="Put otherwise?"))["plan_hash"]
    assert describe_study(study())["plan_hash"] != describe_study(study(seeds=(0, 1)))["plan_hash"]


HASHES_0_1_0 = {
    "demo": "6def75ccefbf9b2d",
    "joint": "2ea94c6ed5d67122",
    "seeds": "c3480a78142e6901",
}
"""Plan hashes that version 0.1.0 wrote for its built-in studies with 5 seeds."""


@pytest.mark.parametrize("name", HASHES_0_1_0)
def test_plans_of_version_0_1_0_have_another_hash(name):
    """The same study is another plan now: its test samples are the same for every seed."""
    plan = describe_study(change_study(load_study(name), [], seeds=5))
    assert plan["plan_hash"] != HASHES_0_1_0[name]
    assert not plan["new_splits"]


def test_the_plan_names_method_and_block_of_every_arm():
    arms = describe_study(study())["arms"]
    assert [arm["method"] for arm in arms] == ["λ=0", "λ=0", "λ=0.2", "λ=0.2"]
    assert [arm["block_settings"] for arm in arms[:2]] == [
        {"imbalance": "none"},
        {"imbalance": "long_tail", "imbalance_factor": 20.0},
    ]
    assert all(arm["arm"] == f"{arm['method']} {arm['block']}" for arm in arms)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"baseline": {"lambda_sil": 0.7}},
            "exactly one arm of block 'balanced', got none of the arms",
        ),
        ({"baseline": {"tau_s": 0.7}}, "baseline: must set factors (lambda_sil, imbalance), got 'tau_s'"),
        (
            {"baseline": {}},
            "exactly one arm of block 'balanced', got λ=0 balanced and λ=0.2 balanced",
        ),
        ({"seeds": ()}, "seeds: must be at least one, got none"),
        ({"seeds": (1, 1)}, "seeds: must be different, got 1 twice"),
        ({"seeds": (-1,)}, "seeds: must be integers from 0 to 2147483647, got -1"),
        ({"metric": "val_top1"}, "got 'val_top1'"),
        ({"metric": "nonsense"}, "got 'nonsense'"),
        ({"sesoi": 0}, "sesoi: must be greater than 0, got 0"),
        ({"sesoi": -0.002}, "sesoi: must be greater than 0, got -0.002"),
        ({"sesoi": 0.2}, "sesoi: test_top1 is a fraction, 0.2 is 20 points; did you mean 0.002?"),
        ({"looks": (2, 3)}, "looks: must be at least two rising numbers of seeds, from 3 on"),
        ({"looks": (3, 2)}, "looks: must be at least two rising numbers of seeds"),
        ({"looks": (5, 10)}, "seeds: their number must be one of looks [5, 10], got 3"),
        ({"factors": {"lambda_sil": (0.0, 0, 0.2)}}, "factors: lambda_sil needs different values, got [0.0, 0.0, 0.2]"),
        ({"error_rate": "family"}, "error_rate: must be 'study' or 'block', got 'family'"),
        ({"alpha": 0.9}, "alpha: must be less than 0.5, got 0.9"),
        ({"fixed": {"lambda_sil": 1}}, "lambda_sil: set in more than one of"),
        ({"fixed": {"lamda": 1}}, "lamda: no such setting"),
        ({"factors": {"lambda_sil": ()}}, "factors: lambda_sil needs at least one value, got none"),
        ({"factors": {"lambda_sil": (0.0, -1)}}, "lambda_sil: must be greater than or equal to 0, got -1"),
        ({"fixed": {}}, "imbalance_factor: must be above 1 with imbalance=long_tail; imbalance=none is"),
        ({"name": "../escape"}, "study: use letters"),
        ({"blocks": ("width",)}, "blocks: must be factors (lambda_sil, imbalance), got 'width'"),
        ({"colour": "red"}, "colour: Study has no such field; docs/study.md lists them, got 'red'"),
    ],
)
def test_a_fault_is_one_clear_line(changes, line):
    with pytest.raises(InputError) as caught:
        study(**changes)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_built_in_studies_are_found_and_ask_a_question():
    assert "demo" in built_in()
    assert all(question(path).rstrip(".").endswith("?") for path in built_in().values())
    assert all(load_study(name).arms for name in built_in())


def test_demo_has_80_trials_in_8_arms():
    demo = load_study("demo")
    assert len(demo.arms) == 8
    assert len(list(demo.trials())) == 80


def test_changes_from_the_command_line_become_part_of_the_plan():
    changed = change_study(study(), ["lambda_sil=0,0.1,0.5", "epochs=3"], seeds=5)
    assert [arm.settings["lambda_sil"] for arm in changed.arms[::2]] == [0.0, 0.1, 0.5]
    assert {arm.config.epochs for arm in changed.arms} == {3}
    assert changed.seeds == (0, 1, 2, 3, 4)
    assert describe_study(changed)["plan_hash"] != describe_study(study())["plan_hash"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lambda_sil", "--set: must be field=value, got 'lambda_sil'"),
        ("=3", "--set: must be field=value, got '=3'"),
        ("lambda_sil=", "--set: must be field=value, got 'lambda_sil='"),
        ("lambda_sil=banana", "lambda_sil: must be a number, got 'banana'"),
        ("lambda_sil=0,,1", "lambda_sil: must be a number, got ''"),
        ("lambda_sil=nan", "lambda_sil: must be less than or equal to 1000, got 'nan'"),
        ("nope=1", "nope: no such setting; `ablate list --spaces` and docs/study.md list them"),
        ("epochs=0", "epochs: must be greater than or equal to 1, got '0'"),
        ("epochs=1.5", "epochs: must be an integer, got '1.5'"),
    ],
)
def test_a_bad_set_is_one_line_with_the_value(text, line):
    with pytest.raises(InputError) as caught:
        change_study(study(), [text])
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_folder_keeps_the_larger_plan_and_refuses_a_contradiction():
    small, large = describe_study(study()), describe_study(study(seeds=(0, 1, 2, 3)))
    assert not covers(None, small, "here")
    assert not covers(small, large, "here")
    assert covers(large, small, "here")
    other = describe_study(study(fixed={"imbalance_factor": 20, "epochs": 9}))
    with pytest.raises(StudyError, match="epochs: was 30 and is now 9"):
        covers(small, other, "here")
    with pytest.raises(StudyError, match=r"sesoi: was None and is now 0\.01; here holds records of another plan"):
        covers(small, describe_study(study(sesoi=0.01)), "here")
    with pytest.raises(StudyError, match="error_rate: was 'study' and is now 'block'"):
        covers(small, describe_study(study(error_rate="block")), "here")


def test_other_comparisons_of_the_same_trials_are_another_plan():
    plan = describe_study(study())
    (family, *others) = plan["families"]
    other = {**plan, "plan_hash": "another", "families": [{**family, "role": "exploratory"}, *others]}
    with pytest.raises(StudyError, match="families: the comparisons are not those that were declared"):
        covers(plan, other, "here")


def test_families_may_not_be_redefined_while_seeds_are_added():
    plan, larger = describe_study(study()), describe_study(study(seeds=(0, 1, 2, 3)))
    (family, *others) = larger["families"]
    assert not covers(plan, larger, "here")  # the larger plan replaces this one
    with pytest.raises(StudyError, match="families: the comparisons are not those that were declared"):
        covers(plan, {**larger, "families": [{**family, "role": "exploratory"}, *others]}, "here")
    with pytest.raises(StudyError, match="families: the comparisons are not those that were declared"):
        covers(plan, {**larger, "families": others}, "here")


def test_a_plan_without_an_error_rate_holds_it_for_the_whole_study():
    fixed = {"imbalance_factor": 20, "vary": "all_and_test_split"}
    old, new = describe_study(study(fixed=fixed)), describe_study(study(fixed=fixed))
    assert old.pop("error_rate") == "study"
    assert covers({**old, "plan_hash": "of then"}, new, "here")
    per_block = describe_study(study(fixed=fixed, error_rate="block"))
    assert old["plan_hash"] == new["plan_hash"] != per_block["plan_hash"]


def test_a_study_without_a_margin_names_the_one_that_its_folder_was_run_with():
    old = {**describe_study(study()), "sesoi": 0.002, "plan_hash": "of then"}
    with pytest.raises(StudyError, match=r"was 0\.002 and is now None; to keep it, write sesoi=0\.002 into the study"):
        covers(old, describe_study(study()), "here")


def test_a_loss_may_have_a_margin_above_one():
    assert study(metric="test_loss", sesoi=1.5).sesoi == 1.5


def test_every_built_in_study_declares_its_margin_with_a_reason():
    for name, path in built_in().items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        points = f"{100 * load_study(name).sesoi:g} points"
        assert re.search(rf"^Margin: +{points}, .+", text, re.M), name


@pytest.mark.parametrize("damaged", [[], {}, {"plan_hash": "0"}, "a text"])
def test_a_study_json_that_is_no_plan_is_refused(damaged):
    with pytest.raises(StudyError, match=r"here/study\.json: holds no plan"):
        covers(damaged, describe_study(study()), "here")


def test_a_plan_from_before_a_field_was_there_has_its_default():
    old, new = describe_study(study()), describe_study(study())
    for arm in old["arms"]:
        assert arm["config"].pop("vary") == "all"
    assert covers({**old, "plan_hash": "of then"}, new, "here")
    old["arms"][0]["config"]["vary"] = "init"
    with pytest.raises(StudyError, match="vary: was 'init' and is now 'all'"):
        covers({**old, "plan_hash": "of then"}, new, "here")


def test_the_plan_says_whether_seeds_draw_new_test_splits():
    fixed = {"imbalance_factor": 20, "vary": "all_and_test_split"}
    assert describe_study(study(fixed=fixed))["new_splits"]
    assert not describe_study(study())["new_splits"]
    assert not describe_study(study(fixed={"imbalance_factor": 20, "dataset": "mnist"}))["new_splits"]
    assert not describe_study(study(fixed={"imbalance_factor": 20, "vary": "init"}))["new_splits"]


PK = {"sampler": "pk", "batch_size": 32, "samples_per_class": 4, "imbalance_factor": 20}


def folder_of(tmp_path, classes):
    for part in ("train", "test"):
        for number in range(classes):
            (tmp_path / part / f"class {number}").mkdir(parents=True)
    return f"image_folder:{tmp_path}"


def test_more_classes_in_a_batch_than_a_folder_has_are_refused(tmp_path):
    fixed = {**PK, "dataset": folder_of(tmp_path, 5)}
    line = "samples_per_class: batch_size = 32 needs 8 classes in arm 'λ=0 balanced', the data have 5; give at least 7"
    with pytest.raises(StudyError, match=line):
        study(fixed=fixed)
    assert study(fixed={**fixed, "samples_per_class": 8}).arms
    elsewhere = {**fixed, "dataset": "image_folder:/absent/on/this/machine"}
    assert study(fixed=elsewhere).arms


def test_more_classes_in_a_batch_than_an_npz_file_has_are_refused(tmp_path):
    fixed = {**PK, "dataset": save(tmp_path / "x.npz", arrays_of(classes=5))}
    with pytest.raises(StudyError, match=r"needs 8 classes in arm 'λ=0 balanced', the data have 5; give at least 7"):
        study(fixed=fixed)
    (tmp_path / "x.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match=rf"^dataset: {tmp_path}/x.npz: cannot be read as npz"):
        study(fixed=fixed)


@pytest.mark.parametrize(
    ("nuisance", "line"),
    [
        (
            {"batch_size": Choice((16, 48))},
            "batch_size = 48 needs 12 classes in arm 'λ=0 balanced', the data have 10",
        ),
        (
            {"batch_size": Choice((16, 30))},
            "must divide batch_size = 30 in arm 'λ=0 balanced', got 4",
        ),
        (
            {"batch_size": Interval(16, 32, integer=True)},
            r"needs a Choice where sampler=pk, .*Interval\(16, 32\)",
        ),
    ],
)
def test_a_search_cannot_ask_for_batches_that_do_not_exist(nuisance, line):
    fixed = {field: value for field, value in PK.items() if field not in nuisance}
    tuning = {"nuisance": {**nuisance, "lr": None}, "settings": 4}
    with pytest.raises(StudyError, match=line):
        study(fixed=fixed, tuning=tuning)
    assert study(fixed=fixed, tuning={**tuning, "nuisance": {"batch_size": Choice((16, 32)), "lr": None}}).arms
