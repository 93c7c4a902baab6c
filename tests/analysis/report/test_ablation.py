"""The section on ablation: its interval is that of the verdict, and its text says what was corrected."""

from tests.helpers.studies import arm, family, write
from tests.helpers.synthetic import demo_plan, document


def study(gain, **changes):
    arms = [arm(label, {"m": label}, "b", label == "CE") for label in ("CE", "full", "no head", "no term")]
    families = [family("main", "CE", ["full"]), family("parts", "full", ["no head", "no term"], role="ablation")]
    plan = demo_plan(study="parts", arms=arms, families=families, factors=[], seeds=8, **changes)
    drop = {"CE": 0.0, "full": gain, "no head": gain - 0.1, "no term": gain}
    data, text = document(write(None, plan, lambda a, s, r: 0.8 + drop[a["arm"]] + r.normal(0, 0.01)))
    start = text.index("## Ablation")
    return data, text[start : text.index("\n## ", start + 5)]


def test_the_table_shows_the_interval_of_each_verdict_and_says_what_was_corrected():
    data, text = study(0.2)
    assert "paired t, two-sided, Holm over 2, at 5 % for all of them together" in text
    assert "Intervals describe new seeds on the same data." in text
    for c in data["comparisons"][1:]:
        low, high = (f"{100 * c[f'ci_verdict_{end}']:+.2f}".replace("-", "−") for end in ("low", "high"))
        level = f"{100 * c['ci_verdict_level']:.4g}"
        assert f"{low} to {high} ({level} %" in text
    assert "97.5 %" in text


def test_a_closed_gate_says_that_no_primary_comparison_is_better():
    _, text = study(-0.2)
    assert "No primary comparison has the verdict “better”, so these comparisons are exploratory: parts." in text
    assert "shows a difference" not in text
