"""docs/study.md is the page that the models generate."""

from pathlib import Path

import pytest

from ablations.design.reference import HIDDEN, PARTS, attributes, reference

PAGE = Path(__file__).parents[3] / "docs" / "study.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m ablations.design.reference > docs/study.md"


@pytest.mark.parametrize("model", [model for model, _, _ in PARTS], ids=lambda model: model.__name__)
def test_every_field_has_a_meaning_and_every_meaning_a_field(model):
    assert attributes(model).keys() == model.model_fields.keys()
    shown = [f"| `{name}` |" for name in model.model_fields if name not in HIDDEN]
    assert all(row in reference() for row in shown)


def test_bounds_and_choices_are_those_of_the_models():
    page = reference()
    assert "| `batch_size` | integer, ≥ 2, ≤ 65536 | `64` |" in page
    assert "| `sampler` | 'uniform', 'balanced', 'pk' | `'uniform'` |" in page
    assert "| `sesoi` | number or None, > 0 | `None` |" in page
