"""An arm has one name: what study.json and the records call it is what the report calls it."""

import pytest

from ablations import load_study
from ablations.design.plans.describe import describe_study
from analysis.study.study_file import make_plan

ADDED = ("method", "block_settings")
"""Keys of an arm that `study.json` of version 0.1.0 lacks; `method` stood there where treatments were named."""


def as_version_0_1_0(described):
    """What version 0.1.0 would have written."""
    named = any(arm["method"].startswith("CE") for arm in described["arms"])
    dropped = ADDED[1:] if named else ADDED
    arms = [{k: v for k, v in arm.items() if k not in dropped} for arm in described["arms"]]
    factors = [{**f, "label": "λ_sil" if f["label"] == "λ" else f["label"]} for f in described["factors"]]
    return {**described, "arms": arms, "factors": factors}


@pytest.mark.parametrize("name", ["demo", "joint", "seeds"])
@pytest.mark.parametrize("change", [dict, as_version_0_1_0])
def test_the_report_calls_an_arm_as_its_label_does(name, change):
    study = load_study(name)
    plan = make_plan(change(describe_study(study)))
    assert {arm.label: plan.method(arm.label) for arm in study.arms} == {arm.label: arm.method for arm in study.arms}
    assert plan.block_fields == {field for arm in study.arms for field in arm.block_settings}
    for arm in study.arms:
        assert set(arm.label.split()) == {*plan.method(arm.label).split(), *arm.block.split()}


def test_a_factor_that_is_constant_by_chance_stays_in_the_name_of_the_method():
    study = load_study("demo").replaced(factors={"lambda_sil": (0.0, 0.2), "width": (8,)}, blocks=(), fixed={})
    plan = make_plan(describe_study(study))
    assert plan.block_fields == frozenset()
    assert plan.method("λ=0.2 width=8") == "λ=0.2 width=8"


def test_where_the_block_stands_within_the_label_the_settings_name_the_method():
    factors = {"imbalance": ("none", "long_tail"), "lambda_sil": (0.0, 0.2), "vary": ("all", "init")}
    study = load_study("demo").replaced(factors=factors, blocks=("imbalance", "vary"))
    old = make_plan(as_version_0_1_0(describe_study(study)))
    assert {old.method(arm.label) for arm in study.arms} == {"λ=0", "λ=0.2"}
