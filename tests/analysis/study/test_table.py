"""`--table`: known answers on published per-seed results, and one clear line for every fault."""

import csv
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.errors import ReportError
from analysis.report.write import write_table_report
from analysis.results.analyse import analyse_table
from analysis.study.table import TableOptions
from tests.helpers.published import CE, DEMSAR, OURS


def write_csv(path, rows, delimiter=","):
    with path.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def worked(tmp_path):
    rows = [{"method": "CE", "seed": i, "acc": v} for i, v in enumerate(CE)]
    rows += [{"method": "CE + Sil", "seed": i, "acc": v} for i, v in enumerate(OURS)]
    rows.reverse()  # the order of rows must not matter
    return write_csv(tmp_path / "results.csv", rows)


def report_of(path, **options):
    columns = {"arm": "method", "seed": "seed", "metric": "acc", "baseline": "CE"}
    return analyse_table(path, TableOptions(**(columns | options)))


def test_the_report_is_written_whole(tmp_path):
    index = write_table_report(
        worked(tmp_path), arm="method", seed="seed", metric="acc", baseline="CE", sesoi=0.2, out=tmp_path / "out"
    )
    assert index == str(tmp_path / "out" / "index.html")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["comparisons"][0]["verdict"] == "better"
    assert "CE + Sil is above CE by 0.62" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "tables" / "results.tex").is_file()


def test_worked_example_gives_the_known_answers(tmp_path):
    report = report_of(worked(tmp_path), sesoi=0.2)
    (c,) = report["comparisons"]
    assert c["difference"] == pytest.approx(0.62, abs=1e-9)
    assert (c["ci_low"], c["ci_high"]) == pytest.approx((0.336857, 0.903143), abs=1e-6)
    assert c["p_t"] == pytest.approx(0.00369925, abs=1e-8)
    assert c["p_sign_flip"] == c["p_wilcoxon"] == 0.0625
    assert c["d_z"] == pytest.approx(2.7188799, abs=1e-6)
    assert c["detail"]["g_z"]["estimate"] == pytest.approx(2.1693523, abs=1e-6)
    assert c["verdict"] == "better"
    assert c["size"] == "beyond the declared effect"
    assert "by 0.62" in c["sentence"]
    assert "0.34 to +0.90" in c["sentence"]
    assert "cannot give p below 0.0625" in c["sentence"]


def test_blocks_become_datasets_with_ranks_over_them(tmp_path):
    rows = [
        {"method": m, "data": f"set {i:02d}", "seed": s, "acc": v + 1e-9 * s}
        for m, values in DEMSAR.items() for i, v in enumerate(values) for s in (0, 1)
    ]  # fmt: skip
    path = write_csv(tmp_path / "demsar.csv", rows)
    report = report_of(path, block="data", baseline="C4.5")
    (across,) = report["across"]
    test = across["ranks"]["test"]
    assert (test["datasets"], test["methods"]) == (14, 4)
    # scipy.stats.friedmanchisquare(*table.T) on the published table, with its correction for ties
    assert test["chi2"] == pytest.approx(10.952381, abs=1e-6)
    assert test["p_chi2"] == pytest.approx(0.011986, abs=1e-6)
    assert test["f"] == pytest.approx(4.585890, abs=1e-6)
    assert test["critical_difference"] == pytest.approx(1.2536, abs=1e-4)
    assert len(report["families"]) == 14


def test_semicolons_and_parquet_and_missing_values_are_read(tmp_path):
    rows = [{"method": m, "seed": s, "acc": 70 + s + (m == "A")} for m in ("CE", "A") for s in range(4)]
    rows[-1]["acc"] = None
    text = write_csv(tmp_path / "t.csv", rows, ";")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    one = report_of(text)
    two = report_of(tmp_path / "t.parquet")
    assert one["arms"] == two["arms"]
    assert one["ledger"]["failed"] == 1
    assert one["comparisons"][0]["verdict"] == "no verdict"


def test_different_seeds_need_to_be_declared_unpaired(tmp_path):
    rows = [{"method": "CE", "seed": s, "acc": 70 + 0.1 * s} for s in range(5)]
    rows += [{"method": "A", "seed": s, "acc": 72 + 0.1 * s} for s in range(5, 10)]
    path = write_csv(tmp_path / "t.csv", rows)
    assert report_of(path)["comparisons"][0]["verdict"] == "no verdict"
    declared = report_of(path, unpaired=True)["comparisons"][0]
    assert declared["verdict"] == "better"
    assert declared["detail"]["method"] == "Welch t"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "accuracy"}, "no column 'accuracy' in results.csv; it has method, seed, acc"),
        ({"baseline": "SGD"}, "--baseline: no method 'SGD' in the table; it has"),
        ({"sesoi": -1.0}, "--sesoi: must be above 0, got -1"),
        ({"direction": "up"}, "--direction: max or min, got 'up'"),
        ({"seed": "method"}, "must be an integer, got 'CE"),
        ({"metric": "method"}, "must be a number, got 'CE"),
        ({"arm": "acc", "baseline": "74.2"}, None),
    ],
)
def test_bad_input_is_one_line(tmp_path, change, message):
    path = worked(tmp_path)
    if message is None:
        assert report_of(path, **change)["comparisons"]
        return
    with pytest.raises(ReportError) as error:
        report_of(path, **change)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_absent_empty_and_damaged_tables_and_repeated_seeds_are_refused(tmp_path):
    with pytest.raises(ReportError, match="no such file"):
        report_of(tmp_path / "nothing.csv")
    (tmp_path / "empty.csv").write_text("method,seed,acc\n")
    with pytest.raises(ReportError, match="no rows below the header"):
        report_of(tmp_path / "empty.csv")
    rows = [{"method": "CE", "seed": 0, "acc": 1.0}] * 2
    with pytest.raises(ReportError, match="has seed 0 twice; is a --block column missing"):
        report_of(write_csv(tmp_path / "twice.csv", rows))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ReportError, match="UTF-8"):
        report_of(tmp_path / "bytes.csv")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(ReportError, match="not Parquet"):
        report_of(tmp_path / "bad.parquet")


def test_a_column_in_percent_under_the_name_of_our_metric_keeps_its_unit():
    """75.3 is 75.30, not 7,530 %, and a margin of 0.2 is one of 0.2 points."""
    given = {"m": ["a"] * 3 + ["b"] * 3, "s": [0, 1, 2] * 2, "test_top1": [75.3, 76.1, 74.8, 76.4, 77.3, 75.9]}
    options = TableOptions(arm="m", seed="s", metric="test_top1", baseline="a", sesoi=0.2)
    document = analyse_table(given, options)
    assert "b is above a by 1.13 (95 %" in document["comparisons"][0]["sentence"]
    shares = given | {"test_top1": [value / 100 for value in given["test_top1"]]}
    document = analyse_table(shares, replace(options, sesoi=0.002))
    assert "b is above a by 1.13 points" in document["comparisons"][0]["sentence"]


def test_large_seeds_keep_all_their_digits():
    seeds = [12345678901234567890, 12345678901234567891, 12345678901234567892]
    given = {"m": ["a"] * 3 + ["b"] * 3, "s": [str(seed) for seed in seeds * 2], "acc": [1.0, 2, 3, 2, 3, 5]}
    assert analyse_table(given, TableOptions(arm="m", seed="s", metric="acc", baseline="a"))["seeds"] == seeds
