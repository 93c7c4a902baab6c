"""Records of several results locations become one set; what was not reproduced is named and nothing is written."""

import json

import pytest

from ablations.sharing import merge as merging
from ablations.state.lock import DriverLock
from silhouette.evaluated import Evaluation, read_evaluations, write_evaluations
from silhouette.results import Store


def halves(folder):
    """Two locations, each with half of the trials; one trial is in both."""
    ids = folder.ids()
    folder.copy("a", ids[:4])
    folder.copy("b", ids[3:])
    return ids


def test_the_union_goes_on_as_one_study(folder):
    ids = halves(folder)
    out = folder.ablate("merge", "a", "b", "--into", "c")
    assert "s: 6 records in c/s, 1 equal double dropped" in out
    assert [row["trial_id"] for row in folder.store("c").load().to_pylist()] == ids
    assert folder.store("c").names("trials") == []
    assert folder.rows("c") == folder.rows()
    assert "6/6 complete" in folder.ablate("status", "s.py", "--results", "c")
    folder.ablate("report", "s.py", "--results", "c")
    assert "0 to run" in folder.ablate("plan", "s.py", "--results", "c")


def test_the_plan_says_which_command_merged(folder):
    halves(folder)
    folder.ablate("merge", "a", "b", "--into", "c")
    plan, before = (folder.store(place).read_json("study.json") for place in ("c", "a"))
    assert plan.pop("provenance")["command"] == "ablate merge a b --into c"
    before.pop("provenance")
    assert plan == before


@pytest.mark.parametrize("later", [("a", "b"), ("b", "a")])
def test_a_merge_into_a_source_and_a_repeated_one_lose_nothing(folder, later):
    halves(folder)
    folder.ablate("merge", "a", "b", "--into", "a")
    assert folder.rows("a") == folder.rows()
    folder.ablate("merge", *later, "--into", "a")
    assert folder.rows("a") == folder.rows()


def test_an_interrupted_merge_is_repeated(folder, monkeypatch):
    halves(folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_json", full)
        folder.ablate("merge", "a", "b", "--into", "c", code=1)
    with monkeypatch.context() as patch:
        patch.setattr(merging.DriverLock, "_write", lambda self: None)
        patch.setattr(Store, "write_json", full)
        folder.ablate("merge", "a", "b", "--into", "c", code=1)
    assert folder.store("c").read_json("study.json") is None
    assert len(folder.rows("c")) == 6
    folder.ablate("merge", "a", "b", "--into", "c")
    assert folder.rows("c") == folder.rows()
    assert folder.store("c").read_json("study.json") is not None


def test_records_that_differ_are_a_failure_and_nothing_is_written(folder):
    ids = halves(folder)
    folder.copy("b", ids[3:4], test_top1=0.25, val_loss=None, seconds=99.0, host="elsewhere")
    out = folder.ablate("merge", "a", "b", "--into", "c", code=1)
    assert f"s: {ids[3]} is not the same in a and b" in out
    row = next(row for row in folder.rows() if row["trial_id"] == ids[3])
    assert f"  test_top1: {row['test_top1']!r} and 0.25\n" in out
    assert f"  val_loss: {row['val_loss']!r} and nothing\n" in out
    assert "seconds" not in out
    assert "not merged: 1 trial not reproduced; nothing was written" in out
    assert not (folder.path / "c").exists()


def test_a_finished_record_is_preferred_to_a_failed_one(folder):
    ids = halves(folder)
    folder.copy("b", ids[:1], status="failed", error="boom", test_top1=None)
    folder.ablate("merge", "b", "a", "--into", "b")
    assert folder.rows("b") == folder.rows()


def test_a_target_with_other_records_is_refused(folder):
    ids = halves(folder)
    folder.copy("c", ids[:1], test_top1=0.1)
    assert "--into: must have no other records of s, or be one of the merged locations too, got 'c'" in folder.ablate(
        "merge", "a", "b", "--into", "c", code=2
    )
    folder.copy("d", ids[-1:])
    folder.ablate("merge", "a", "--into", "d", code=2)
    assert [row["trial_id"] for row in folder.rows("d")] == ids[-1:]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"metric": "val_top1"}, "metric: was"),
        ({"seeds": [0, 1, 7]}, "plan: neither extends nor is part of the one before"),
        ({"experiment": "other.module:Class"}, "experiment: was"),
    ],
)
def test_other_plans_are_refused_with_what_differs(folder, changed, words):
    halves(folder)
    folder.change_plan("b", plan_hash="f" * 16, **changed)
    out = folder.ablate("merge", "a", "b", "--into", "c", code=2)
    assert "merge: the plans differ: " in out
    assert words in out
    assert len(out.splitlines()) == 1
    assert not (folder.path / "c").exists()


def test_more_seeds_after_a_look_need_the_option_and_stay_noted(folder):
    ids = halves(folder)
    fewer = [row["trial_id"] for row in folder.rows() if row["seed"] < 2]
    folder.copy("few", fewer)
    folder.change_plan("few", plan_hash="f" * 16, seeds=[0, 1])
    out = folder.ablate("merge", "few", "a", "b", "--into", "c", code=2)
    assert "--extend: few/s has results that could be seen, and a/s has 3 instead of 2 seeds" in out
    folder.ablate("merge", "few", "a", "b", "--into", "c", "--extend")
    folder.ablate("merge", "few", "c", "--into", "c", "--extend")
    plan = folder.store("c").read_json("study.json")
    assert plan["seeds"] == [0, 1, 2]
    assert [(note["from"], note["to"], note["declared"]) for note in plan["extended"]] == [(2, 3, False)]
    assert folder.ids("c") == ids


