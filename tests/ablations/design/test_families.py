"""Declared families: every comparison once, between arms that exist."""

import pytest

from ablations.design.study import make_study
from ablations.errors import StudyError

A, B = (
    {"family": "weights", "baseline": "λ=0", "treatments": ("λ=0.1",)},
    {"family": "all", "role": "exploratory", "baseline": "λ=0", "treatments": ("λ=0.1", "λ=1")},
)


def study(*families):
    factors = {"lambda_sil": (0.0, 0.1, 1.0)}
    return make_study(
        {"question": "?", "factors": factors, "baseline": {"lambda_sil": 0.0}, "seeds": range(3), "families": families}
    )


def test_families_with_different_comparisons_are_accepted():
    assert len(study(A, {**B, "treatments": ("λ=1",)}).all_families()) == 2


@pytest.mark.parametrize(
    ("families", "line"),
    [
        ((A, A), "families: 'weights' is declared twice; give each family another name, or remove one"),
        ((A, B), "families: 'λ=0.1' against 'λ=0' is declared twice, in 'weights' and 'all'; declare it once"),
        (
            (A, {**A, "family": "again", "baseline": "λ=0.1", "treatments": ("λ=0",)}),
            "families: 'λ=0' against 'λ=0.1' is declared twice, in 'weights' and 'again'",
        ),
        (({**A, "treatments": ("λ=1", "λ=1")},), "families: 'λ=1' against 'λ=0' is declared twice, in 'weights'"),
        (({**A, "treatments": ()},), "families: 'weights' has no treatments; name at least one arm"),
        (({**A, "treatments": ("λ=0", "λ=1")},), "families: the baseline of 'weights' is also a treatment of it"),
        (({**A, "treatments": ("λ=7",)},), "families: 'weights' needs labels of arms, got 'λ=7'"),
    ],
)
def test_a_family_that_cannot_be_used_is_one_line(families, line):
    with pytest.raises(StudyError) as caught:
        study(*families)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
