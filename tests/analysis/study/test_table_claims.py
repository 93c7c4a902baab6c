"""What a report on a plain table may claim: nothing of plans, trials or test data that no table can tell."""

import hashlib
import json
import re

import numpy as np
import pytest

from ablations.cli.parser import main
from analysis import ReportError, compare
from analysis.report.cells import rates_line
from analysis.report.page import make_page
from analysis.report.writers import markdown
from analysis.results.analyse import analyse_table
from analysis.results.guards import COPIED, copied_unpaired
from analysis.study.table import TableOptions

OPTIONS = {"arm": "method", "seed": "seed", "metric": "acc", "baseline": "CE"}


def csv_file(folder, rows, header="method,seed,acc"):
    path = folder / "runs.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def paired_rows(gain=0.4, seeds=6):
    rng = np.random.default_rng(7)
    shared = rng.normal(75, 0.3, seeds)
    return [(m, s, shared[s] + g + rng.normal(0, 0.2)) for m, g in (("CE", 0.0), ("Sil", gain)) for s in range(seeds)]


def unpaired_rows():
    rng = np.random.default_rng(8)
    ours = [("Sil", 100 + s, 75.3 + rng.normal(0, 0.3)) for s in range(7)]
    return [*(("CE", s, 75 + rng.normal(0, 0.3)) for s in range(5)), *ours]


def null_rows(blocks=12, seeds=5):
    """Equal methods on 12 data sets; with one error rate for each of them, one is called better."""
    rng = np.random.default_rng(3)
    return [(m, b, s, 75 + rng.normal(0, 0.3)) for b in range(blocks) for m in ("CE", "Sil") for s in range(seeds)]


def text_of(document):
    return markdown.render(make_page(document))


def run(path, *further):
    """Exit code of the command on a table, its results beside it."""
    given = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    return main(["report", "--table", str(path), *given, "--out", str(path.parent / "out"), *further])


def written(path):
    return json.loads((path.parent / "out" / "report.json").read_text())


FORBIDDEN = (
    "nothing here was chosen",
    "chosen after results",
    "declared before",
    "before the first trial",
    "full budget",
    "scheduler",
    "test data read once",
    "referee",
    "trial",
    "plan hash",
    "commits of the records",
    "devices",
    "unknown",
    "epochs",
)


@pytest.mark.parametrize("extra", [[], [("CE", 6, "")]])
def test_a_report_on_a_table_claims_nothing_that_a_table_cannot_tell(tmp_path, extra):
    document = analyse_table(csv_file(tmp_path, [*paired_rows(), *extra]), TableOptions(**OPTIONS))
    text = text_of(document).lower()
    assert [phrase for phrase in FORBIDDEN if phrase in text] == []
    assert document["checklist"] == []


def test_the_command_line_claims_no_more(tmp_path, capsys):
    path = csv_file(tmp_path, paired_rows())
    assert run(path) == 0
    shown = capsys.readouterr().out.lower() + (tmp_path / "out" / "report.md").read_text().lower()
    assert [phrase for phrase in FORBIDDEN if phrase in shown] == []


def test_the_report_names_its_table_by_digest_rows_and_columns(tmp_path):
    path = csv_file(tmp_path, paired_rows())
    document = analyse_table(path, TableOptions(**OPTIONS))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["provenance"]["SHA-256 of the file"] == digest
    assert (document["provenance"]["rows"], document["provenance"]["columns"]) == (12, "method, seed, acc")
    assert digest in text_of(document)


def test_the_digest_of_the_values_ignores_the_order_of_rows_and_sees_every_value(tmp_path):
    def digest(rows):
        path = csv_file(tmp_path, rows)
        return analyse_table(path, TableOptions(**OPTIONS))["provenance"]["SHA-256 of the values"]

    rows = paired_rows()
    assert digest(rows) == digest(rows[::-1])
    assert digest(rows) != digest([*rows[:-1], (*rows[-1][:2], rows[-1][2] + 1e-9)])


def test_a_row_without_a_value_is_named_by_its_place(tmp_path):
    rows = [*paired_rows(), ("CE", 6, ""), ("Sil", 6, 75.5)]
    document = analyse_table(csv_file(tmp_path, rows), TableOptions(**OPTIONS))
    assert [f["trial_id"] for f in document["ledger"]["faults"]] == ["line 14"]
    assert "Values are missing: the table has 13 of 14. 1 row without a value (empty or nan)." in text_of(document)
    assert [notice["key"] for notice in document["notices"]] == ["missing_values"]


# ------------------------------------------------------------------ one family over all blocks


def test_a_table_of_twelve_null_data_sets_gives_no_verdict(tmp_path):
    path = csv_file(tmp_path, null_rows(), "method,data,seed,acc")
    document = analyse_table(path, TableOptions(**OPTIONS, block="data"))
    assert {c["verdict"] for c in document["comparisons"]} == {"inconclusive"}
    assert {c["m"] for c in document["comparisons"]} == {12}
    assert {p["verdict"] for part in document["across"] for p in part["pairs"]} == {"inconclusive"}


