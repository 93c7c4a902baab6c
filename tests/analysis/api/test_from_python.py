"""The public API: lazy imports, Arrow tables that data frame libraries take as they are, `compare` on any table."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import analysis
from analysis import ReportError, compare, open_study, write_report, write_table_report
from silhouette.location import StoreError
from silhouette.results import SCHEMA
from tests.helpers.published import CE, OURS
from tests.helpers.studies import tail_extra, write
from tests.helpers.synthetic import demo_plan, read_report, record, write_study

HEAVY = {"torch", "torchvision", "ray", "mlflow", "matplotlib", "pandas", "sklearn", "optuna", "jinja2"}
COLUMNS = {"arm": "method", "seed": "seed", "metric": "acc", "baseline": "CE"}
WORKED = {"method": ["CE"] * 5 + ["CE + Sil"] * 5, "seed": [*range(5), *range(5)], "acc": [*CE, *OURS]}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write(folder, demo_plan(seeds=4), lambda a, s, r: 0.9, tail_extra)
    write_report(str(folder), "demo")
    return folder


@pytest.fixture(scope="module")
def study(results):
    return open_study(results, "demo")


def imported(code):
    """Heavy modules that a fresh process has imported after `code`."""
    code = f"import sys; {code}; print(*sorted({HEAVY} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root).stdout


@pytest.mark.parametrize(
    "code",
    [
        "import analysis",
        "import analysis; analysis.compare, analysis.open_study, analysis.ReportError",
        f"import analysis; repr(analysis.compare({WORKED!r}, **{COLUMNS!r}))",
    ],
)
def test_the_api_and_a_comparison_import_nothing_heavy(code):
    assert imported(code).strip() == ""


def test_reading_a_study_imports_nothing_heavy_but_what_pyarrow_does():
    read = "s = analysis.open_study('tests/data/results-0.1.0', 'demo'); s.records(), s.curves(), s.arms(), repr(s)"
    assert imported(f"import analysis; {read}").strip() in ("", "pandas")


def test_the_package_itself_imports_only_the_standard_library():
    code = "import analysis; print('numpy' in sys.modules, 'pyarrow' in sys.modules)"
    assert imported(code).splitlines()[0] == "False False"


def test_every_public_name_is_listed_and_found():
    assert set(analysis.__all__) <= set(dir(analysis))
    assert all(getattr(analysis, name).__name__ == name for name in analysis.__all__)
    with pytest.raises(AttributeError, match="'analysis' has no attribute 'compar'"):
        analysis.compar  # noqa: B018


# ------------------------------------------------------------------ open_study


@pytest.mark.parametrize("name", ["records", "curves", "arms", "comparisons"])
def test_tables_have_plain_columns_that_three_libraries_take_as_they_are(study, name):
    table = getattr(study, name)()
    assert table.num_rows
    assert not [field.name for field in table.schema if pa.types.is_nested(field.type)]
    frame, polars = table.to_pandas(), pl.from_arrow(table)
    counted = duckdb.from_arrow(table).aggregate("count(*)").fetchall()[0]
    assert len(frame) == polars.height == counted[0] == table.num_rows
    assert list(frame.columns) == polars.columns == table.column_names
    text = {field.name for field in table.schema if pa.types.is_string(field.type)}
    assert all(isinstance(v, str) for column in text for v in frame[column].dropna())


def test_arms_and_comparisons_have_the_numbers_of_the_report(results, study):
    report = read_report(results)
    arms, comparisons = study.arms().to_pylist(), study.comparisons().to_pylist()
    same = ("arm", "method", "block", "dataset", "baseline", "n", "mean", "sd", "ci_low", "ci_high", "median")
    assert [[a[k] for k in same] for a in arms] == [[a[k] for k in same] for a in report["arms"]]
    assert [json.loads(a["settings"]) for a in arms] == [a["settings"] for a in report["arms"]]
    assert comparisons == [{key: c[key] for key in comparisons[0]} for c in report["comparisons"]]
    assert study.document == report


def test_records_are_the_rows_of_the_store(study):
    records = study.records()
    assert records.num_rows == 32
    assert set(records.column_names) < set(SCHEMA.names)
    picked = study.records(["seed", "class_train"])
    assert picked.column_names == ["seed", "class_train"]
    with pytest.raises(ReportError, match="columns: no column 'sed'; there are"):
        study.records(["sed"])
    with pytest.raises(ReportError, match=r"columns: give a list of names, got 'config'"):
        study.records("config")


def test_a_study_that_grows_is_read_as_it_was_when_it_was_opened(tmp_path):
    plan = demo_plan(seeds=3, lambdas=(0.0, 0.2), blocks=("none",))
    store = write_study(tmp_path, plan, skip={("λ=0 none", 2), ("λ=0.2 none", 2)})
    study = open_study(tmp_path, "demo")
    for arm in plan["arms"]:
        store.write_record(record(arm, 2))
    assert study.records().num_rows == study.records(["seed"]).num_rows == 4
    assert [a["n"] for a in study.arms().to_pylist()] == [2, 2]
    assert set(study.curves()["trial_id"].to_pylist()) <= set(study.records()["trial_id"].to_pylist())
    assert sum(a["points"] != [] for a in (study.document["learning"] or {"arms": []})["arms"]) in (0, 2)
    assert open_study(tmp_path, "demo").records().num_rows == 6


def test_means_by_group_equal_the_arms_in_each_library(study):
    records, arms = study.records(), {a["arm"]: a["mean"] for a in study.arms().to_pylist()}
    grouped = records.to_pandas().groupby("arm")["test_top1"].mean()
    assert grouped.to_dict() == pytest.approx(arms)
    lazily = pl.from_arrow(records).group_by("arm").agg(pl.col("test_top1").mean())
    assert dict(lazily.iter_rows()) == pytest.approx(arms)
    averages = duckdb.sql("select arm, avg(test_top1) from records group by arm")  # finds `records` by its name
    assert dict(averages.fetchall()) == pytest.approx(arms)


def test_curves_have_a_row_for_each_trial_and_epoch(study):
    curves = study.curves()
    assert curves.num_rows == 32 * 30
    nested = {r["trial_id"]: r["curve"] for r in study.records(["trial_id", "curve"]).to_pylist()}
    one = [row for row in curves.to_pylist() if row["trial_id"] == next(iter(nested))]
    assert [(r["epoch"], r["val_top1"]) for r in one] == [
        (p["epoch"], p["val_top1"]) for p in nested[one[0]["trial_id"]]
    ]


def test_trials_without_a_curve_have_no_rows(tmp_path):
    write_study(tmp_path, demo_plan(seeds=3))
    curves = open_study(tmp_path, "demo").curves()
    assert (curves.num_rows, "val_top1" in curves.column_names) == (0, True)


def test_an_unfinished_study_opens_shows_its_records_and_says_what_is_missing(tmp_path):
    plan = demo_plan(seeds=3)
    everything = {(a["arm"], s) for a in plan["arms"] for s in plan["seeds"]}
    store = write_study(tmp_path, plan, skip=everything)
    store.write_record(record(plan["arms"][0], 100, phase="tune"))
    study = open_study(tmp_path, "demo")
    assert study.records().num_rows == 1
    for shown in (repr(study), study._repr_html_()):
        assert "no complete record of the confirm phase" in shown
    with pytest.raises(ReportError, match="no complete record"):
        study.arms()


def test_an_absent_study_is_one_line(tmp_path):
    with pytest.raises(ReportError, match=r"no study\.json there; run the study first") as error:
        open_study(tmp_path, "absent")
    assert "\n" not in str(error.value)


def test_a_location_that_cannot_be_read_is_one_line():
    with pytest.raises(StoreError, match=r"^results: must be a location that can be read \(.*\), got '/dev/null'$"):
        open_study("/dev/null", "demo")


def test_html_is_escaped_and_text_names_every_verdict(tmp_path):
    plan = demo_plan(seeds=3, lambdas=(0.0, 0.2), blocks=("none",))
    text = json.dumps(plan, ensure_ascii=False).replace("λ=0.2 none", "<script>alert(1)</script>")
    write_study(tmp_path, json.loads(text))
    study = open_study(tmp_path, "demo")
    assert "<script>" not in study._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in study._repr_html_()
    first, *others = repr(study).splitlines()
    assert first == "demo: top-1 accuracy on test data, 2 arms, 3 seeds, 6 of 6 trials complete"
    assert [line.strip().partition(":")[0] for line in others] == study.comparisons()["verdict"].to_pylist()


def test_long_lists_are_shortened_and_counted(tmp_path):
    plan = demo_plan(seeds=2, lambdas=tuple(i / 100 for i in range(30)), blocks=("none",))
    write_study(tmp_path, plan)
    study = open_study(tmp_path, "demo")
    assert repr(study).splitlines()[-1] == "  and 5 more comparisons"
    assert "and 6 more arms" in study._repr_html_()


# ------------------------------------------------------------------ compare


def frames():
    """The same table in every form that is accepted, with what a message calls its rows."""
    table = pa.table(WORKED)
    return {
        "dict of lists": WORKED,
        "dict of arrays": {name: np.array(column) for name, column in WORKED.items()},
        "pandas": pd.DataFrame(WORKED),
        "pandas, odd index": pd.DataFrame(WORKED, index=[7] * 10),
        "pandas, categories": pd.DataFrame(WORKED).astype({"method": "category"}),
        "Arrow": table,
        "Polars": pl.DataFrame(WORKED),
        "DuckDB": duckdb.from_arrow(table),
    }


@pytest.mark.parametrize("kind", frames())
def test_every_form_of_a_table_gives_the_numbers_of_the_report(tmp_path, kind):
    path = tmp_path / "table.csv"
    pd.DataFrame(WORKED).to_csv(path, index=False)
    write_table_report(path, **COLUMNS, sesoi=0.2, out=tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert compare(path, **COLUMNS, sesoi=0.2).document == report
    digest = report["provenance"].pop("SHA-256 of the file")
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert compare(frames()[kind], **COLUMNS, sesoi=0.2).document == report


def test_the_result_reads_as_text_and_as_tables():
    found = compare(WORKED, **COLUMNS, sesoi=0.2)
    assert repr(found).splitlines()[0] == "table: acc, 2 arms, 5 seeds, 10 of 10 values present"
    assert "better: CE + Sil is above CE by 0.62" in repr(found)
    assert "<td>CE + Sil</td>" in found._repr_html_()
    (row,) = found.comparisons().to_pylist()
    assert row["difference"] == pytest.approx(0.62)
    assert [a["n"] for a in found.arms().to_pylist()] == [5, 5]


def test_numbers_are_names_of_methods_too():
    rows = {"lam": [0.0, 0.0, 0.0, 0.5, 0.5, 0.5], "seed": [0, 1, 2, 0, 1, 2], "acc": [1.0, 1.1, 1.2, 2.0, 2.2, 2.3]}
    found = compare(pd.DataFrame(rows), arm="lam", seed="seed", metric="acc", baseline=0.0)
    assert found.comparisons().to_pylist()[0]["treatment"] == "0.5"


def test_a_missing_value_of_a_frame_is_a_failed_run():
    frame = pd.DataFrame(WORKED)
    frame.loc[9, "acc"] = np.nan
    (row,) = compare(frame, **COLUMNS).comparisons().to_pylist()
    assert (row["verdict"], row["n"]) == ("no verdict", 4)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (WORKED, {"metric": "accuracy"}, "table: no column 'accuracy' in the table; it has method, seed, acc"),
        (WORKED, {"baseline": "SGD"}, "baseline: no method 'SGD' in the table; it has CE, CE + Sil"),
        (WORKED, {"sesoi": -1.0}, "sesoi: must be above 0, got -1"),
        (WORKED, {"sesoi": "0.2"}, "sesoi: must be a number, got '0.2'"),
        (WORKED, {"alpha": "0.05"}, "alpha: must be a number, got '0.05'"),
        (WORKED, {"arm": None}, "arm: must be the name of a column, got None"),
        (WORKED, {"block": 3}, "block: must be the name of a column, got 3"),
        (WORKED, {"seed": "acc"}, "table: row 0: acc must be an integer, got 74.2"),
        ({**WORKED, "seed": [0] * 10}, {}, "table: 'CE' has seed 0 twice; is a block column missing?"),
        ({"a": [1], "b": [1, 2]}, {}, "table: columns must have the same length, got a has 1, b has 2"),
        ({"a": 1}, {}, "table: each value of a dict must be a column (a list or an array)"),
        ({"a": []}, {}, "table: must have rows, got an empty table"),
        (pd.DataFrame({"a": [1, "x", None]}), {}, "table: cannot be read as an Arrow table"),
        (3, {}, "table: must be a path, a data frame, an Arrow table or a dict of columns, got int"),
        ("nothing.csv", {}, "table: no such file, got 'nothing.csv'"),
    ],
)
def test_bad_input_is_one_line_that_names_the_argument(table, change, message):
    with pytest.raises(ReportError) as error:
        compare(table, **(COLUMNS | change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    with pytest.raises(ReportError) as same:
        write_table_report(table, **(COLUMNS | change), out="unused")
    assert str(same.value) == str(error.value)
