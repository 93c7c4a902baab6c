"""A study whose records have the geometry of features: as its metric, and as other metrics."""

from silhouette.geometry.names import MEASURES
from tests.helpers.synthetic import analysed, demo_plan, document, value, write_study

METRICS = {f"test_{name}" for name in MEASURES}


def plan(**changes):
    made = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=6, **changes)
    for arm in made["arms"]:
        arm["config"]["metrics"] = ["geometry"]
    return made


def geometry(arms):
    """Columns of each record: every measure falls and rises with the accuracy of the arm and seed."""
    by_label = {arm["arm"]: arm for arm in arms}
    return lambda label, seed: {name: value(by_label[label], seed) / 2 for name in (*METRICS, "test_few_map_at_r")}


def test_other_metrics_of_the_report(tmp_path):
    made = plan()
    data, text = document(write_study(tmp_path, made, change=geometry(made["arms"])))
    (row,) = data["robustness"]
    assert set(row["other_metrics"]) == METRICS | {"val_top1"}
    assert "MAP@R on test data" in text
    assert "NC1 (variability within classes) on test data" in text


def test_a_measure_of_few_shot_classes_as_metric(tmp_path):
    made = plan(metric="test_few_map_at_r", sesoi=None)
    data, text = document(write_study(tmp_path, made, change=geometry(made["arms"])))
    assert data["arms"][0]["mean"] < 0.5
    assert "MAP@R on test data, few-shot classes" in text


def test_without_geometry_nothing_is_added(tmp_path):
    data = analysed(write_study(tmp_path, demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=6)))
    assert set(data["robustness"][0]["other_metrics"]) == {"val_top1"}
