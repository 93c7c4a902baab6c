"""The frozen plan in the report, declared looks, and seeds that were added after looking."""

import hashlib
import json

import numpy as np
import pytest

from analysis.results.provenance import is_intact
from analysis.stats.sequential import crossing, nominal_level
from analysis.study.study_file import make_plan, read_plan
from tests.helpers.synthetic import demo_plan, document, write_study

NOTE = {"from": 5, "to": 10, "at": "2026-01-01T00:00:00+00:00", "declared": False}


def frozen_study(folder, **changes):
    plan = demo_plan(frozen="")
    content = {
        "metric": "test_top1",
        "direction": "max",
        "chosen_by": "val_top1",
        "checkpoint_rule": "last epoch",
        "seeds": plan["seeds"],
        "tuning_seeds": [1_000_000],
        "split": {"dataset": ["digits"]},
        "sesoi": 0.002,
        "alpha": 0.05,
        "configs": {arm["arm"]: arm["config"] for arm in plan["arms"]},
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    arms = [
        {
            "arm": arm["arm"], "values": {"lr": 0.01}, "setting": 3, "score": 0.97, "settings": {"complete": 4},
            "epochs": 50, "epochs_unstopped": 120, "edges": [], "rank_correlation": 0.8, "rank_pairs": 4,
            "flags": ["lr = 0.01 lies at an end of its range"] if arm["baseline"] else [],
        }
        for arm in plan["arms"]
    ]  # fmt: skip
    store = write_study(folder, {**plan, "frozen": key})
    frozen = {
        "hash": key,
        "frozen_at": "2026-01-01T00:00:00+00:00",
        "plan": content,
        "arms": arms,
        "rank_correlation": {"rho": 0.9, "settings": 32, "trusted": True},
    }
    store.write_json({**frozen, **changes}, "frozen.json")
    return store, key


def test_the_frozen_plan_is_shown_with_winners_and_flags(tmp_path):
    store, key = frozen_study(tmp_path)
    data, text = document(store)
    assert data["frozen"]["hash"] == key
    assert data["frozen"]["intact"] is True
    assert f"as {key}, before the first confirm trial began" in text
    assert "lr 0.01" in text
    assert "last epoch" in text
    assert "lr = 0.01 lies at an end of its range" in text
    assert "There are warnings on the tuning of" in text


def test_the_report_says_that_a_plan_was_changed_after_freezing(tmp_path):
    store, _ = frozen_study(tmp_path, hash="0" * 16)
    data, text = document(store)
    assert data["frozen"]["intact"] is False
    assert "The frozen plan differs from the plan of the confirm phase" in text


def test_fields_that_came_after_freezing_do_not_change_a_plan(tmp_path):
    """`study.json` is written again by later versions, with the defaults of new fields; `frozen.json` is not."""
    store, _ = frozen_study(tmp_path)
    plan = store.read_json("study.json")
    for value, intact in ((True, True), (False, False)):
        arms = [{**arm, "config": {**arm["config"], "nesterov": value}} for arm in plan["arms"]]
        store.write_json({**plan, "arms": arms}, "study.json")
        assert is_intact(read_plan(store), store.read_json("frozen.json")) is intact


def test_a_study_that_tunes_nothing_has_no_such_section(tmp_path):
    _, text = document(write_study(tmp_path, demo_plan()))
    assert "Frozen plan" not in text


@pytest.mark.parametrize(("declared", "shown"), [(False, True), (True, False)])
def test_seeds_extended_after_looking_are_labelled_unless_declared(tmp_path, declared, shown):
    plan = demo_plan(extended=[{**NOTE, "declared": declared}])
    _, text = document(write_study(tmp_path, plan))
    assert ("Seeds were extended after results could be seen, from 5 to 10" in text) is shown


def test_declared_looks_share_the_level(tmp_path):
    data, text = document(write_study(tmp_path, demo_plan(looks=[5, 10])))
    assert data["alpha"] == pytest.approx(0.0294, abs=5e-5)
    assert "after 5, 10 seeds, α = 0.05 over all looks (Pocock), so 0.02939 at each" in text
    assert all(c["p_adjusted"] <= data["alpha"] for c in data["comparisons"] if c["verdict"] in ("better", "worse"))
    assert make_plan(demo_plan()).alpha == 0.05


def test_the_level_of_unequal_looks_equals_simulation():
    looks, rng = (4, 10, 12), np.random.default_rng(7)
    sums = np.cumsum(rng.standard_normal((200_000, looks[-1])), axis=1)
    z = sums[:, np.array(looks) - 1] / np.sqrt(looks)
    level = nominal_level(0.05, looks)
    from scipy.stats import norm

    rate = (np.abs(z) > norm.isf(level / 2)).any(axis=1).mean()
    assert rate == pytest.approx(0.05, abs=0.002)  # four standard errors of the simulation
    assert crossing(level, looks) == pytest.approx(0.05, abs=1e-8)


def test_one_look_keeps_the_whole_level():
    assert nominal_level(0.05, ()) == 0.05
    assert nominal_level(0.05, (10,)) == 0.05


@pytest.mark.parametrize(("candidates", "words"), [(9, "from too few candidates to support"), (10, "which supports")])
def test_a_rank_correlation_supports_early_stopping_from_ten_candidates_on(candidates, words, tmp_path):
    store, _ = frozen_study(tmp_path, rank_correlation={"rho": 0.9, "settings": candidates, "trusted": True})
    assert f"{words} the early stopping" in document(store)[1]