def test_an_error_rate_for_each_block_is_declared_and_said(tmp_path):
    path = csv_file(tmp_path, null_rows(), "method,data,seed,acc")
    document = analyse_table(path, TableOptions(**OPTIONS, block="data", error_rate="block"))
    assert {c["m"] for c in document["comparisons"]} == {1}
    assert {"better", "worse"} & {c["verdict"] for c in document["comparisons"]}
    assert [n["key"] for n in document["notices"]] == ["error_rate_per_block"]
    assert "in all blocks together is not held" in text_of(document)


def test_the_command_line_corrects_over_all_blocks_unless_told_otherwise(tmp_path, capsys):
    path = csv_file(tmp_path, null_rows(), "method,data,seed,acc")
    assert run(path, "--block", "data") == 0
    assert written(path)["error_rate"] == "study"
    assert {c["verdict"] for c in written(path)["comparisons"]} == {"inconclusive"}
    assert run(path, "--block", "data", "--error-rate", "block") == 0
    assert written(path)["error_rate"] == "block"
    assert "is not held" in capsys.readouterr().out


def test_compare_takes_the_error_rate_too(tmp_path):
    path = csv_file(tmp_path, null_rows(), "method,data,seed,acc")
    assert compare(path, **OPTIONS, block="data").document["error_rate"] == "study"
    assert compare(path, **OPTIONS, block="data", error_rate="block").document["error_rate"] == "block"
    with pytest.raises(ReportError, match=r"^error_rate: study or block, got 'table'$"):
        compare(path, **OPTIONS, error_rate="table")


# ------------------------------------------------------------------ unpaired


def test_an_unpaired_report_says_nothing_of_pairs(tmp_path):
    document = analyse_table(csv_file(tmp_path, unpaired_rows()), TableOptions(**OPTIONS, unpaired=True, sesoi=0.2))
    text = re.sub(r"unpaired", "", text_of(document).lower())
    words = ("pair", "sign-flip", "wilcoxon", "common seed", "d_z", "one seed left out")
    assert [word for word in words if word in text.replace("pairwise evidence", "").replace("pairing", "")] == []
    assert "Welch" in text_of(document)


def test_an_unpaired_report_counts_the_seeds_of_both_arms(tmp_path):
    document = analyse_table(csv_file(tmp_path, unpaired_rows()), TableOptions(**OPTIONS, unpaired=True))
    (c,) = document["comparisons"]
    assert c["detail"]["groups"] == [7, 5]
    assert "7 against 5 unpaired seeds" in c["sentence"]
    ledger = document["ledger"]
    assert (ledger["planned"], ledger["complete"], ledger["missing"]) == (12, 12, 0)
    assert "5 to 7 seeds each, 12 of 12 values present" in text_of(document)


def test_an_unpaired_comparison_says_what_it_can_detect(tmp_path):
    document = analyse_table(csv_file(tmp_path, unpaired_rows()), TableOptions(**OPTIONS, unpaired=True))
    (c,) = document["comparisons"]
    assert 0.3 < c["feasibility"]["detectable"] < 1.5
    assert "This design detects" in c["feasibility_line"]


def test_the_seed_numbers_of_unpaired_arms_mean_nothing(tmp_path):
    """Welch's test has no pairs, so equal seed numbers must not give differences by seed."""
    rows = [(m, s % 100, v) for m, s, v in unpaired_rows()]
    one, other = (
        analyse_table(csv_file(tmp_path, given), TableOptions(**OPTIONS, unpaired=True))
        for given in (rows, unpaired_rows())
    )
    assert one["comparisons"] == other["comparisons"]


FIVE = (74.92, 75.13, 75.41, 74.66, 75.27)


def test_runs_of_one_unpaired_arm_copied_under_other_seeds_give_no_verdict(tmp_path, capsys):
    rows = [("CE", s, FIVE[s % 5]) for s in range(10)] + [("Sil", 100 + s, FIVE[s] + 0.8) for s in range(5)]
    path = csv_file(tmp_path, rows)
    (c,) = analyse_table(path, TableOptions(**OPTIONS, unpaired=True))["comparisons"]
    assert (c["verdict"], c["reason"]) == ("no verdict", COPIED)
    assert run(path, "--unpaired") == 0
    assert COPIED in capsys.readouterr().out
    honest = [row for row in rows if row[1] not in range(5, 10)]
    assert (
        analyse_table(csv_file(tmp_path, honest), TableOptions(**OPTIONS, unpaired=True))["comparisons"][0]["p_t"]
        < 0.01
    )


