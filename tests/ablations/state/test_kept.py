"""Files of kept weights and test embeddings: exact round trips, faults, and what forgets them."""

import numpy as np
import pytest

from ablations.state.kept import (
    SUFFIXES,
    DamagedFile,
    forget,
    kept_bytes,
    kept_line,
    kept_trials,
    make_sample,
    read_sample,
    read_weights,
    sweep_kept,
    write_kept,
)
from silhouette.results import Store

RNG = np.random.default_rng(0)
SAMPLE = {
    "features": RNG.normal(size=(7, 3)).astype(np.float32),
    "embeddings": RNG.normal(size=(7, 2)).astype(np.float32),
    "labels": np.arange(7) % 3,
    "indices": np.arange(7) * 11,
}
WEIGHTS = {
    "conv.weight": RNG.normal(size=(2, 3, 3)).astype(np.float32),
    "bn.steps": np.array(5),
    "half": np.float16([1]),
}


@pytest.fixture(params=["folder", "object store"])
def store(request, tmp_path):
    """A store; as an object store it has no renaming, only whole uploads."""
    store = Store(str(tmp_path), "s")
    if request.param == "object store":
        store.fs.create_dir(f"{store.root}/kept")
        store.local = False
    return store


def write(store, trial_id="a" * 16, kinds=tuple(SUFFIXES)):
    for kind in kinds:
        write_kept(store, trial_id, kind, kept_bytes(kind, trial_id, WEIGHTS if kind == "last" else SAMPLE))
    return trial_id


def test_weights_come_back_bit_by_bit(store):
    found = read_weights(store, write(store))
    assert found.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[name], value)


def test_embeddings_come_back_bit_by_bit(store):
    found = read_sample(store, write(store))
    for name, value in SAMPLE.items():
        np.testing.assert_array_equal(getattr(found, name), value)
        assert getattr(found, name).dtype == (np.int64 if value.ndim == 1 else np.float32)


def test_what_an_experiment_does_not_give_is_none(store):
    given = {"features": [[1.5, 2.0]], "labels": [4]}
    write_kept(store, "b", "embeddings", kept_bytes("embeddings", "b", given))
    found = read_sample(store, "b")
    assert (found.features.tolist(), found.labels.tolist(), found.indices, found.embeddings) == (
        [[1.5, 2]],
        [4],
        None,
        None,
    )


def test_a_trial_without_a_file_has_nothing(store):
    assert (read_sample(store, "c"), read_weights(store, "c")) == (None, None)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"labels": [1]}, "must return features and labels, got labels"),
        ({"features": [1.0], "labels": [1]}, r"features must be \(N, F\) numbers, got float64 of shape \(1,\)"),
        ({"features": [[1.0]], "labels": [0.5]}, r"labels must be \(N,\) integers, got float64"),
        ({"features": [[1.0]], "labels": [1, 2]}, r"features must be \(N, F\) numbers, got float64 of shape \(1, 1\)"),
        ({"features": [["x"]], "labels": [1]}, r"features must be \(N, F\) numbers, got <U1"),
    ],
)
def test_embeddings_of_a_wrong_form_are_named(given, line):
    with pytest.raises(ValueError, match=line):
        make_sample(given)


def test_no_weights_are_refused():
    with pytest.raises(ValueError, match="must return arrays by name, got nothing"):
        kept_bytes("last", "a", {})


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("fault", ["cut", "other bytes", "of another trial"])
def test_a_damaged_file_is_told_from_none(store, kind, fault):
    trial_id, read = write(store), read_weights if kind == "last" else read_sample
    name = f"{trial_id}.{SUFFIXES[kind]}"
    data = store.read_bytes("kept", name)
    broken = {"cut": data[: len(data) // 2], "other bytes": b"\x00" * 64}
    other = kept_bytes(kind, "f" * 16, WEIGHTS if kind == "last" else SAMPLE)
    store.write_bytes(broken.get(fault, other), "kept", name)
    with pytest.raises(DamagedFile, match=trial_id):
        read(store, trial_id)


def test_forget_removes_the_record_and_what_is_kept(store):
    first, second = write(store, "1" * 16), write(store, "2" * 16)
    if store.local:
        for trial_id in (first, second):
            store.write_record({"trial_id": trial_id, "status": "complete", "arm": "a", "seed": 0})
    forget(store, [first])
    assert kept_trials(store) == {"last": {second}, "embeddings": {second}}
    assert store.trial_ids() == ({second} if store.local else set())


def test_unfinished_files_are_swept_and_counted_nowhere(store):
    write(store, kinds=["last"])
    store.write_bytes(b"half", "kept", f"{'d' * 16}.parquet.12345678.tmp")
    assert kept_trials(store)["embeddings"] == set()
    assert sweep_kept(store) == 1
    assert store.names("kept") == [f"{'a' * 16}.safetensors"]


def test_a_name_that_is_a_path_is_refused(store):
    with pytest.raises(ValueError, match="trial_id: use letters"):
        write_kept(store, "../evil", "last", b"")


def test_the_line_of_status(store):
    assert kept_line(store, {"a" * 16}, "none") == ""
    assert kept_line(store, {"b"}, "last") == "kept: weights of 0 of 1 complete trial (keep='last')"
    write(store, kinds=["embeddings"])
    assert kept_line(store, {"a" * 16, "b"}, "none") == "kept: test embeddings of 1 of 2 complete trials (keep='none')"