def test_other_code_needs_the_option(folder):
    ids = folder.ids()
    folder.copy("a", ids[:3])
    folder.copy("b", ids[3:], source_sha256="0123456789ab")
    assert "--allow-mixed-code: the records of s are of different code" in folder.ablate(
        "merge", "a", "b", "--into", "c", code=2
    )
    folder.ablate("merge", "a", "b", "--into", "c", "--allow-mixed-code")
    assert len(folder.rows("c")) == 6


def test_another_version_of_a_plugin_is_other_code(folder):
    ids = folder.ids()
    for place, trials, digest in (("a", ids[:3], "0" * 12), ("b", ids[3:], "1" * 12)):
        folder.copy(place, trials, plugins=json.dumps({"own.net:f": {"version": None, "source_sha256": digest}}))
    out = folder.ablate("merge", "a", "b", "--into", "c", code=2)
    assert "--allow-mixed-code: the records of s are of different sources of own.net:f (000000000000, 111111" in out


def test_values_that_were_measured_later_are_united_and_compared(folder):
    ids = halves(folder)

    def value(trial, number, source="0" * 12):
        return Evaluation(trial, "test_nc1", "own.net:nc1", source, number, "embeddings", "2026-01-01T00:00:00+00:00")

    write_evaluations(folder.store("a"), [value(ids[0], 0.5), value(ids[3], 0.25)])
    write_evaluations(folder.store("b"), [value(ids[3], 0.25), value(ids[5], 0.125)])
    folder.ablate("merge", "a", "b", "--into", "c")
    assert {one.trial_id: one.value for one in read_evaluations(folder.store("c"))} == {
        ids[0]: 0.5,
        ids[3]: 0.25,
        ids[5]: 0.125,
    }
    write_evaluations(folder.store("b"), [value(ids[3], 0.75)])
    out = folder.ablate("merge", "a", "b", "--into", "d", code=1)
    assert f"s: {ids[3]} is not the same in a and b\n  test_nc1: 0.25 and 0.75\n" in out


def test_kept_files_come_along(folder):
    ids = halves(folder)
    folder.store("a").write_bytes(b"one", "kept", f"{ids[0]}.safetensors")
    folder.store("b").write_bytes(b"two", "kept", f"{ids[-1]}.parquet")
    folder.ablate("merge", "a", "b", "--into", "b")
    assert folder.store("b").read_bytes("kept", f"{ids[0]}.safetensors") == b"one"
    assert len(folder.store("b").names("kept")) == 2


def test_bad_input_is_one_line(folder):
    halves(folder)
    assert "merge: must be a results location with studies in it, got 'nowhere'" in folder.ablate(
        "merge", "a", "nowhere", "--into", "c", code=2
    )
    assert "with studies in it, which is the folder above that of a study, got 'a/s'" in folder.ablate(
        "merge", "a/s", "--into", "c", code=2
    )
    (folder.path / "file").touch()
    assert "merge: must be results locations, which are folders, got the file 'file'" in folder.ablate(
        "merge", "a", "file", "--into", "c", code=2
    )
    assert "--study: must be one of s, got 'other'" in folder.ablate(
        "merge", "a", "--study", "other", "--into", "c", code=2
    )
    folder.store("a").write_json([], "study.json")
    assert "not in the format of a study" in folder.ablate("merge", "a", "b", "--into", "c", code=2)


def test_a_target_that_is_worked_on_is_refused(folder):
    halves(folder)
    with DriverLock(folder.store("b"), "ablate run s"):
        assert "another `ablate run` works on" in folder.ablate("merge", "a", "b", "--into", "b", code=2)
        assert "note: `ablate run` works on b/s now" in folder.ablate("merge", "a", "b", "--into", "c")
    assert len(folder.rows("b")) == 3


def test_searches_that_went_different_ways_are_not_one(folder):
    ids = folder.ids()
    for place, trials, values in (("a", ids[:3], '{"lr": 1}'), ("b", ids[3:], '{"lr": 2}')):
        folder.copy(place, trials, phase="tune", arm="λ=0", tune_number=0, tune_values=values)
    out = folder.ablate("merge", "a", "b", "--into", "c", code=2)
    assert 'two searches of s went different ways: candidate 0 of arm \'λ=0\' is {"lr": 1} and {"lr": 2}' in out
    assert not (folder.path / "c/s").exists()


def test_two_searches_are_not_one(folder):
    from silhouette.config import plan_hash

    halves(folder)
    for place, winner in (("a", 1), ("b", 2)):
        plan = {"configs": {"λ=0": {"lr": winner}}}
        folder.store(place).write_json({"plan": plan, "hash": plan_hash(plan)}, "frozen.json")
    assert "merge: two searches chose winners" in folder.ablate("merge", "a", "b", "--into", "c", code=2)
    folder.store("b").delete("frozen.json")
    folder.ablate("merge", "a", "b", "--into", "c")
    merged = folder.store("c")
    assert merged.read_json("frozen.json") == folder.store("a").read_json("frozen.json")
    assert merged.read_json("study.json")["arms"][0]["config"] == {"lr": 1}
