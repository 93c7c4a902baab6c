"""Studies over own encoders, data sets and losses: arms over options, the plan, and faults before anything runs."""

import pytest

from ablations.cli.parser import main
from ablations.design.loading import change_study
from ablations.design.plans.describe import describe_study
from ablations.design.plugins import check_own_code
from ablations.design.reachable import active_fields, reached
from ablations.design.study import make_study
from ablations.design.tuning import make_space
from ablations.driver.controller import make_controller
from ablations.errors import StudyError
from ablations.search.candidates import Candidate
from ablations.search.selection import with_winners
from ablations.workers.spec import RunContext, arm_specs
from search_spaces import Choice, Interval
from silhouette.errors import InputError
from silhouette.results import Store
from tests.helpers.plugin import NAME, SOURCES, write_plugin

ENCODER, LOSS, METRIC = f"{NAME}.nets:tiny", f"{NAME}.losses:arc", f"{NAME}.metrics:spread"
STUDY = f"""
from ablations import Study

STUDY = Study(
    question="Does depth help?",
    factors={{"encoder.depth": (1, 2, 4)}},
    fixed={{"encoder": "{ENCODER}", "epochs": 1}},
    baseline={{"encoder.depth": 1}},
    seeds=range(3),
)
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reached.cache_clear()  # the package of another test has the same names
    active_fields.cache_clear()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "deep.py").write_text(STUDY)
    return write_plugin(tmp_path / "site")


def study(**values):
    given = {"question": "?", "factors": {"encoder.depth": (1, 2, 4)}, "baseline": {"encoder.depth": 1}}
    return make_study({**given, "fixed": {"encoder": ENCODER, "epochs": 2}, **values})


def test_options_are_factors_with_short_labels():
    arms = study().arms
    assert [arm.label for arm in arms] == ["depth=1", "depth=2", "depth=4"]
    assert [arm.settings for arm in arms] == [{"encoder.depth": depth} for depth in (1, 2, 4)]
    assert [arm.config.options for arm in arms] == [{"encoder.depth": 1}, {}, {"encoder.depth": 4}]
    plan = describe_study(study())
    assert plan["plugins"] == [ENCODER]
    assert plan["factors"][0] | {"values": None} == {
        "field": "encoder.depth", "label": "depth", "values": None, "default": 2, "log": False, "unit": ""
    }  # fmt: skip


def test_an_option_of_a_term_has_no_effect_in_arms_without_it():
    objectives = ("ce", f"ce + {LOSS}")
    one = study(
        factors={"objective": objectives, "arc.margin": (0.1, 0.25)}, baseline={"objective": "ce"}, fixed={"epochs": 2}
    )
    assert [arm.settings for arm in one.arms] == [
        {"objective": "ce"}, *({"objective": objectives[1], "arc.margin": m} for m in (0.1, 0.25))
    ]  # fmt: skip


def test_the_command_line_sets_options():
    assert [a.label for a in change_study(study(), ["encoder.depth=1,3"]).arms] == ["depth=1", "depth=3"]
    assert change_study(study(), ["encoder.drop=0.5"]).arms[0].config.options["encoder.drop"] == 0.5
    with pytest.raises(StudyError, match=r"^encoder.drop: must be a number, as the signature of "):
        change_study(study(), ["encoder.drop=much"])


TEXTS = "from torch import nn\ndef tiny(in_shape, *, size: str = '18', drop: float | None = None): ..."


@pytest.mark.parametrize("design", ["grid", "one_at_a_time"])
@pytest.mark.parametrize(
    ("option", "values", "labels"),
    [("size", ("18", "1.10", 50), ["18", "1.10", "50"]), ("drop", (None, 0.1, "0.5"), ["None", "0.1", "0.5"])],
)
def test_factors_over_texts_and_none_find_their_baseline(plugin, design, option, values, labels):
    write_plugin(plugin.parent, nets=TEXTS)
    factors = {f"encoder.{option}": values, "lambda_sil": (0.0, 0.2)}
    baseline = {f"encoder.{option}": values[0], "lambda_sil": 0.0}
    arms = study(factors=factors, baseline=baseline, design=design).arms
    assert [arm.label for arm in arms if arm.baseline] == [f"{option}={labels[0]} λ=0"]
    assert [arm.label for arm in arms if arm.config.lambda_sil == 0] == [f"{option}={label} λ=0" for label in labels]
    assert len(arms) == (6 if design == "grid" else 4)


def test_own_metrics_are_plugins_and_their_options_factors(plugin, capsys):
    given = {"metrics": (METRIC,), "epochs": 1}
    more = {"metric": "test_spread", "direction": "min", "fixed": given}
    one = study(factors={"spread.power": (1, 2.0)}, baseline={"spread.power": 1}, **more)
    assert [arm.label for arm in one.arms] == ["power=1", "power=2"]
    assert (one.plugins, describe_study(one)["plugins"]) == ((METRIC,), [METRIC])
    text = STUDY.replace(f'"encoder": "{ENCODER}"', f'"metrics": ["{METRIC}"]').replace("encoder.depth", "spread.power")
    (plugin.parent.parent / "power.py").write_text(text)
    assert main(["plan", "power.py"]) == 0
    write_plugin(
        plugin.parent, metrics="def spread(features, labels, *, power=1.0): return features[:, int(power) + 1]"
    )
    assert main(["plan", "power.py"]) == 2
    assert f"metrics: {METRIC} fails on random features" in capsys.readouterr().err


def test_options_can_be_tuned():
    tuning = {"nuisance": {"encoder.depth": Interval(1, 6, integer=True)}, "settings": 4, "grace": 1}
    one = study(
        factors={"lambda_sil": (0.0, 0.2)}, baseline={"lambda_sil": 0.0}, tuning=tuning, fixed={"encoder": ENCODER}
    )
    space = make_space(one.tuning, one.start_arms[0])
    assert space.config({"encoder.depth": 5}).options == {"encoder.depth": 5}
    assert space.config({"encoder.depth": 2}).options == {}
    with pytest.raises(StudyError, match=r"encoder.depth needs an Interval or a Choice"):
        study(factors=one.factors, baseline=one.baseline, tuning=tuning | {"nuisance": {"encoder.depth": None}})


def tuned(encoders, **more):
    nuisance = {"encoder": Choice(encoders), "encoder.depth": Interval(1, 6, integer=True), **more}
    tuning = {"nuisance": nuisance, "settings": 2, "grace": 1}
    factors = {"objective": ("ce", f"ce + {LOSS}")}
    return study(factors=factors, baseline={"objective": "ce"}, tuning=tuning, fixed={"epochs": 2})


def test_what_a_search_can_use_is_a_plugin_of_the_study_and_of_the_trials_that_use_it(tmp_path):
    one = tuned(("mlp", ENCODER))
    assert one.plugins == (ENCODER, LOSS)
    assert describe_study(one)["plugins"] == [ENCODER, LOSS]
    controller = make_controller(one, Store(str(tmp_path / "results"), "study"), RunContext("results", "study"))
    plugins = {
        (arm.label, name): controller._spec(arm.label, Candidate(0, values)).plugins(controller.context)
        for arm in one.start_arms
        for name in ("mlp", ENCODER)
        if (values := {"encoder": name, "encoder.depth": 3})
    }
    (plain, other) = (arm.label for arm in one.start_arms)
    assert plugins == {
        (plain, "mlp"): (), (plain, ENCODER): (ENCODER,), (other, "mlp"): (LOSS,), (other, ENCODER): (ENCODER, LOSS)
    }  # fmt: skip
    winners = {plain: {"encoder": ENCODER, "encoder.depth": 3}, other: {"encoder": "mlp", "encoder.depth": 3}}
    confirmed = arm_specs(with_winners(one, winners).arms)
    assert [confirmed[label].plugins for label in (plain, other)] == [(ENCODER,), (LOSS,)]


SEARCHED = """
from ablations import Study, Tuning
from search_spaces import Choice, Interval

