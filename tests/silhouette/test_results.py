"""The results contract: whole or absent, one row per trial, the union of both places."""

import pyarrow.parquet as pq
import pytest

from silhouette.location import ResultsLocation, StoreError
from silhouette.results import SCHEMA, SCHEMA_VERSION, Store


def record(trial="a1", status="complete", **columns):
    return {"trial_id": trial, "status": status, "arm": "ce", "seed": 0, "test_top1": 0.5, **columns}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "demo")


def test_a_record_comes_back_as_written(store):
    curve = [{"epoch": 1, "val_top1": 0.25, "val_loss": None}]
    store.write_record(record(class_correct=[3, 4], curve=curve))
    (row,) = store.load().to_pylist()
    assert (row["study"], row["schema_version"]) == ("demo", SCHEMA_VERSION)
    assert (row["test_top1"], row["val_top1"], row["class_correct"]) == (0.5, None, [3, 4])
    assert row["curve"][0]["val_top1"] == 0.25
    assert store.load().schema.equals(SCHEMA)


def test_nothing_half_written_is_left(store, tmp_path):
    store.write_record(record())
    store.compact()
    names = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert names == ["a1.parquet", "records.parquet"]


def test_a_failed_write_keeps_the_old_file(store, monkeypatch):
    store.write_record(record())

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        store.write_record(record(test_top1=0.9))
    assert store.load(["test_top1"]).to_pylist() == [{"test_top1": 0.5}]
    assert store.trial_ids() == {"a1"}


def test_readers_take_the_union(store, tmp_path):
    store.write_record(record("a1"))
    assert store.compact() == 1
    (tmp_path / "demo/trials/a1.parquet").unlink()
    store.write_record(record("b2", seed=1))
    assert store.load(["trial_id"])["trial_id"].to_pylist() == ["a1", "b2"]
    assert store.compact() == 2


def test_a_damaged_file_counts_as_absent(store, tmp_path):
    store.write_record(record("a1"))
    store.write_record(record("b2", seed=1))
    path = tmp_path / "demo/trials/a1.parquet"
    path.write_bytes(path.read_bytes()[:100])
    (tmp_path / "demo/records.parquet").write_bytes(b"no parquet")
    assert store.load(["trial_id"])["trial_id"].to_pylist() == ["b2"]


def test_a_failed_row_gives_way_to_a_later_one(store):
    store.write_record(record(status="failed", error="boom"))
    store.compact()
    store.write_record(record(status="complete"))
    assert store.load(["status", "error"]).to_pylist() == [{"status": "complete", "error": None}]


@pytest.mark.parametrize("links", [True, False], ids=["links", "a file system without links"])
@pytest.mark.parametrize(("before", "after"), [(None, "new"), ("failed", "new"), ("complete", "old")])
def test_a_failure_replaces_no_finished_record(store, monkeypatch, links, before, after):
    def refuse(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr("silhouette.results.os.link", refuse)
    if before:
        store.write_record(record(status=before, error="old"))
    assert store.write_failure(record(status="failed", error="new")) == (after == "new")
    assert store.load(["error"]).to_pylist() == [{"error": after}]
    assert store.names("trials") == ["a1.parquet"]


def test_older_records_lack_columns_and_are_read(store, tmp_path):
    store.write_record(record())
    path = tmp_path / "demo/trials/a1.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["test_silhouette"]), path)
    assert store.load().to_pylist()[0]["test_silhouette"] is None


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "x."])
def test_names_cannot_leave_the_folder(name, tmp_path):
    with pytest.raises(StoreError, match="study: use letters"):
        Store(str(tmp_path), name)
    with pytest.raises(StoreError, match="trial_id: use letters"):
        Store(str(tmp_path), "demo").write_record(record(name))


def test_unknown_columns_and_statuses_are_errors(store):
    with pytest.raises(KeyError, match="not columns of the results contract"):
        store.write_record(record(accuracy=1))
    with pytest.raises(ValueError, match="status: one of"):
        store.write_record(record(status="fine"))


def test_damaged_json_is_one_line(store):
    store.write_bytes(b"{", "study.json")
    with pytest.raises(StoreError, match=r"study.json: damaged JSON .*remove it and run again"):
        store.read_json("study.json")
    assert store.read_json("absent.json") is None


SECRETS = {  # a location with keys: what may be shown of it
    "s3://k3y:s3cret@bucket/x?region=eu-central-1": "s3://bucket/x?region=eu-central-1",
    "s3://k3y:s3cr%2Fet@bucket/x?region=eu-central-1&scheme=http": "s3://bucket/x?region=eu-central-1&scheme=http",
}


@pytest.mark.parametrize("uri", SECRETS)
def test_a_location_never_shows_its_keys(uri):
    location = ResultsLocation(uri)
    for text in (str(location), location.shown, Store(location, "demo").shown):
        assert text == SECRETS[uri]
    assert "s3cr" not in repr(location)
    assert "s3cr" in location.uri  # what a worker needs to reach it


def test_a_location_that_is_refused_does_not_show_its_keys():
    with pytest.raises(StoreError) as caught:
        ResultsLocation("ftp://k3y:s3cret@host/x")
    assert "s3cret" not in str(caught.value)
    assert "ftp://host/x" in str(caught.value)


def test_a_folder_is_shown_as_given_and_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    location = ResultsLocation("results")
    assert (str(location), location.shown) == ("results", f"{tmp_path}/results")
