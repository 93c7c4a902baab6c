"""Numbers without a column of their own: in the map `metrics` of a record and of a row of its curve."""

import pyarrow.parquet as pq
import pytest

from silhouette.measured import metric_column, metric_columns, own_metrics
from silhouette.results import SCHEMA, Store


def record(trial="a1", seed=0, **columns):
    return {"trial_id": trial, "status": "complete", "arm": "ce", "seed": seed, **columns}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "demo")


def test_metrics_come_back_by_name_also_from_the_compacted_file(store):
    store.write_record(record(metrics={"test_f1": 1, "test_odd": float("nan")}))
    store.write_record(record("b2", 1, test_top1=0.5))
    for _ in range(2):
        table = store.load()
        assert table.schema.equals(SCHEMA)
        assert own_metrics(table) == ["test_f1", "test_odd"]
        assert metric_column(table, "test_f1").to_pylist() == [1.0, None]
        assert metric_column(table, "test_odd").to_pylist() == [None, None]
        assert metric_column(table, "test_top1").to_pylist() == [None, 0.5]
        store.compact()
    assert store.finished_record("a1")["metrics"] == {"test_f1": 1.0, "test_odd": None}


def test_rows_of_a_curve_keep_their_own_numbers(store):
    store.write_record(record(curve=[{"epoch": 1, "val_f1": 0.25, "val_loss": 2.0}, {"epoch": 2}]))
    (curve,) = store.load(["curve"])["curve"].to_pylist(maps_as_pydicts="strict")
    assert [(row["epoch"], row["val_loss"], row["metrics"]) for row in curve] == [
        (1, 2.0, {"val_f1": 0.25}),
        (2, None, None),
    ]


def test_a_record_without_such_numbers_has_no_columns_for_them(store, tmp_path):
    store.write_record(record(curve=[{"epoch": 1, "val_loss": 2.0}], metrics={}))
    schema = pq.read_schema(tmp_path / "demo/trials/a1.parquet")
    assert "metrics" not in schema.names
    assert "metrics" not in [field.name for field in schema.field("curve").type.value_type]


def test_a_value_that_is_no_number_is_refused(store):
    with pytest.raises(TypeError, match="test_f1: must be a number, got 'high'"):
        store.write_record(record(metrics={"test_f1": "high"}))


def test_a_metric_is_read_from_its_own_column_where_there_is_one():
    assert metric_columns(["test_top1", "test_f1"]) == ["test_top1", "metrics"]
