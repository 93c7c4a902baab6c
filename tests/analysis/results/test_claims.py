"""Verdicts keep the error rate that the report prints: one correction, planned seeds, one code, the right interval."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.formatting import make_scale
from analysis.report.cells import rates_line
from analysis.report.figures.differences import difference_dot
from analysis.report.page import make_page
from analysis.report.withheld import withheld
from analysis.report.writers import html, latex, markdown
from analysis.results.analyse import analyse_table
from analysis.results.verdicts import Corrected, decide
from analysis.stats.comparison import compare_paired
from analysis.stats.pairing import pair
from analysis.study.table import TableOptions
from tests.helpers.plugin import write_plugin
from tests.helpers.studies import arm, family, grid_plan, grid_value, write
from tests.helpers.synthetic import analysed, demo_plan, document, record, write_study


def two_blocks(differences, **changes):
    """Two blocks with one treatment each; its paired differences in points, by block."""
    arms = [arm(f"{m} {b}", {"m": m, "b": b}, b, m == "CE") for b in differences for m in ("CE", "ours")]
    families = [family(b, f"CE {b}", [f"ours {b}"]) for b in differences]
    plan = demo_plan(study="two", seeds=len(next(iter(differences.values()))), arms=arms, families=families, factors=[])

    def value(a, seed, rng):
        gap = differences[a["block"]][seed] / 100 if a["settings"]["m"] == "ours" else 0.0
        return 0.9 + gap

    return write(None, plan | changes, value)


def with_p(n, p, spread=0.5):
    """Differences of n seeds, in points, whose two-sided paired t-test gives p."""
    shape = np.linspace(-1, 1, n)
    t = stats.t.isf(p / 2, n - 1)
    return spread * (shape + t * shape.std(ddof=1) / np.sqrt(n))


# ------------------------------------------------------------------ A1: one correction over all blocks


def test_a_difference_in_one_of_two_blocks_is_corrected_over_both():
    store = two_blocks({"x": with_p(10, 0.03), "y": with_p(10, 0.6)}, sesoi=None)
    data, text = document(store)
    assert [c["m"] for c in data["comparisons"]] == [2, 2]
    assert data["comparisons"][0]["p_adjusted"] == pytest.approx(0.06, rel=1e-3)
    assert {c["verdict"] for c in data["comparisons"]} == {"inconclusive"}
    assert "over all comparisons of a role" in text


def test_a_declared_error_rate_per_block_is_said_everywhere():
    store = two_blocks({"x": with_p(10, 0.03), "y": with_p(10, 0.6)}, error_rate="block", sesoi=None)
    data = analysed(store)
    assert [c["m"] for c in data["comparisons"]] == [1, 1]
    assert [c["verdict"] for c in data["comparisons"]] == ["better", "inconclusive"]
    assert data["error_rate"] == "block"
    page = make_page(data)
    for text in (html.render(page), markdown.render(page)):
        assert "The rate of a false verdict anywhere in all blocks together is not held." in text
    tables = [t for s in page.sections for t in s.tables]
    assert all("Error rate per block" in latex.render(table, page.marks) for table in tables)


def test_an_exploratory_family_does_not_enter_the_correction_of_the_primary_ones():
    plan = demo_plan(blocks=("none",))
    treatments = plan["families"][0]["treatments"]
    plan["families"] = [
        family("main", "λ=0 none", treatments[:1]),
        family("more", "λ=0 none", treatments[1:], "exploratory", "bh"),
    ]
    data = analysed(write_study(None, plan))
    assert [c["m"] for c in data["comparisons"]] == [1, 2, 2]


def test_the_rate_that_is_printed_is_that_of_all_looks_together():
    _, text = document(after(5, looks=[5, 10]))
    assert "At most about 5 % of studies without any difference call something better or worse" in text
    assert "over all comparisons of a role and over all looks" in text


def test_the_rate_of_an_equivalence_says_over_what_it_holds():
    plan = demo_plan(blocks=("none",))
    more = family("more", "λ=0 none", plan["families"][0]["treatments"], "exploratory", "bh")
    data = analysed(write_study(None, demo_plan()))
    assert "call something equivalent that is not, over all comparisons of a role: a rate" in rates_line(data)
    both = rates_line(analysed(write_study(None, plan | {"families": [*plan["families"], more]})))
    assert both.endswith("is false on average. The same holds for what they call equivalent.")


# ------------------------------------------------------------------ the gate


@pytest.mark.parametrize(("gain", "role"), [(0.2, "ablation"), (-0.2, "exploratory")])
def test_the_gate_of_an_ablation_opens_at_a_win_only(gain, role):
    arms = [arm(label, {"m": label}, "b", label == "CE") for label in ("CE", "full", "no head")]
    families = [family("main", "CE", ["full"]), family("parts", "full", ["no head"], role="ablation")]
    plan = demo_plan(study="gate", arms=arms, families=families, factors=[], seeds=8)
    data = analysed(write(None, plan, lambda a, s, r: 0.7 + gain * (a["arm"] == "full") + r.normal(0, 0.01)))
    assert data["comparisons"][0]["verdict"] == ("better" if gain > 0 else "worse")
    assert [f["role"] for f in data["families"]] == ["primary", role]


# ------------------------------------------------------------------ A4: no verdict before the planned seeds


def after(done, **changes):
    plan = demo_plan(**changes)
    return write_study(None, plan, skip={(a["arm"], s) for a in plan["arms"] for s in plan["seeds"] if s >= done})


@pytest.mark.parametrize("done", [3, 5, 9])
def test_a_study_that_is_read_while_it_runs_gives_no_verdict(done):
    data = analysed(after(done))
    assert {c["verdict"] for c in data["comparisons"]} == {"no verdict"}
    assert {c["reason"] for c in data["comparisons"]} == {f"interim: {done} of 10 planned seeds"}
    assert [n["key"] for n in data["notices"]] == ["interim"]
    page = make_page(data)
    for text in (html.render(page), markdown.render(page)):
        assert "Interim: no verdict on 6 of 6 comparisons" in text
    assert "\\textbf{Interim: no verdict.}" in latex.render(page.sections[0].tables[0], page.marks)


def test_a_study_whose_last_seed_failed_in_both_arms_is_not_called_interim():
    plan = demo_plan()
    data = analysed(write_study(None, plan, change=lambda a, s: {"status": "failed"} if s == 9 else {}))
    assert {c["reason"] for c in data["comparisons"]} == {"9 of 10 planned seeds; 1 failed"}
    assert [n["key"] for n in data["notices"]] == ["failed_seeds"]
    text = markdown.render(make_page(data))
    assert "Failed trials: no verdict on 6 of 6 comparisons. Every planned trial has a record" in text
    assert "Interim" not in text


def test_a_declared_look_gives_verdicts_at_its_own_level():
    looked, between = analysed(after(5, looks=[5, 10])), analysed(after(6, looks=[5, 10]))
    assert "worse" in {c["verdict"] for c in looked["comparisons"]}
    assert {c["verdict"] for c in between["comparisons"]} == {"no verdict"}
    assert looked["alpha"] == pytest.approx(0.0294, abs=5e-5)


def test_other_seeds_than_the_first_are_not_a_declared_look():
    plan = demo_plan(looks=[5, 10])
    data = analysed(write_study(None, plan, skip={(a["arm"], s) for a in plan["arms"] for s in range(5)}))
    assert {c["reason"] for c in data["comparisons"]} == {"interim: 5 of 10 planned seeds"}


# ------------------------------------------------------------------ A5: extended after looking


def test_seeds_added_after_looking_give_no_verdict_and_no_promise():
    note = {"from": 5, "to": 10, "at": "2026-01-01T00:00:00+00:00", "declared": False}
    data, text = document(write_study(None, demo_plan(extended=[note])))
    assert {(c["verdict"], c["reason"]) for c in data["comparisons"]} == {("no verdict", "extended after looking")}
    assert "Neither the p-values nor the intervals hold their level" in text
    assert "use the intervals" not in text
    declared = analysed(write_study(None, demo_plan(looks=[5, 10], extended=[{**note, "declared": True}])))
    assert "worse" in {c["verdict"] for c in declared["comparisons"]}


NOTE = {"from": 5, "to": 10, "at": "2026-01-01T00:00:00+00:00", "declared": False}


@pytest.mark.parametrize(
    "store",
    [
        lambda: write(None, grid_plan(), grid_value, lambda a, s, rng: {"status": "failed"} if s == 5 else {}),
        lambda: grid_after(5),
        lambda: write(None, grid_plan() | {"extended": [NOTE]}, grid_value),
        lambda: write(None, grid_plan(), grid_value, lambda a, s, rng: {"source_sha256": str(s % 2) * 64}),
    ],
    ids=["failed", "interim", "extended", "mixed"],
)
def test_without_a_verdict_a_page_shows_neither_p_nor_intervals(store):
    data, text = document(store())
    assert data["comparisons"][0]["p_t"] is not None  # for programs
    assert "Where there is no verdict, neither p-values nor intervals are shown." in text
    assert "At most" not in text
    shown = "\n".join(line for line in text.splitlines() if not line.startswith("*"))  # all but captions
    assert not re.findall(r"p (?:=|<) |CI [+−\d]|80 % power|Hsu|< 0.001|[+−][\d.]+ to [+−][\d.]+", shown)
    page = withheld(data)
    assert {dot.low for dot in (difference_dot(page, c) for c in page["comparisons"])} == {None}
    assert page["robustness"] == []
    assert [e for s in page["sensitivity"]["shares"] for e in s["effects"] if e["f"] or e["p"] or e["low"]] == []


def grid_after(done):
    store = write(None, grid_plan(), grid_value)
    store.rows = [row for row in store.rows if row["seed"] < done]
    return store


def test_an_unfinished_study_shows_no_interval_of_a_mean_either():
    page = withheld(analysed(after(5)))
    assert {a["ci_low"] for a in page["arms"]} == {None}
    assert {lv["band_low"] for c in page["sensitivity"]["curves"] for lv in c["levels"]} == {None}
    assert {a["sd"] is None for a in page["arms"]} == {False}


def test_a_mark_that_is_missing_may_mean_no_verdict():
    _, text = document(write_study(None, demo_plan(), skip={("λ=0.2 none", 3)}))
    assert "no mark: no significant difference or no verdict." in text


# ------------------------------------------------------------------ A6: the interval of the verdict


def test_the_interval_of_a_verdict_is_at_the_level_of_its_test():
    store = two_blocks({"x": with_p(10, 0.02), "y": with_p(10, 0.03)}, sesoi=None)
    first, second = analysed(store)["comparisons"]
    assert (first["ci_verdict_level"], second["ci_verdict_level"]) == pytest.approx((0.975, 0.95))
    assert first["ci_low"] > first["ci_verdict_low"] > 0
    assert first["verdict"] == second["verdict"] == "better"
    assert "97.5 % CI" in first["sentence"]


def test_beyond_the_declared_effect_needs_the_interval_of_all_comparisons_together():
    """The 95 % interval lies beyond the margin, the one that holds for both comparisons together does not."""
    d = with_p(10, 0.0005)
    low = d.mean() - stats.t.ppf(0.975, 9) * d.std(ddof=1) / np.sqrt(10)
    store = two_blocks({"x": d, "y": with_p(10, 0.6)}, sesoi=0.95 * low / 100)
    c = analysed(store)["comparisons"][0]
    assert c["ci_low"] > 0.95 * low / 100 > c["ci_adjusted_low"]
    assert (c["verdict"], c["size"]) == ("better", "size unclear")
    wide = analysed(two_blocks({"x": d, "y": with_p(10, 0.6)}, sesoi=0.5 * low / 100))["comparisons"][0]
    assert wide["size"] == "beyond the declared effect"
    assert wide["ci_verdict_level"] == pytest.approx(0.975)
    assert wide["ci_verdict_low"] == pytest.approx(wide["ci_adjusted_low"])


def test_an_equivalence_has_the_interval_of_its_own_correction():
    store = two_blocks({"x": with_p(10, 0.8, 0.05), "y": with_p(10, 0.6)}, sesoi=0.002)
    c = analysed(store)["comparisons"][0]
    assert c["verdict"] == "equivalent"
    assert c["ci_verdict_level"] == pytest.approx(1 - 2 * 0.05 / 2)
    assert -0.002 < c["ci_verdict_low"] < c["ci_verdict_high"] < 0.002


# ------------------------------------------------------------------ A2: test splits that move with the seed


def resplit(**changes):
    counts = {"class_train": [60] * 10, "class_total": [25] * 10}
    plan = demo_plan(blocks=("none",), seeds=6)
    for a in plan["arms"]:
        a["config"]["vary"] = "all_and_test_split"
    return plan, lambda label, seed: {**counts, **changes}


def test_resplits_of_one_data_set_are_tested_by_the_corrected_resampled_t():
    plan, change = resplit()
    data, text = document(write_study(None, plan, change=change))
    c = data["comparisons"][2]
    d = np.array(list(c["differences"].values()))
    error = d.std(ddof=1) * np.sqrt(1 / 6 + 25 / 60)
    assert c["p_t"] == pytest.approx(2 * stats.t.sf(abs(d.mean()) / error, 5))
    assert c["detail"]["method"] == "corrected resampled t"
    assert c["detail"]["overlap"] == pytest.approx(25 / 60)
    assert "corrected resampled t p" in c["sentence"]
    assert "assume independent splits" in text
    assert "new splits and new seeds" in data["scope"]


def test_every_interval_over_resplits_is_that_of_overlapping_splits():
    plan, change = resplit()
    store = write_study(None, plan, change=change)
    data, text = document(store)
    wide = stats.t.isf(0.025, 5) * np.sqrt(1 / 6 + 25 / 60)
    for one in data["arms"]:
        assert (one["ci_high"] - one["ci_low"]) / 2 == pytest.approx(wide * one["sd"])
    for level in data["sensitivity"]["curves"][0]["levels"]:
        spread = np.std(list(level["values"].values()), ddof=1)
        assert (level["ci_high"] - level["ci_low"]) / 2 == pytest.approx(wide * spread)
    other = next(iter(data["robustness"][0]["other_metrics"]))
    by_arm = {a["arm"]: [r[other] for r in store.rows if r["arm"] == a["arm"]] for a in data["arms"]}
    for row in data["robustness"]:
        m = row["other_metrics"][other]
        d = np.subtract(by_arm[row["treatment"]], by_arm[row["baseline"]])
        assert (m["ci_high"] - m["ci_low"]) / 2 == pytest.approx(wide * d.std(ddof=1))
        assert m["p"] == pytest.approx(2 * stats.t.sf(abs(d.mean()) / (d.std(ddof=1) * np.sqrt(1 / 6 + 25 / 60)), 5))
    assert "corrected resampled t test and" in text
    assert "test data read once" not in text


def test_records_with_one_test_pool_are_tested_by_the_paired_t_whatever_the_plan_says():
    plan, change = resplit(test_pool_sha256="a" * 64)
    data = analysed(write_study(None, plan, change=change))
    assert {c["detail"]["method"] for c in data["comparisons"]} == {"paired t"}


def test_records_with_several_test_pools_are_resplits_whatever_the_plan_says():
    plan = demo_plan(blocks=("none",), seeds=6)
    counts = {"class_train": [60] * 10, "class_total": [25] * 10}
    data = analysed(write_study(None, plan, change=lambda a, s: {**counts, "test_pool_sha256": f"{s:064x}"}))
    assert {c["detail"]["method"] for c in data["comparisons"]} == {"corrected resampled t"}


def test_resplits_without_numbers_of_samples_give_no_verdict():
    plan, _ = resplit()
    data = analysed(write_study(None, plan))
    assert {c["verdict"] for c in data["comparisons"]} == {"no verdict"}
    assert "do not count their samples" in data["comparisons"][0]["reason"]


def test_arms_that_were_tested_on_different_samples_give_no_verdict():
    """As with `split_seed` or `test_fraction` as a factor: each arm has one pool, but not the other's."""
    pool = lambda label, seed: {"test_pool_sha256": ("a" if label.startswith("λ=0 ") else "b") * 64}  # noqa: E731
    data = analysed(write_study(None, demo_plan(blocks=("none",)), change=pool))
    assert {c["reason"] for c in data["comparisons"]} == {"the arms were tested on different samples"}


