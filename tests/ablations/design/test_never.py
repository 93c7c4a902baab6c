"""A search over losses: what is tuned beside them, and choices that no candidate can have are named with the reason."""

import pytest

from ablations.cli.parser import main
from ablations.design.never import never_lines, never_proposed
from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import covers
from ablations.design.study import make_study
from ablations.errors import StudyError
from ablations.search.arm_search import ArmSearch
from search_spaces import Choice, Interval

LR = Interval(1e-3, 1e-1, log=True)
LDAM = "classifier: ldam sets margins between cosines, so it needs classifier=cosine or classifier=etf, got 'linear'"


def study(nuisance, treatments=None, settings=6, **changes):
    base = {"question": "?", "treatments": treatments or {"CE": {"objective": "ce"}, "rival": {}}, "baseline": "CE"}
    tuning = {"nuisance": {**nuisance, "lr": LR}, "settings": settings, "grace": 1}
    return make_study({**base, "seeds": range(3), "tuning": tuning, **changes})


def space_of(one, label):
    return one.space(next(arm for arm in one.start_arms if arm.label == label))


def proposals(one, label):
    search = ArmSearch(space_of(one, label), one.tuning, "max", 30)
    return [search.propose().values for _ in range(one.tuning.settings)]


def test_a_loss_is_compared_with_the_best_of_its_rivals():
    one = study({"objective": None}, settings=25)
    assert [arm.label for arm in one.start_arms] == ["CE", "rival"]
    assert [list(space_of(one, label).domains) for label in ("CE", "rival")] == [["lr"], ["objective", "lr"]]
    found = {values["objective"] for values in proposals(one, "rival")}
    assert len(found) > 5
    assert "ce" not in found  # it would be the same trials as arm CE


def test_a_factor_that_matters_under_some_tuned_values_is_tuned():
    rivals = Choice(("logit_adjusted", "focal", "vs"))
    one = study({"objective": rivals, "focal_gamma": None})
    assert list(space_of(one, "rival").domains) == ["objective", "focal_gamma", "lr"]
    assert list(space_of(one, "CE").domains) == ["lr"]
    assert never_proposed(one) == []


def test_a_factor_may_need_two_tuned_values_beside_it():
    rivals = Choice(("vs", "ldam"))
    one = study({"objective": rivals, "classifier": None, "ldam_margin": None, "classifier_scale": None})
    names = ["objective", "classifier", "ldam_margin", "classifier_scale", "lr"]
    assert list(space_of(one, "rival").domains) == names
    assert never_proposed(one) == []
    with pytest.raises(StudyError, match="ldam_margin changes nothing in any arm, since it needs ldam in objective"):
        study({"objective": rivals, "ldam_margin": None})


def test_choices_that_are_never_proposed_are_named():
    one = study({"objective": Choice(("vs", "ldam"))})
    assert {values["objective"] for values in proposals(one, "rival")} == {"vs"}
    assert list(never_lines(one)) == [f"note: objective=ldam is never proposed in rival: {LDAM}"]
    whole = study({"objective": None})
    values = {found["value"] for found in never_proposed(whole)}
    assert {"ce", "ldam", "supcon2", "paco", "ce + tsc"} <= values
    assert len(values) == 11
    views = study({"objective": None}, fixed={"transform": "crop_flip", "classifier": "cosine"})
    assert [found["value"] for found in never_proposed(views)] == ["ce"]
    assert never_proposed(views)[0]["reason"] == "that is arm 'CE'"


def test_a_choice_is_named_with_the_arms_in_which_it_cannot_run():
    treatments = {"linear": {}, "cosine": {"classifier": "cosine"}}
    one = study({"objective": Choice(("vs", "ldam"))}, treatments, baseline="linear")
    assert [(found["value"], found["arms"]) for found in never_proposed(one)] == [("ldam", ["linear"])]


def test_the_plan_file_names_them_and_its_hash_does_not_depend_on_it():
    plan = describe_study(study({"objective": Choice(("vs", "ldam"))}))
    found = {"name": "objective", "value": "ldam", "arms": ["rival"], "reason": LDAM}
    assert plan["never_proposed"] == [found]
    older = {key: value for key, value in plan.items() if key != "never_proposed"}
    assert covers(older, plan, "here")
    assert "never_proposed" not in describe_study(study({"objective": Choice(("vs", "focal"))}))


def test_plan_prints_them(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        "from ablations import Study, Tuning\nfrom search_spaces import Choice\n"
        "STUDY = Study(question='?', treatments={'CE': {'objective': 'ce'}, 'rival': {}}, baseline='CE',\n"
        "              tuning=Tuning(nuisance={'objective': Choice(('vs', 'ldam')), 'lr': None}))\n"
    )
    assert main(["plan", str(tmp_path / "own.py"), "--results", str(tmp_path)]) == 0
    assert f"note: objective=ldam is never proposed in rival: {LDAM}\n" in capsys.readouterr().out


def test_a_space_is_no_larger_than_its_possible_choices():
    small = {"nuisance": {"objective": Choice(("vs", "ldam")), "lr": Choice((0.1, 0.2))}, "settings": 3}
    with pytest.raises(StudyError, match="arm 'wide' has only 2 different settings, got 3"):
        study({}, {"wide": {"width": 32}, "narrow": {}}, baseline="wide", tuning=small)
