"""The report of a study, from records on disk to page, Markdown, JSON and LaTeX."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from scipy import stats

from analysis.errors import ReportError
from analysis.report.write import files, write_report
from silhouette.results import Store
from tests.helpers.synthetic import analysed, arm_label, demo_plan, document, record, write_study


def by_arm(report):
    return {a["arm"]: a for a in report["arms"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Results folder with a small study and its report."""
    results = tmp_path_factory.mktemp("built")
    write_study(results, demo_plan(seeds=4))
    assert Path(write_report(str(results), "demo")).is_file()
    return results


def test_numbers_equal_those_by_hand(tmp_path):
    store = write_study(tmp_path, demo_plan())
    report = analysed(store)
    rows = store.load(["arm", "seed", "test_top1"]).to_pylist()
    for arm in report["arms"]:
        values = np.array([r["test_top1"] for r in rows if r["arm"] == arm["arm"]])
        assert arm["n"] == 10
        assert arm["mean"] == pytest.approx(values.mean(), abs=1e-15)
        assert arm["sd"] == pytest.approx(values.std(ddof=1), abs=1e-15)
        low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
        assert (arm["ci_low"], arm["ci_high"]) == pytest.approx((low, high), abs=1e-12)
        assert arm["values"] == {str(r["seed"]): r["test_top1"] for r in rows if r["arm"] == arm["arm"]}


def test_comparisons_are_paired_by_seed_and_adjusted_over_all_blocks(tmp_path):
    report = analysed(write_study(None, demo_plan()))
    arms = by_arm(report)
    for c in report["comparisons"]:
        a, b = arms[c["treatment"]]["values"], arms[c["baseline"]]["values"]
        d = np.array([a[s] - b[s] for s in sorted(a, key=int)])
        assert c["difference"] == pytest.approx(d.mean(), abs=1e-15)
        assert c["p_t"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-9)
        assert c["d_z"] == pytest.approx(d.mean() / d.std(ddof=1))
        flips = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert c["p_sign_flip"] == pytest.approx(flips.pvalue, abs=1e-12)
    assert [c["m"] for c in report["comparisons"]] == [6] * 6
    smallest = min(report["comparisons"], key=lambda c: c["p_t"])
    assert smallest["p_adjusted"] == pytest.approx(min(1, 6 * smallest["p_t"]))
    verdicts = {c["treatment"]: c["verdict"] for c in report["comparisons"]}
    assert verdicts[arm_label(1.0, "none")] == "worse"
    assert verdicts[arm_label(0.05, "none")] == "inconclusive"


def test_report_has_the_keys_that_others_read(tmp_path):
    report = analysed(write_study(None, demo_plan()))
    assert {"study", "plan_hash", "ledger", "arms", "comparisons"} <= set(report)
    assert {"arm", "settings", "n", "mean", "sd", "ci_low", "ci_high", "values"} <= set(report["arms"][0])
    wanted = "family treatment baseline n difference ci_low ci_high p_t p_sign_flip p_adjusted d_z verdict sentence"
    assert set(wanted.split()) <= set(report["comparisons"][0])
    assert report["ledger"]["planned"] == report["ledger"]["complete"] == 80


def test_every_file_is_there_and_every_figure_has_its_data(built):
    folder = built / "demo" / "report"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"index.html", "report.md", "report.json", "tables/results.tex"} <= names
    figures = {n.rsplit(".", 1)[0] for n in names if n.startswith("figures/")}
    assert {"figures/seeds", "figures/differences"} <= figures
    assert {f"{f}.{end}" for f in figures for end in ("svg", "pdf", "csv")} <= names
    assert len((folder / "figures/seeds.csv").read_text().splitlines()) == 1 + 32


def test_a_rebuild_is_byte_identical_in_another_process(built):
    folder = built / "demo" / "report"
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    Store(str(built), "demo").compact()
    code = f"from analysis.report.write import write_report; write_report({str(built)!r}, 'demo')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_the_page_refers_to_nothing_outside(built):
    page = (built / "demo/report/index.html").read_text()
    assert not re.search(r'(?:src|href)="(?!#|data:)', page.replace('xlink:href="#', 'href="#'))
    assert "@import" not in page
    assert "url(http" not in page


def test_missing_seeds_give_no_verdict_and_are_named(tmp_path):
    arm = arm_label(0.2, "none")
    report, text = document(write_study(None, demo_plan(), skip={(arm, 3), (arm, 7)}))
    c = next(c for c in report["comparisons"] if c["treatment"] == arm)
    assert (c["verdict"], c["reason"], c["n"]) == ("no verdict", "the arms have different seeds", 8)
    assert c["p_adjusted"] is None
    assert report["ledger"]["missing"] == 2
    assert "78 of 80 trials are complete (2 missing)" in text
    assert "no record yet for seeds 3, 7" in text


def test_a_failed_trial_is_counted_shown_and_not_averaged(tmp_path):
    arm = arm_label(1.0, "none")

    def change(label, seed):
        failed = label == arm and seed == 2
        return {"status": "failed", "error": "RuntimeError: out of memory", "epochs_reached": 3} if failed else {}

    report, text = document(write_study(None, demo_plan(), change=change))
    assert by_arm(report)[arm]["n"] == 9
    assert by_arm(report)[arm]["failed"] == {"2": "failed"}
    assert report["ledger"]["failed"] == 1
    assert "out of memory" in text


