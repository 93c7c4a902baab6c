"""Own metric functions: measured after the last epoch, recorded by name, checked before anything trains."""

import math
import sys

import numpy as np
import pytest

from ablations.design.study import make_study
from silhouette.config import ConfigError, make_config
from silhouette.errors import InputError
from silhouette.measured import flat
from silhouette.metric_functions import check_functions
from silhouette.results import Store
from silhouette.training.run import Training

HERE = __name__
SEEN = []


def spread(features, labels):
    SEEN.append((features.dtype, features.shape, labels.dtype, labels.shape))
    features[:] = 0  # a copy: what is measured next does not change
    return float(np.ptp(labels))


def nc1(features, labels):
    return 7.0


def unknown(features, labels):
    return math.nan


def failing(features, labels):
    if len(labels) != 12:  # the small sample of the check
        raise RuntimeError("no\nluck")
    return 1.0


def word(features, labels):
    return "high"


def powered(features, labels, *, power: float = 1.0):
    return 10.0**power


def leaving(features, labels):
    sys.exit("bad")


def one_argument(features):
    return 1.0


def trained(*metrics, **options):
    fixed = {"dataset": "digits", "epochs": 1, "train_fraction": 0.1, "encoder": "mlp", "width": 2}
    training = Training(make_config({**fixed, "metrics": metrics, **options}), 0, device="cpu", threads=1)
    training.step()
    return training.result()


def test_functions_are_measured_on_both_splits_and_change_nothing_else():
    SEEN.clear()
    plain, own = trained(), trained(f"{HERE}:spread", f"{HERE}:unknown")
    assert own["metrics"] == {"val_spread": 9.0, "val_unknown": None, "test_spread": 9.0, "test_unknown": None}
    assert {(kinds[0], kinds[2]) for kinds in SEEN} == {(np.dtype("float32"), np.dtype("int64"))}
    assert {shape[1] for _, shape, _, _ in SEEN} == {32}
    same = ("test_top1", "test_silhouette", "test_knn_top1", "val_top1", "test_ece")
    assert [own[name] for name in same] == [plain[name] for name in same]
    assert "metrics" not in plain


def test_options_arrive():
    assert trained(f"{HERE}:powered", **{"powered.power": 2})["metrics"] == {"val_powered": 100, "test_powered": 100}


def test_a_function_that_fails_at_the_end_costs_its_value_alone():
    result = trained(f"{HERE}:failing")
    assert (result["status"], result["metrics"]) == ("complete", {"val_failing": None, "test_failing": None})
    assert result["error"] == f"{HERE}:failing on val data: RuntimeError: no luck"


def test_a_function_with_the_name_of_our_geometry_takes_its_place(tmp_path):
    result = trained("geometry", f"{HERE}:nc1")
    store = Store(str(tmp_path), "s")
    store.write_record({"trial_id": "a", "arm": "x", "seed": 0, **result})
    assert result["test_nc1"] not in (None, 7.0)
    assert flat(store.finished_record("a"))["test_nc1"] == 7.0


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("word", "TypeError: {0}:word must return one number, got str 'high'"),
        ("leaving", "labels 0 to 2: SystemExit: bad"),
        ("one_argument", "metrics: {0}:one_argument must take (features, labels), with options as keyword-only"),
        ("absent", "cannot be imported"),
    ],
)
def test_a_wrong_function_is_one_line_before_anything_trains(name, line):
    with pytest.raises(InputError) as caught:
        check_functions(make_config({"metrics": f"{HERE}:{name}"}))
    assert line.format(HERE) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ("entropy", "metrics: must be 'geometry' or module:function of your own, got 'entropy'"),
        ("a:x,b:x", "metrics: functions must have different names after the colon, got 'x' twice"),
    ],
)
def test_a_wrong_name_is_one_line(metrics, line):
    with pytest.raises(ConfigError) as caught:
        make_config({"metrics": metrics})
    assert str(caught.value) == line


def study(**changes):
    base = {"question": "q?", "factors": {"lambda_sil": (0.0, 0.2)}, "baseline": {"lambda_sil": 0.0}}
    return make_study({**base, "metric": "test_spread", "direction": "min", **changes})


def test_a_study_may_ask_for_an_own_metric_that_every_arm_measures():
    one = study(fixed={"metrics": (f"{HERE}:spread",)})
    assert (one.measure.direction, one.watched) == ("min", "val_spread")
    with pytest.raises(InputError, match="metric: must be one on test data"):
        study()
    with pytest.raises(InputError, match="direction: must be max or min for test_spread"):
        study(fixed={"metrics": (f"{HERE}:spread",)}, direction=None)
    with pytest.raises(InputError, match="which arm 'B' does not have"):
        study(factors={}, treatments={"A": {"metrics": (f"{HERE}:spread",)}, "B": {"lambda_sil": 0.2}}, baseline="A")
    with pytest.raises(InputError, match="test_top1 is one of ours; rename the function"):
        check_functions(make_config({"metrics": f"{HERE}:top1"}))
