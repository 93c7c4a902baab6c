"""Studies that cross sources of chance: their seeds, and the lines for seeds that do not fit."""

import pytest

from ablations import Study, StudyError, Tuning, crossed, load_study
from ablations.cli.detectable import seed_line
from ablations.design.study import make_study
from silhouette.config import ConfigError, TrialConfig, make_config, trial_id

TWO = {
    "question": "Which source of chance matters?",
    "factors": {"lambda_sil": (0.0, 0.2)},
    "fixed": {"vary": "init*order"},
    "baseline": {"lambda_sil": 0.0},
}


def test_a_crossed_study_has_a_trial_for_each_combination_and_each_moves_its_own_sources():
    study = make_study({**TWO, "seeds": crossed(3, 2)})
    assert [trial.seed for trial in study.trials() if trial.arm.baseline] == [0, 1, 100, 101, 200, 201]
    seeds = [trial.arm.config.source_seeds(trial.seed) for trial in study.trials() if trial.arm.baseline]
    assert {(s["init"], s["order"]) for s in seeds} == {(i, o) for i in range(3) for o in range(2)}
    assert {s["split"] for s in seeds} == {0}


def test_the_plan_says_that_crossed_runs_give_variances_and_no_verdict():
    line = seed_line(make_study({**TWO, "seeds": crossed(3, 3)}))
    assert line == "9 runs of each arm cross sources of chance: variances of the sources, but no verdict"
    assert "SD of the paired differences" in seed_line(make_study({**TWO, "fixed": {}, "seeds": range(9)}))


@pytest.mark.parametrize("seeds", [range(10), (0, 1, 100), (0, 1), (0, 1, 10000, 10001), (*crossed(2, 2), 200)])
def test_seeds_that_are_no_complete_crossed_design_are_one_line(seeds):
    with pytest.raises(StudyError, match=r"seeds: vary=init\*order needs every combination .*crossed\(5, 5\)"):
        make_study({**TWO, "seeds": tuple(seeds)})


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("tuning", {"tuning": Tuning(nuisance={"lr": None})}),
        ("looks", {"looks": (4, 9)}),
        ("stop", {"stop": "decided", "max_seeds": 9}),
    ],
)
def test_a_crossed_study_takes_nothing_that_needs_independent_seeds(field, more):
    with pytest.raises(StudyError, match=rf"{field}: needs independent seeds, but vary=init\*order crosses sources"):
        make_study({**TWO, "seeds": crossed(3, 3), **more})


def test_a_crossed_source_that_moves_nothing_is_one_line():
    fixed = {"vary": "init*class_order"}
    with pytest.raises(StudyError, match="moves nothing in arm 'λ=0', since class_order needs an imbalance"):
        make_study({**TWO, "fixed": fixed, "seeds": crossed(2, 2)})


@pytest.mark.parametrize("vary", ["init*init", "init*", "init*all", "order*nothing", "both", "a*b*c*d*e"])
def test_a_vary_that_names_no_source_is_one_line(vary):
    with pytest.raises(ConfigError, match=r"vary: must be one of all, .* joined by \* \(init\*order\), got"):
        make_config({"vary": vary})


@pytest.mark.parametrize("levels", [(5,), (1, 5), (5, 101), (2, 2, 2, 2, 2)])
def test_levels_that_seeds_cannot_hold_are_refused(levels):
    with pytest.raises(ValueError, match="crossed: "):
        crossed(*levels)


def test_crossed_sources_are_another_trial_and_others_keep_their_identity():
    assert trial_id(TrialConfig(vary="init*order"), 0, "confirm") != trial_id(TrialConfig(), 0, "confirm")
    assert trial_id(TrialConfig(vary="init"), 0, "confirm") == "6479cd1a4da9839a"


def test_more_seeds_from_the_command_line_must_complete_the_design():
    study = make_study({**TWO, "seeds": crossed(2, 2)})
    assert isinstance(study, Study)
    assert load_study("seeds").fixed.get("vary") is None
    with pytest.raises(StudyError, match="seeds: vary=init"):
        study.replaced(seeds=(0, 1, 100, 101, 102))