STUDY = Study(
    question="Does the silhouette help?",
    factors={"lambda_sil": (0.0, 0.2)},
    baseline={"lambda_sil": 0.0},
    fixed={"epochs": 2},
    tuning=Tuning(
        nuisance={"encoder": Choice(("mlp", "ENCODER")), "encoder.depth": Interval(1, 6, integer=True), "lr": None},
        settings=2,
        grace=1,
    ),
)
"""
DEEP = SOURCES["nets.py"].replace("channels,", "assert depth < 5, 'too deep'; channels,")


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("encoder", "nets", "line"),
    [
        ("nowhere.nets:tiny", None, "encoder: nowhere.nets:tiny: cannot be imported (No module named 'nowhere')"),
        (ENCODER, "import absent_library", f"encoder: {ENCODER}: cannot be imported (No module named 'absent_"),
        (ENCODER, DEEP, f"encoder: {ENCODER} fails (AssertionError: too deep)"),
    ],
)
def test_what_only_a_search_would_use_is_checked_before_anything_trains(plugin, capsys, command, encoder, nets, line):
    (plugin.parent.parent / "searched.py").write_text(SEARCHED.replace("ENCODER", encoder))
    if nets is not None:
        write_plugin(plugin.parent, nets=nets)
    assert main([command, "searched.py"]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("fixed", "line"),
    [
        ({"encoder": ENCODER, "encoder.dep": 1}, f"encoder.dep: {ENCODER} has no such option; did you mean depth?"),
        ({"arc.margin": 0.1}, "fixed: arc.margin changes nothing in any arm, since it needs something of your own"),
        ({"dataset.year": 7}, "fixed: dataset.year changes nothing in any arm, since it needs something of your own"),
    ],
)  # fmt: skip
def test_options_that_belong_to_nothing_are_refused(fixed, line):
    with pytest.raises(StudyError) as caught:
        study(factors={"lambda_sil": (0.0, 0.2)}, baseline={"lambda_sil": 0.0}, fixed=fixed)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import absent_library", f"{ENCODER}: cannot be imported (No module named 'absent_library')"),
        ("def tiny(in_shape, *, depth=2): return None, depth", f"{ENCODER} must return (nn.Module, features)"),
        ("def tiny(*, depth=2): ...", f"{ENCODER} must take (in_shape)"),
    ],
)
def test_a_fault_ends_plan_and_run_with_one_line(plugin, capsys, command, source, words):
    write_plugin(plugin.parent, nets=source)
    assert main([command, "deep.py"]) == 2
    line = capsys.readouterr().err
    assert words in line
    assert len(line.splitlines()) == 1


def test_a_plan_without_a_fault_runs_nothing(capsys):
    assert main(["plan", "deep.py"]) == 0
    assert "depth=4" in capsys.readouterr().out


def test_a_loss_is_called_with_every_number_of_classes(plugin):
    few = "    assert num_classes < 200, 'too many'\n    assert class_counts is None"
    losses = SOURCES["losses.py"].replace("    assert class_counts is None", few)
    write_plugin(plugin.parent, losses=losses)
    fixed = {"dataset": "synthetic", "objective": f"ce + {LOSS}"}
    one = study(factors={"synthetic_classes": (3, 200)}, baseline={"synthetic_classes": 3}, fixed=fixed)
    check_own_code(one.start_arms[:1], None, here=True)
    with pytest.raises(InputError, match=rf"^objective: {LOSS} fails \(AssertionError: too many\)"):
        check_own_code(one.start_arms, None, here=True)