@pytest.mark.parametrize(("n", "images"), [(4, 450), (6, 450), (10, 450), (20, 90)])
def test_honest_seeds_of_unpaired_arms_are_rarely_called_copies(n, images):
    """Rounded accuracies tie often: of 1000 honest pairs of arms at most 0.5 % raise a false alarm."""
    rng = np.random.default_rng(n + images)
    values = np.round(images * rng.normal(0.95, 0.006, (1000, 2, n))) / images
    alarms = sum(copied_unpaired(dict(enumerate(a)), dict(enumerate(b))) == COPIED for a, b in values)
    assert alarms <= 5


# ------------------------------------------------------------------ bad input


IN_PERCENT = "0.002 is 0.002 points, as the values are in percent; did you mean 0.2?"


def fractions():
    return [(m, s, round(v / 100, 6)) for m, s, v in paired_rows()]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (fractions, {"sesoi": 0.2}, "--sesoi: 0.2 is 20 points; did you mean 0.002?"),
        (paired_rows, {"sesoi": 0.002}, f"--sesoi: {IN_PERCENT}"),
        (paired_rows, {"sesoi": -0.2}, "--sesoi: must be above 0, got -0.2"),
        (paired_rows, {"sesoi": float("nan")}, "--sesoi: must be above 0, got nan"),
        (paired_rows, {"sesoi": float("inf")}, "--sesoi: must be finite, got inf"),
        (paired_rows, {"block": "method"}, "--block: must be another column than --arm, got 'method'"),
        (lambda: paired_rows()[:6], {}, "--table: must have a method beside the baseline, got 'CE' alone"),
        (
            lambda: [*paired_rows(), *(("mean", s, v / 100) for _, s, v in paired_rows()[:6])],
            {},
            "--metric: acc must have one unit, got fractions for 'mean' and percents for 'CE'",
        ),
        (paired_rows, {"alpha": 0.5}, "--alpha: must be between 0 and 0.5, got 0.5"),
        (paired_rows, {"alpha": -0.05}, "--alpha: must be between 0 and 0.5, got -0.05"),
        (lambda: [*paired_rows(), ("CE", 6, "inf")], {}, "--table: line 14: acc must be finite, got 'inf'"),
        (lambda: [*paired_rows(), ("CE", 0, 75)], {}, "--table: 'CE' has seed 0 twice; is a --block column missing?"),
    ],
)  # fmt: skip
def test_bad_input_of_a_table_is_one_line(tmp_path, capsys, rows, options, message):
    path = csv_file(tmp_path, rows())
    with pytest.raises(ReportError) as error:
        analyse_table(path, TableOptions(**OPTIONS, **options))
    assert str(error.value) == message
    assert run(path, *(f"--{name}={value}" for name, value in options.items())) == 2
    assert message in capsys.readouterr().err


def test_a_column_that_stands_twice_is_refused(tmp_path):
    path = csv_file(tmp_path, [(*row, 0) for row in paired_rows()], "method,seed,acc,acc")
    with pytest.raises(ReportError, match=r"column 'acc' stands 2 times in runs.csv; rename or remove one"):
        analyse_table(path, TableOptions(**OPTIONS))


def test_a_block_without_the_baseline_is_named(tmp_path, capsys):
    rows = [(m, "a", s, v) for m, s, v in paired_rows()] + [("Sil", "b", s, 75 + s / 10) for s in range(6)]
    assert run(csv_file(tmp_path, rows, "method,data,seed,acc"), "--block", "data") == 0
    line = "Not compared: the baseline CE has no row in b (Sil), so nothing is compared there."
    assert f"note: {line}" in capsys.readouterr().out
    assert line in (tmp_path / "out" / "report.md").read_text()


def test_the_rates_of_a_table_hold_only_if_its_seeds_were_planned(tmp_path):
    document = analyse_table(csv_file(tmp_path, paired_rows()), TableOptions(**OPTIONS))
    assert rates_line(document).endswith("This holds if the number of seeds was planned; a table cannot tell.")


def test_two_datasets_without_a_margin_have_no_region_inside_of_it(tmp_path):
    path = csv_file(tmp_path, null_rows(4), "method,data,seed,acc")
    text = text_of(analyse_table(path, TableOptions(**OPTIONS, block="data")))
    assert "on a new dataset lies below or above 0 (" in text
    assert "P(inside)" not in text


@pytest.mark.parametrize(("rows", "margin"), [(fractions, 0.002), (fractions, 0.05), (paired_rows, 0.2)])
def test_a_margin_in_the_unit_of_the_values_is_taken(tmp_path, rows, margin):
    document = analyse_table(csv_file(tmp_path, rows()), TableOptions(**OPTIONS, sesoi=margin))
    assert document["sesoi"] == margin


def test_without_a_margin_nothing_is_equivalent_and_one_line_says_so(tmp_path):
    document = analyse_table(csv_file(tmp_path, paired_rows(0.0, 40)), TableOptions(**OPTIONS))
    assert document["comparisons"][0]["p_equivalence"] is None
    line = "No smallest effect of interest was declared, so nothing is called equivalent or beyond it."
    assert text_of(document).count(line) == 1