def test_a_complete_record_short_of_its_budget_counts_as_stopped(tmp_path):
    arm = arm_label(0.05, "none")

    def change(label, seed):
        return {"epochs_reached": 9} if (label, seed) == (arm, 0) else {}

    report = analysed(write_study(None, demo_plan(), change=change))
    assert report["ledger"]["stopped"] == 1
    assert by_arm(report)[arm]["n"] == 9
    entry = next(a for a in report["ledger"]["arms"] if a["arm"] == arm)
    assert entry["stopped_at"] == {"9": 1}


def test_tune_phase_records_are_counted_but_never_used(tmp_path):
    plan = demo_plan(seeds=3)
    store = write_study(tmp_path, plan)
    before = analysed(store)
    for seed in (0, 100):
        store.write_record(record(plan["arms"][1], seed, phase="tune", test_top1=0.999))
    after = analysed(store)
    assert after["arms"] == before["arms"]
    assert after["ledger"]["tune_phase"] == 2


def test_records_of_another_configuration_or_seed_are_excluded(tmp_path):
    plan = demo_plan(seeds=3)
    store = write_study(tmp_path, plan)
    store.write_record(record(plan["arms"][0], 0, trial_id="f" * 16, config='{"lambda_sil": 9}', test_top1=0.1))
    store.write_record(record(plan["arms"][0], 99, test_top1=0.1))
    report = analysed(store)
    reasons = sorted(e["reason"] for e in report["ledger"]["exclusions"])
    assert reasons == ["another configuration than the plan's", "seed is not in the plan"]
    assert report["ledger"]["complete"] == 24
    assert "0.1" not in report["arms"][0]["values"].values()


def test_a_record_from_after_a_field_was_added_is_of_the_same_configuration(tmp_path):
    plan = demo_plan(seeds=3)
    store = write_study(tmp_path, plan)
    newer = json.dumps({**plan["arms"][0]["config"], "vary": "all"})
    store.write_record(record(plan["arms"][0], 0, config=newer, test_top1=0.5))
    report = analysed(store)
    assert report["ledger"]["exclusions"] == []
    assert report["arms"][0]["values"]["0"] == 0.5


def test_duplicates_that_disagree_are_not_used(tmp_path):
    plan = demo_plan(seeds=4)
    store = write_study(tmp_path, plan)
    store.write_record(record(plan["arms"][0], 0, trial_id="f" * 16, test_top1=0.1))
    report = analysed(store)
    assert by_arm(report)[plan["arms"][0]["arm"]]["n"] == 3
    assert report["ledger"]["duplicate"] == 1
    assert {e["reason"] for e in report["ledger"]["exclusions"]} == {"duplicates disagree, so none is used"}


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_render_and_say_what_they_cannot_show(tmp_path, seeds):
    report = analysed(write_study(None, demo_plan(seeds=seeds)))
    assert {a["n"] for a in report["arms"]} == {seeds}
    words = {c["verdict"] for c in report["comparisons"]}
    if seeds < 3:
        assert words == {"no verdict"}
        assert {c["reason"] for c in report["comparisons"]} == {"fewer than 3 seeds"}
    else:
        assert all("fragile: only 3 seeds" in c["warnings"] for c in report["comparisons"])
    assert (report["arms"][0]["sd"] is None) == (seeds == 1)


def test_five_seeds_say_that_exact_tests_cannot_reject(tmp_path):
    report = analysed(write_study(None, demo_plan(seeds=5)))
    worse = next(c for c in report["comparisons"] if c["verdict"] == "worse")
    assert worse["p_sign_flip"] == 2 / 2**5
    assert "cannot give p below 0.0625" in worse["sentence"]


def test_a_single_arm_and_equal_values_render(tmp_path):
    alone = analysed(write_study(None, demo_plan(lambdas=(0.0,), blocks=("none",), seeds=3)))
    assert alone["comparisons"] == []
    plan = demo_plan(study="flat", seeds=4)
    report, text = document(write_study(None, plan, change=lambda a, s: {"test_top1": 0.5}))
    assert {c["verdict"] for c in report["comparisons"]} == {"no verdict"}
    assert {c["reason"] for c in report["comparisons"]} == {"the differences have no spread"}
    assert all(math.isclose(a["sd"], 0.0) for a in report["arms"])
    assert "check that the training uses its seed" in text


def test_errors_are_one_clear_line(tmp_path):
    with pytest.raises(ReportError, match=r"no study\.json there; run the study first") as error:
        write_report(str(tmp_path), "absent")
    assert "\n" not in str(error.value)
    Store(str(tmp_path), "demo").write_json(demo_plan(), "study.json")
    with pytest.raises(ReportError, match="no records yet"):
        write_report(str(tmp_path), "demo")
    broken = demo_plan()
    broken["families"][0]["treatments"] = ["no such arm"]
    Store(str(tmp_path), "broken").write_json(broken, "study.json")
    with pytest.raises(ReportError, match="no arm 'no such arm'"):
        write_report(str(tmp_path), "broken")


def test_it_imports_neither_torch_nor_ray_nor_mlflow():
    code = "import sys, analysis.report.write; print(sorted({'torch', 'ray', 'mlflow', 'optuna'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "[]"


def test_report_json_is_strict_json(built):
    raw = (built / "demo/report/report.json").read_text()
    assert json.loads(raw, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_persons_own_settings_of_matplotlib_change_no_figure(tmp_path):
    plan = demo_plan(seeds=3)
    usual = {name: content for name, content in files(analysed(write_study(None, plan))) if name.endswith(".svg")}
    with mpl.rc_context({"font.size": 20.0, "axes.grid": True, "lines.linewidth": 7.0, "savefig.dpi": 30}):
        own = dict(files(analysed(write_study(None, plan))))
    assert usual
    assert usual == {name: own[name] for name in usual}
