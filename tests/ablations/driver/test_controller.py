"""The driver's side of the tune phase, at its ends and with damaged notes."""

import json

import pytest

from ablations import Study, StudyError, Tuning
from ablations.driver.controller import make_controller
from ablations.search.candidates import OPEN
from ablations.workers.spec import RunContext, confirm_spec
from silhouette.results import Store

SHARED = {
    "question": "Does it help?",
    "factors": {"lambda_sil": (0.0, 0.2)},
    "baseline": {"lambda_sil": 0.0},
    "fixed": {"epochs": 3},
    "seeds": (0, 1, 2),
    "name": "s",
}
STUDY = Study(**SHARED, tuning=Tuning(nuisance={"lr": None}, settings=2, sampler="random"))


def controller(store, study=STUDY):
    return make_controller(study, store, RunContext(store.uri, store.study))


def test_each_arm_gets_its_candidates_in_turn_and_then_there_is_none(tmp_path):
    search = controller(Store(str(tmp_path), "s"))
    specs = [search.next() for _ in range(search.left)]
    assert [spec.arm for spec in specs] == ["λ=0", "λ=0.2"] * 2
    assert (search.left, search.next()) == (0, None)


def test_a_candidate_is_put_back_once_and_is_the_next_one(tmp_path):
    search = controller(Store(str(tmp_path), "s"))
    spec = search.next()
    assert search.again(spec)
    assert search.next() == spec
    assert not search.again(spec)


def test_a_killed_search_continues_with_its_open_candidates(tmp_path):
    store = Store(str(tmp_path), "s")
    first = controller(store)
    specs = [first.next(), first.next()]
    again = controller(store)
    assert again.left == first.left + 2
    assert {again.next().id, again.next().id} == {spec.id for spec in specs}


@pytest.mark.parametrize("notes", [3, "x", [3], [{"arm": "λ=0"}], {"arm": 1}])
def test_damaged_notes_are_ignored(tmp_path, notes):
    store = Store(str(tmp_path), "s")
    store.write_json(notes, OPEN)
    assert controller(store).waiting == []


OTHERS = [{"lr": 0.01, "encoder": "evil:thing"}, {"encoder": "evil:thing"}, {"lr": 50.0}, {"lr": "evil:thing"}]


@pytest.mark.parametrize("values", OTHERS)
def test_notes_of_what_is_not_searched_are_ignored(tmp_path, values):
    store = Store(str(tmp_path), "s")
    first = controller(store)
    first.next()
    (note,) = store.read_json(OPEN)
    assert len(controller(store).waiting) == 1
    store.write_json([{**note, "tune_values": json.dumps(values)}], OPEN)
    assert controller(store).waiting == []


@pytest.mark.parametrize("values", OTHERS)
@pytest.mark.parametrize("seeds", [1, 2])
def test_records_of_what_is_not_searched_are_refused(tmp_path, values, seeds):
    store = Store(str(tmp_path), "s")
    for seed in STUDY.tuning.seeds[:seeds]:
        own = {"arm": "λ=0", "seed": seed, "phase": "tune", "status": "complete", "epochs_reached": 3}
        tuned = {"tune_number": 0, "tune_values": json.dumps(values), "tune_known": [], "tune_bracket": 0}
        store.write_record({"trial_id": f"{seed:016x}", **own, **tuned})
    with pytest.raises(StudyError, match=r"tuning.nuisance: arm 'λ=0' .* give another --results") as refused:
        controller(store)
    assert "\n" not in str(refused.value)


def test_notes_that_are_no_json_are_ignored(tmp_path):
    store = Store(str(tmp_path), "s")
    store.write_bytes(b"{", OPEN)
    assert controller(store).waiting == []


def test_a_study_without_tuning_has_no_search(tmp_path):
    with pytest.raises(StudyError, match="tuning: study 's' has none"):
        controller(Store(str(tmp_path), "s"), Study(**SHARED))


def test_a_search_takes_no_confirm_trials(tmp_path):
    search = controller(Store(str(tmp_path), "s"))
    with pytest.raises(ValueError, match="a search takes candidates, got a confirm trial"):
        search.name(confirm_spec(next(iter(Study(**SHARED).trials()))))