# ------------------------------------------------------------------ V3: mixed code


@pytest.mark.parametrize("other", ["b" * 64, None])
def test_records_of_two_versions_of_the_code_give_no_verdict(other):
    digest = lambda label, seed: {"source_sha256": "a" * 64 if seed else other}  # noqa: E731
    data, text = document(write_study(None, demo_plan(), change=digest))
    assert {(c["verdict"], c["reason"]) for c in data["comparisons"]} == {("no verdict", "mixed code")}
    assert data["notices"][0]["key"] == "mixed_code"
    versions = "2 versions of the code" if other else "1 version of the code and by code that was not noted"
    assert f"Mixed code: no verdict. The records in use were made by {versions}, so" in text
    same = analysed(write_study(None, demo_plan(), change=lambda a, s: {"source_sha256": "a" * 64}))
    assert "worse" in {c["verdict"] for c in same["comparisons"]}


PLUGIN = "throwaway.nets:tiny"


def plan_of_plugin():
    plan = demo_plan()
    own = {"encoder": PLUGIN, "encoder.depth": 3}
    return plan | {"arms": [a | {"config": a["config"] | own} for a in plan["arms"]], "plugins": [PLUGIN]}


def with_plugin(digest):
    """Records of a plan as a plugin of one source for each seed leaves them; the package is on no path."""
    return lambda label, seed: {
        "source_sha256": "a" * 64,
        "plugins": json.dumps({PLUGIN: {"version": "1.2", "source_sha256": digest(seed)}}),
    }


