"""The answer of a study in a sentence, and the line of each comparison."""

import pytest

from analysis.formatting import make_scale
from analysis.report.page import make_page
from analysis.report.writers import html, markdown
from analysis.results.answer import answer
from tests.helpers.synthetic import analysed, demo_plan, write_study

SCALE = make_scale("test_top1")


def compared(treatment, verdict, difference=0.0, **more):
    own = {"treatment": treatment, "baseline": "CE", "block": "", "role": "primary", "reason": ""}
    return {**own, "verdict": verdict, "difference": difference, **more}


def said(*found, blocks=("",)):
    return answer(found, SCALE, lambda label: label.split(" on ")[0], blocks)


BETTER, WORSE = compared("A", "better", 0.012), compared("B", "worse", -0.003)
SAME, OPEN = compared("C", "equivalent", 0.001), compared("D", "inconclusive", 0.004)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], ""),
        ([BETTER], "A is better than CE by 1.20 points."),
        ([OPEN], "No difference could be shown in the only comparison."),
        ([OPEN, OPEN], "No difference could be shown in any of the 2 comparisons."),
        (
            [OPEN, SAME, WORSE, BETTER],
            "A is better than CE by 1.20 points. B is worse than CE by 0.30 points. C is equivalent to CE. "
            "No difference could be shown in 1 of 4 comparisons.",
        ),
        ([WORSE, compared("E", "worse", -0.05)], "E (by 5.00 points) and B (by 0.30 points) are worse than CE."),
        (
            [compared(name, "worse", -0.01 * i) for i, name in enumerate("ABCD", 1)],
            "4 of 4 comparisons are worse, most of all D by 4.00 points.",
        ),
        (
            [compared("A", "no verdict", reason="mixed code"), compared("B", "no verdict", reason="mixed code")],
            "There is no verdict in any of the 2 comparisons: mixed code.",
        ),
        (
            [compared("A", "no verdict", reason="mixed code"), compared("B", "no verdict", reason="3 seeds missing")],
            "There is no verdict in any of the 2 comparisons; each line below gives its reason.",
        ),
        ([BETTER, compared("X", "worse", -0.2, role="exploratory")], "A is better than CE by 1.20 points."),
        (
            [compared("X", "worse", -0.2, role="exploratory")],
            "Exploratory: X is worse than CE by 20.00 points.",
        ),
    ],
)
def test_the_answer_names_what_was_decided_and_counts_the_rest(found, text):
    assert said(*found) == text


def test_a_comparison_is_placed_in_its_block_where_there_are_several():
    tail = compared("A on tail", "worse", -0.1, baseline="CE on tail", block="tail")
    other = compared("A on even", "better", 0.1, baseline="CE on even", block="even")
    assert said(other, tail, blocks=("even", "tail")) == (
        "A is better than CE by 10.00 points (even). A is worse than CE by 10.00 points (tail)."
    )


@pytest.fixture(scope="module")
def document():
    spread = {"λ=0": 1, "λ=0.05": 2, "λ=0.2": 3, "λ=1": 4}

    def change(arm, seed):
        shift, noise = (0.4 if arm == "λ=1 long_tail×20" else 0.0), spread[arm.split()[0]] * (-1) ** seed * (seed + 2)
        return {"test_top1": 0.8 - shift + seed / 1000 + noise / 1000}

    return analysed(write_study(None, demo_plan(sesoi=0.002), change=change))


def test_the_page_begins_with_answer_table_and_forest(document):
    page = make_page(document)
    assert page.answer == document["answer"] != ""
    assert [t.name for t in page.first.tables] == ["results"]
    assert [f.name for f in page.first.figures] == ["differences"]
    text = html.render(page)
    order = ("λ=1 is worse than λ=0 by", 'id="table-results"', 'id="figure-differences"', '<ul class="claims"')
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "**λ=1 is worse than λ=0 by" in markdown.render(page)


def test_decided_comparisons_come_first_and_others_say_what_would_decide_them(document):
    claims = make_page(document).claims
    decided = [claim.verdict not in ("inconclusive", "no verdict") for claim in claims]
    assert decided == sorted(decided, reverse=True)
    assert True in decided
    assert False in decided
    for claim in claims:
        (own,) = [c for c in document["comparisons"] if c["sentence"] == claim.text]
        assert claim.line.startswith(f"{own['treatment'].split()[0]} against λ=0, {own['block']}: ")
        needed = own["feasibility"]["seeds_for_effect"]
        if claim.verdict == "inconclusive" and needed > own["n"]:
            assert f"to detect 0.20 points: {needed} seeds" in claim.line
