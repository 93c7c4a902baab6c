"""Faults of a `study.json`: each is one line that names field, rule and value."""

import pytest

from analysis.errors import ReportError
from analysis.study.study_file import make_plan
from tests.helpers.synthetic import demo_plan


def changed_family(**changes):
    plan = demo_plan()
    plan["families"][0] |= changes
    return plan


def with_second_family(**changes):
    plan = demo_plan()
    plan["families"].append({**plan["families"][0], "family": "again", **changes})
    return plan


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        (with_second_family(family="none"), "families: each name must be declared once, got 'none' twice"),
        (with_second_family(), "families: 'λ=0.05 none' against 'λ=0 none' is declared 2 times as primary"),
        (changed_family(treatments=[]), "family 'none': must have at least one treatment, got none"),
        (changed_family(role="main"), "family 'none': role must be one of primary, ablation, exploratory, got 'main'"),
        (changed_family(correction="bh"), "correction of a family with role primary must be holm, got 'bh'"),
        (changed_family(treatments=["no such arm"]), "family 'none': there is no arm 'no such arm' in study.json"),
        (changed_family(treatments=["λ=0 none"]), "family 'none': the baseline 'λ=0 none' is also a treatment"),
        (demo_plan(looks=[4, 8]), "looks: one of them must be the planned number of seeds, 10, got [4, 8]"),
        (demo_plan(looks=[10, 5]), "looks: must be at least two rising numbers of seeds from 3 on, got [10, 5]"),
        (demo_plan(sesoi=-0.002), "sesoi: must be above 0, got -0.002"),
        (demo_plan(sesoi=0.0), "sesoi: must be above 0, got 0"),
        (demo_plan(sesoi=0.2), "sesoi: 0.2 is 20 points; did you mean 0.002?"),
        (demo_plan(error_rate="family"), "error_rate: must be study or block, got 'family'"),
        (demo_plan(alpha=0.7), "alpha: must be between 0 and 0.5, got 0.7"),
        (demo_plan(direction="up"), "direction: must be max or min, got 'up'"),
    ],
)
def test_a_fault_in_the_plan_is_one_line(plan, fault):
    with pytest.raises(ReportError) as error:
        make_plan(plan)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_a_comparison_may_be_declared_with_another_role_too():
    assert len(make_plan(with_second_family(role="exploratory", correction="bh")).families) == 3


def test_a_margin_of_one_is_right_for_a_metric_that_is_no_fraction():
    assert make_plan(demo_plan(metric="test_loss", sesoi=1.0)).sesoi == 1.0


def test_a_study_that_declares_no_margin_has_none():
    assert make_plan({k: v for k, v in demo_plan().items() if k != "sesoi"}).sesoi is None


EXPLORED = {"role": "exploratory", "correction": "bh"}


def test_families_of_a_role_are_corrected_together_unless_the_study_declares_a_rate_per_block():
    plan = make_plan(with_second_family(role="exploratory", correction="bh"))
    assert [[f.name for f in group] for group in plan.corrected_together] == [["none", "long_tail×20"], ["again"]]
    described = make_plan(demo_plan(families=[f | EXPLORED for f in demo_plan()["families"]]))
    assert [[f.name for f in group] for group in described.corrected_together] == [["none", "long_tail×20"]]
    apart = make_plan(demo_plan(error_rate="block"))
    assert [[f.name for f in group] for group in apart.corrected_together] == [["none"], ["long_tail×20"]]


def test_several_families_of_one_block_are_corrected_together_where_the_error_rate_is_one_of_each_block():
    first, other = demo_plan()["families"]
    halves = [first | {"family": f"half {i}", "treatments": [t]} for i, t in enumerate(first["treatments"])]
    assert len(halves) > 1
    plan = make_plan(demo_plan(error_rate="block", families=[*halves, other]))
    groups = [[f.name for f in group] for group in plan.corrected_together]
    assert groups == [[half["family"] for half in halves], [other["family"]]]


def test_a_plan_without_an_error_rate_is_of_version_0_1_and_is_corrected_over_the_study():
    plan = make_plan({k: v for k, v in demo_plan().items() if k != "error_rate"})
    assert plan.from_0_1
    assert len(plan.corrected_together) == 1
    assert not make_plan(demo_plan()).from_0_1