def test_records_of_two_sources_of_a_plugin_give_no_verdict():
    data = analysed(write_study(None, plan_of_plugin(), change=with_plugin(lambda seed: f"{bool(seed):012d}")))
    assert {(c["verdict"], c["reason"]) for c in data["comparisons"]} == {("no verdict", "mixed code")}
    assert data["notices"][0]["key"] == "mixed_plugins"
    assert data["notices"][0]["text"].endswith(
        f"Source digests: {PLUGIN} (000000000000: 8 records, 000000000001: 72 records)."
    )


def test_a_report_shows_plugins_and_imports_none(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    write_plugin(tmp_path, nets="raise SystemExit('imported')")
    data, text = document(
        write_study(tmp_path / "results", plan_of_plugin(), change=with_plugin(lambda seed: "c" * 12))
    )
    assert "worse" in {c["verdict"] for c in data["comparisons"]}
    assert data["provenance"]["plugins of the records"] == {f"{PLUGIN} 1.2, source {'c' * 12}": 80}
    assert f"{PLUGIN} 1.2, source {'c' * 12} (80 records)" in text
    assert not any(name.startswith("throwaway") for name in sys.modules)


# ------------------------------------------------------------------ old plans, margins, words


def test_a_plan_of_version_0_1_is_named_with_the_rules_that_changed():
    plan = {k: v for k, v in demo_plan().items() if k != "error_rate"}
    for a in plan["arms"]:
        a["config"]["dataset"] = "mnist"
    data, text = document(write_study(None, plan))
    assert data["rules"] == "0.2"
    assert [n["key"] for n in data["notices"]] == ["old_rules"]
    assert "Computed under the rules of version 0.2; records and plan of version 0.1." in text
    assert analysed(write_study(None, demo_plan()))["notices"] == []


def test_a_frozen_plan_of_version_0_1_is_read_with_faults_that_are_refused_today():
    plan = {k: v for k, v in demo_plan(sesoi=0.2).items() if k != "error_rate"}
    plan["families"].append({**plan["families"][0], "correction": "holm"})
    for a in plan["arms"]:
        a["config"]["dataset"] = "mnist"
    data = analysed(write_study(None, plan))
    (notice,) = data["notices"]
    assert "kept as it is (sesoi: 0.2 is 20 points; did you mean 0.002?)." in notice["text"]
    assert "kept as it is (families: 'λ=0.05 none' against 'λ=0 none' is declared 2 times as primary" in notice["text"]
    assert [f["family"] for f in data["families"]] == ["none", "long_tail×20", "none (2)"]
    assert "Its margin is the default" not in notice["text"]
    plan["sesoi"] = 0.002
    assert "Its margin is the default of version 0.1" in analysed(write_study(None, plan))["notices"][0]["text"]


def test_records_of_the_tune_phase_are_a_notice():
    data = analysed(write(None, demo_plan(phase="tune"), lambda a, s, rng: rng.random(), phase="tune"))
    assert [n["key"] for n in data["notices"]] == ["phase"]
    assert {c["reason"] for c in data["comparisons"]} == {"records of the tune phase give no verdict"}


def test_the_level_of_a_look_stands_in_the_sentence():
    for c in analysed(after(5, looks=[5, 10]))["comparisons"]:
        assert "over 6 comparisons at the level 0.02939 of this look" in c["sentence"]


def test_a_verdict_that_the_new_rules_change_is_named():
    store = two_blocks({"x": with_p(10, 0.03), "y": with_p(10, 0.6)}, sesoi=None)
    for a in store.plan["arms"]:
        a["config"]["dataset"] = "mnist"
    for row in store.rows:
        row["config"] = row["config"].replace("digits", "mnist")
    del store.plan["error_rate"]
    (notice,) = analysed(store)["notices"]
    assert notice["text"].endswith("Verdicts of comparisons that differ: ours x: better, now inconclusive.")


def test_without_a_declared_margin_one_line_says_that_nothing_is_equivalent():
    data, text = document(write_study(None, demo_plan(sesoi=None)))
    assert text.count("No smallest effect of interest was declared") == 1
    assert {c["size"] for c in data["comparisons"]} == {""}


def test_the_scope_of_a_tuned_study_is_its_settings_and_one_search():
    plan = demo_plan(frozen="f" * 16, tuning={"settings": 40})
    data, text = document(write_study(None, plan))
    scope = "new seeds on the same data, for these tuned settings (one search of 40 candidates in each arm)"
    assert data["scope"] == scope
    assert all(c["sentence"].endswith(f"Scope: {scope}.") for c in data["comparisons"])
    assert f"Intervals describe {scope}." in text


@pytest.mark.parametrize(("seeds", "fragile"), [(3, True), (4, True), (5, False)])
def test_a_claim_from_three_or_four_seeds_says_itself_that_it_is_fragile(seeds, fragile):
    data = analysed(write_study(None, demo_plan(seeds=seeds)))
    words = [f"Fragile: it rests on {seeds} seeds only." in c["sentence"] for c in data["comparisons"]]
    assert set(words) == {fragile}


def test_every_sentence_on_a_verdict_states_scope_seeds_and_the_correction():
    for c in analysed(write_study(None, demo_plan()))["comparisons"]:
        assert "Scope: new seeds on the same data." in c["sentence"]
        assert "of 10 seeds" in c["sentence"]
        assert "over 6 comparisons" in c["sentence"]
        assert "CI after correction: " in c["sentence"]


TWO_DECIMALS = [75.13, 75.27, 74.91, 75.02, 75.33, 74.87]


def test_a_p_of_zero_decides():
    result = compare_paired(pair(dict(enumerate([1.0, 1.1, 1.2])), dict.fromkeys(range(3), 0.0)))
    corrected = Corrected(1, 0.05, 0.0, 0.05, None, 0.05)
    assert decide(result, corrected, better=1, margin=None).word == "better"
    assert decide(result, replace(corrected, p_equivalence=0.0), better=1, margin=2.0).word == "equivalent"


def test_the_figure_of_wins_gives_both_conditions_of_its_rule():
    _, text = document(write_study(None, demo_plan(blocks=("none",))))
    assert "a difference matters where the interval lies above 0.5 and the estimate is 0.75 or more." in text


def test_differences_without_spread_have_no_interval_of_no_width():
    plan = demo_plan(lambdas=(0.0, 1.0), blocks=("none",), seeds=4)
    store = write_study(None, plan, change=lambda a, s: {"test_top1": 0.9 if "λ=1" in a else 0.89})
    data, text = document(store)
    (c,) = data["comparisons"]
    assert (c["ci_low"], c["ci_high"], c["reason"]) == (None, None, "the differences have no spread")
    assert "+1.00 to +1.00" not in text


@pytest.mark.parametrize(("values", "gap"), [(TWO_DECIMALS, 0.01), ([5000.3, 5001.7, 4999.1, 5000.9], 0.1)])
def test_the_rounding_of_a_subtraction_is_no_spread(values, gap):
    rows = [(arm, s, v + gap * (arm == "ours")) for arm in ("CE", "ours") for s, v in enumerate(values)]
    columns = dict(zip(("arm", "seed", "acc"), map(list, zip(*rows, strict=True)), strict=True))
    (c,) = analyse_table(columns, TableOptions(arm="arm", seed="seed", metric="acc", baseline="CE"))["comparisons"]
    assert (c["verdict"], c["reason"]) == ("no verdict", "the differences have no spread")


def test_an_interval_with_a_width_shows_two_different_ends():
    scale = make_scale("test_top1")
    assert scale.range(0.01, 0.01 + 1e-6) == "+1.0000 to +1.0001"
    assert scale.range(0.00004, 0.009) == "+0.004 to +0.900"
    assert scale.range(0.0, 0.01) == "+0.00 to +1.00"
    assert scale.value_range(0.9034, 0.909) == "90.34 to 90.90"


def test_claims_that_do_not_fit_into_the_box_are_counted():
    plan = demo_plan(lambdas=tuple(i / 100 for i in range(17)), seeds=3)
    store = write_study(None, plan, change=lambda a, s: {"test_top1": 0.5 + 0.4 * a.startswith("λ=0.16 ") + s / 1000})
    data = analysed(store)
    page = make_page(data)
    assert len(page.claims) == 24
    assert page.claims_note.startswith("8 more comparisons in the section on pairwise evidence")
    assert page.claims_note in html.render(page)


def test_a_record_of_version_0_1_is_of_the_plan_that_names_its_test_split():
    plan, change = resplit()
    store = write_study(None, plan, skip={(plan["arms"][0]["arm"], 0)}, change=change)
    old = '{"lambda_sil": 0.0, "imbalance": "none", "dataset": "digits", "vary": "all"}'
    store.write_record(record(plan["arms"][0], 0, config=old, **change("", 0)))
    assert analysed(store)["ledger"]["exclusions"] == []
