"""A study that its budget has ended: its complete seed blocks are a plan of their own, if the budget came first."""

import json

from analysis.results.analyse import analyse_study
from tests.helpers.studies import write
from tests.helpers.synthetic import demo_plan

BOUGHT = [0, 1, 2, 3, 4, 5]


def study(tmp_path, *, declared=True, **more):
    """Ten planned seeds, of which the budget paid for six; the treatment gains two points at each."""
    plan = demo_plan(seeds=10)
    ended = {"by": "gpu_hours", "seeds": BOUGHT, "spent": {"gpu_hours": 1.9}, "at": "2026-11-26T12:00:00+00:00"}
    budget = {"limits": {"gpu_hours": 2.0}, "declared": declared, "ended": ended}
    store = write(
        tmp_path,
        {**plan, "seeds": BOUGHT},
        lambda arm, seed, rng: 0.6 + rng.normal(0, 0.002) + 0.02 * (not arm["baseline"]),
    )
    stored = store.read_json("study.json")
    store.write_json({**stored, "seeds": plan["seeds"], "budget": budget, **more}, "study.json")
    return store


def notices(document):
    return {notice["key"]: notice["text"] for notice in document["notices"]}


def test_a_budget_that_was_declared_first_leaves_a_smaller_fixed_plan_with_verdicts(tmp_path):
    document = analyse_study(study(tmp_path))
    assert {c["verdict"] for c in document["comparisons"]} == {"better"}
    assert {c["n"] for c in document["comparisons"]} == {6}
    said = notices(document)
    assert "The budget ended this study, not the evidence: 6 of 10 seeds" in said["budget"]
    assert "interim" not in said
    assert document["ledger"]["missing"] == 0


def test_a_late_budget_allows_no_verdict(tmp_path):
    document = analyse_study(study(tmp_path, declared=False))
    assert {c["verdict"] for c in document["comparisons"]} == {"no verdict"}
    said = notices(document)
    assert "given or lowered after results could be seen" in said["budget"]
    assert "interim" in said


def test_a_raised_budget_is_an_extension_after_looking(tmp_path):
    note = [{"from": 6, "to": 10, "at": "2026-11-26T12:00:00+00:00", "declared": False}]
    document = analyse_study(study(tmp_path, extended=note))
    assert {c["verdict"] for c in document["comparisons"]} == {"no verdict"}
    assert "extended" in notices(document)


def test_a_record_of_a_dropped_seed_is_named_and_not_used(tmp_path):
    store = study(tmp_path)
    whole = write(tmp_path / "all", demo_plan(seeds=10), lambda arm, seed, rng: 0.6)
    for row in whole.load().to_pylist(maps_as_pydicts="strict"):
        if row["seed"] == 6:
            store.write_record(row)
            break
    document = analyse_study(store)
    assert [e["reason"] for e in document["ledger"]["exclusions"]] == ["seed dropped by the budget"]
    assert {c["n"] for c in document["comparisons"]} == {6}


def test_a_budget_that_has_not_ended_a_study_changes_nothing(tmp_path):
    store = study(tmp_path)
    stored = store.read_json("study.json")
    del stored["budget"]["ended"]
    store.write_bytes(json.dumps(stored).encode(), "study.json")
    document = analyse_study(store)
    assert "interim" in notices(document)
    assert "budget" not in notices(document)
