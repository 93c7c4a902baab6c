"""Each further part of a report, on studies made to have it; and its absence where the data is absent."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from analysis.report.page import make_page
from analysis.results.across.gates import REFUSED
from analysis.results.analyse import analyse_table
from analysis.study.table import TableOptions
from tests.helpers.studies import (
    DATASETS,
    add_tuning,
    arm,
    datasets_plan,
    datasets_value,
    family,
    grid_plan,
    grid_value,
    tail_extra,
    variance_plan,
    variance_value,
    write,
)
from tests.helpers.synthetic import analysed, demo_plan, document, record, write_study


def section_keys(data):
    return [s.key for s in make_page(data).sections]


@pytest.fixture(scope="module")
def grid():
    return analysed(write(None, grid_plan(), grid_value))


@pytest.fixture(scope="module")
def datasets():
    return analysed(write(None, datasets_plan(), datasets_value))


@pytest.fixture(scope="module")
def tail():
    plan = demo_plan(tuning={"settings": 6, "sampler": "random"})
    store = write(None, plan, lambda a, s, r: 0.9, tail_extra)
    add_tuning(store, plan, configs=6)
    return analysed(store)


# ------------------------------------------------------------------ sections come and go with the data


def test_a_simple_study_has_only_sections_with_data():
    data = analysed(write_study(None, demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=5)))
    assert section_keys(data) == [
        "answer", "protocol", "ledger", "results", "comparisons", "power", "robustness", "checklist", "provenance"
    ]  # fmt: skip
    assert data["across"] == data["tuning"] == data["variance"] == data["tail"] == []


def test_sections_appear_in_order_where_the_study_has_the_data(grid, datasets, tail):
    assert "across" in section_keys(datasets)
    assert "sensitivity" in section_keys(grid)
    keys = section_keys(tail)
    assert keys.index("imbalance") < keys.index("composition") < keys.index("tuning") < keys.index("robustness")
    assert keys[-2:] == ["checklist", "provenance"]


# ------------------------------------------------------------------ several datasets


def test_the_blocks_are_datasets_and_not_seeds(datasets):
    (across,) = datasets["across"]
    assert across["datasets"] == list(DATASETS)
    pair = next(p for p in across["pairs"] if p["treatment"] == "ce+sil")
    assert pair["wilcoxon"]["n"] == len(DATASETS)  # not datasets x seeds
    assert pair["wilcoxon"]["p"] == 2 / 2**6
    assert pair["p_wilcoxon_adjusted"] == pytest.approx(2 * 2 / 2**6)
    assert pair["verdict"] == "better"
    assert pair["verdict_new"] == "inconclusive"
    means = np.array(list(pair["differences"].values()))
    assert pair["average"]["difference"] == pytest.approx(means.mean())
    assert pair["pooled"]["prediction"]["low"] < pair["pooled"]["ci"]["low"]
    assert pair["bayes"]["better"] > 0.9
    assert across["ranks"]["test"]["datasets"] == 6


def test_average_over_datasets_has_satterthwaites_df(datasets):
    pair = datasets["across"][0]["pairs"][0]
    mine = [c for c in datasets["comparisons"] if c["treatment"].startswith("supcon")]
    v = [np.var(list(c["differences"].values()), ddof=1) / 5 for c in mine]
    assert pair["average"]["df"] == pytest.approx(sum(v) ** 2 / sum(x**2 / 4 for x in v))


def test_an_incomplete_dataset_is_named_and_left_out_of_the_ranks():
    plan = datasets_plan()
    gone = "ce+sil on cars"
    store = write(None, plan, datasets_value, lambda a, s, r: {"status": "failed"} if a["arm"] == gone else {})
    data, text = document(store)
    assert data["across"][0]["ranks"]["dropped"] == ["cars"]
    assert data["across"][0]["ranks"]["test"]["datasets"] == 5
    assert "Incomplete, so left out of the ranks: cars" in text


def on_ten_datasets(seeds=4):
    rng = np.random.default_rng(0)
    cells = [(m, s, f"data {d}") for d in range(10) for m in "abc" for s in range(seeds)]
    values = [0.8 + "abc".index(m) / 50 + rng.normal(0, 0.005) for m, _, _ in cells]
    return dict(zip(("arm", "seed", "data"), map(list, zip(*cells, strict=True)), strict=True)) | {"acc": values}


def test_ranks_call_methods_different_only_where_a_single_dataset_has_a_verdict():
    options = TableOptions(arm="arm", seed="seed", metric="acc", baseline="a", block="data")
    many = analyse_table(on_ten_datasets(), options)["across"][0]["ranks"]["pairwise"]
    assert {(r["apart"], r["reason"]) for r in many} == {(True, "")}
    few = analyse_table(on_ten_datasets(seeds=2), options)
    rows = few["across"][0]["ranks"]["pairwise"]
    assert all(r["p_adjusted"] < 0.01 for r in rows)
    assert not any(r["apart"] for r in rows)
    assert all(f"{r['b']} has {REFUSED} data 0, data 1" in r["reason"] for r in rows)
    tables = {t.name: t for s in make_page(few).sections for t in s.tables}
    assert "pairwise" not in tables
    assert {cell.text for row in tables["new-datasets"].rows for cell in row} == {"b", "c", "–", "no verdict"}


def test_ranks_of_an_unfinished_study_call_nothing_different():
    plan = datasets_plan()
    store = write(None, plan, datasets_value)
    store.plan = plan | {"seeds": list(range(9))}
    found = analysed(store)["across"][0]["ranks"]["pairwise"]
    assert found
    assert all(REFUSED in r["reason"] for r in found)
    assert not any(r["apart"] for r in found)


# ------------------------------------------------------------------ sensitivity


def test_grid_gives_curves_plateau_and_shares(grid):
    part = grid["sensitivity"]
    tau = next(c for c in part["curves"] if c["factor"] == "tau_s" and c["held"] == "λ=0.2")
    assert [lv["value"] for lv in tau["levels"]] == [0.03, 0.1, 0.3, 1.0]
    assert tau["best"] == 0.1
    assert 1.0 not in tau["plateau"]
    level = tau["levels"][0]
    half = stats.t.ppf(0.975, 5) * np.std(list(level["values"].values()), ddof=1) / math.sqrt(6)
    assert level["ci_high"] - level["mean"] == pytest.approx(half)
    wider = stats.t.ppf(1 - 0.025 / 4, 5) / stats.t.ppf(0.975, 5)
    assert level["band_high"] - level["mean"] == pytest.approx(half * wider)
    (shares,) = part["shares"]
    assert shares["left_out"] == ["CE"]
    assert sum(e["share"] for e in shares["effects"]) == pytest.approx(1.0)
    assert [e["name"] for e in shares["effects"]] == ["λ", "τ_s", "λ × τ_s", "seeds", "seeds × settings"]
    assert shares["effects"][0]["share"] > shares["effects"][1]["share"] > shares["effects"][1]["noise_floor"]
    assert shares["effects"][2]["share"] < shares["effects"][2]["noise_floor"]


def test_insensitivity_needs_a_margin_and_the_default():
    wide = analysed(write(None, grid_plan(seeds=8) | {"sesoi": 0.05}, grid_value))
    curve = next(c for c in wide["sensitivity"]["curves"] if c["factor"] == "tau_s" and c["held"] == "λ=0.2")
    assert curve["insensitivity"] == [0.03, 0.1, 0.3, 1.0]
    none = analysed(write(None, grid_plan(seeds=3) | {"sesoi": None}, grid_value))
    assert {c["insensitivity"] for c in none["sensitivity"]["curves"]} == {None}


def test_a_winner_at_the_edge_is_flagged():
    plan = grid_plan(seeds=3, taus=(0.1, 0.3, 1.0))
    data, text = document(write(None, plan, grid_value))
    edge = [c for c in data["sensitivity"]["curves"] if c["factor"] == "tau_s"]
    assert all(any("edge of the grid" in w for w in c["warnings"]) for c in edge)
    assert "the optimum may lie beyond it" in text


# ------------------------------------------------------------------ imbalance, composition


def test_interaction_contrast_is_the_difference_of_gains_paired_by_seed(tail):
    contrast = next(c for c in tail["interactions"] if c["treatment"] == "λ=1")
    values = {a["arm"]: a["values"] for a in tail["arms"]}
    gains = {
        b: np.array([values[f"λ=1 {b}"][str(s)] - values[f"λ=0 {b}"][str(s)] for s in range(10)])
        for b in ("none", "long_tail×20")
    }
    gap = gains["long_tail×20"] - gains["none"]
    assert contrast["reference"] == "none"
    assert contrast["difference"] == pytest.approx(gap.mean())
    assert contrast["p"] == pytest.approx(stats.ttest_1samp(gap, 0).pvalue)
    assert contrast["p_adjusted"] <= 3 * contrast["p"] + 1e-15


def test_shot_groups_and_classes(tail):
    part = next(t for t in tail["tail"] if t["treatment"] == "λ=1 long_tail×20")
    assert [g["name"] for g in part["groups"]] == ["many", "medium", "few"]
    assert sum(g["classes"] for g in part["groups"]) == 10
    counts = [g["train_count"] for g in part["classes"]]
    assert counts == sorted(counts, reverse=True)
    few = part["groups"][-1]
    assert few["difference"] < part["groups"][0]["difference"]
    balanced = next(t for t in tail["tail"] if t["treatment"] == "λ=1 none")
    assert balanced["empty"] == ["many", "few"]  # 100 samples each: medium, by the definition


def test_the_gain_is_shown_with_the_composition_of_the_batches(tail):
    shown = {p["treatment"]: p for p in tail["composition"]}
    assert shown["λ=1 long_tail×20"]["singleton_share"] == pytest.approx(0.06, abs=0.01)
    assert shown["λ=1 none"]["classes_per_batch"] == pytest.approx(9.9)


# ------------------------------------------------------------------ tuning


def test_tuning_counts_stopped_trials_and_uses_complete_ones_only(tail):
    first = tail["tuning"][0]
    assert (first["started"], first["configs"], first["seeds"]) == (6, 4, 2)
    assert first["stopped"] == {"10": 4}
    assert first["epochs"] == 4 * 2 * 30 + 4 * 10
    assert first["evp"][-1] == first["best"] == max(first["values"])
    assert len(first["evp"]) == first["started"]
    assert first["evp"][0] == pytest.approx((sum(first["values"]) + 2 * min(first["values"])) / 6)  # two were stopped
    assert first["optimism"] == pytest.approx(first["best"] - first["confirmed"])
    assert first["optimism_low"] < first["optimism"] < first["optimism_high"]
    assert first["expected_optimism_low"] < first["expected_optimism"] < first["expected_optimism_high"]
    assert "values come only from trials that finished, so they are biased" in first["warnings"]
    assert all(c["verdict"] != "no verdict" for c in tail["comparisons"])


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_search_that_learns_has_no_curve_of_the_expected_best(sampler):
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=3, tuning={"settings": 4, "sampler": sampler})
    store = write_study(None, plan)
    add_tuning(store, plan, configs=4)
    data, text = document(store)
    assert [t["evp"] for t in data["tuning"]] == [[], []]
    assert f"{sampler} learns from earlier candidates" in text


def test_one_tuning_seed_cannot_tell_the_noise_of_a_choice():
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=3)
    store = write_study(None, plan)
    add_tuning(store, plan, configs=4, seeds=1)
    assert {t["expected_optimism"] for t in analysed(store)["tuning"]} == {None}


def test_importance_inside_an_arm_finds_the_setting_that_matters_and_a_noise_floor():
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none", "long_tail×20"), seeds=3)
    store = write_study(None, plan)
    add_tuning(store, plan, configs=60, seeds=1, spread=0.001)
    found = analysed(store)["importance"]
    assert {i["arm"] for i in found} == {a["arm"] for a in plan["arms"]}
    assert {i["name"] for i in found} == {"lr", "weight_decay"}  # what differs between arms was not tuned
    assert all(i["above_noise"] for i in found if i["name"] == "lr")
    assert not any(i["above_noise"] for i in found if i["name"] == "weight_decay")


def test_tune_phase_alone_makes_no_report():
    plan = demo_plan(seeds=2)
    store = write_study(None, plan, skip={(a["arm"], s) for a in plan["arms"] for s in plan["seeds"]})
    add_tuning(store, plan, configs=2)
    with pytest.raises(ValueError, match="no complete record of the confirm phase"):
        document(store)


# ------------------------------------------------------------------ variance, robustness, families, checklist


def test_variance_by_source():
    data = analysed(write(None, variance_plan(), variance_value))
    parts = {c["source"]: c for c in data["variance"]}
    assert list(parts) == ["all", "init", "order", "augment", "split"]
    arms = {a["arm"]: a for a in data["arms"]}
    assert parts["init"]["sd"] == pytest.approx(arms["CE, init varies"]["sd"])
    assert parts["init"]["share"] == pytest.approx((parts["init"]["sd"] / parts["all"]["sd"]) ** 2)
    assert parts["all"]["p_less"] is parts["all"]["share_low"] is None
    for part in [p for name, p in parts.items() if name != "all"]:
        assert part["share_low"] < part["share"] < part["share_high"]
        assert (part["share_high"] < 1) == (part["share"] < 1 and part["p_less"] < 0.05)
    (table,) = [t for s in make_page(data).sections for t in s.tables if t.name == "variance"]
    assert "The test is weak" in table.caption
    assert data["sensitivity"]["curves"] == []


def test_failures_by_intention_to_treat():
    lost = {("λ=0.2 none", 0), ("λ=0.2 none", 1)}
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=8)
    change = lambda label, seed: {"status": "diverged"} if (label, seed) in lost else {}  # noqa: E731
    data, text = document(write_study(None, plan, change=change))
    row = next(f for f in data["failures"] if f["arm"] == "λ=0.2 none")
    assert (row["planned"], row["no_result"], row["rate"]) == (8, 2, 0.25)
    values = {a["arm"]: a["values"] for a in data["arms"]}
    wins = sum(values["λ=0.2 none"][s] > values["λ=0 none"][s] for s in values["λ=0.2 none"])
    assert row["p_better"] == pytest.approx(wins / 8)  # the two lost runs count as lost, not as absent
    assert "by intention to treat" in text


def test_robustness_leaves_each_seed_out():
    data = analysed(write_study(None, demo_plan(seeds=6)))
    c, r = data["comparisons"][0], data["robustness"][0]
    d = np.array(list(c["differences"].values()))
    ps = [stats.ttest_1samp(np.delete(d, i), 0).pvalue for i in range(6)]
    assert r["leave_one_out"] == pytest.approx([min(ps), max(ps)])
    assert set(r["other_metrics"]) == {"val_top1"}


def test_gatekeeping_makes_an_ablation_exploratory_until_a_primary_claim_is_won():
    def study(name, gain):
        arms = [arm(label, {"m": label}, "b", label == "CE") for label in ("CE", "full", "no head")]
        families = [family("main", "CE", ["full"]), family("parts", "full", ["no head"], role="ablation")]
        plan = demo_plan(study=name, arms=arms, families=families, factors=[], seeds=8)
        return analysed(write(None, plan, lambda a, s, r: 0.8 + gain * (a["arm"] == "full") + r.normal(0, 0.01)))

    closed, opened = study("closed", 0.0), study("opened", 0.2)
    assert [f["role"] for f in closed["families"]] == ["primary", "exploratory"]
    assert [f["role"] for f in opened["families"]] == ["primary", "ablation"]
    assert "ablation" in section_keys(opened)


def test_the_checklist_answers_from_what_the_study_has(grid, datasets, tail):
    def answers(data):
        return [a["answer"] for a in data["checklist"]]

    assert answers(tail)[:2] == ["answered", "answered"]
    assert answers(tail)[3] == "answered"
    assert answers(tail)[2] == "not answered"
    assert answers(grid)[2] == "partly answered"
    assert answers(datasets)[3] == "not answered"


def test_equivalence_needs_a_margin_and_enough_seeds():
    arms = [arm("CE", {"m": "CE"}, "b", True), arm("same", {"m": "same"}, "b")]

    def value(a, seed, rng):
        return 0.9 + np.random.default_rng(seed).normal(0, 0.02) + rng.normal(0, 0.0005)

    plan = demo_plan(study="same", arms=arms, families=[family("b", "CE", ["same"])], factors=[], seeds=10)
    (c,) = analysed(write(None, plan, value))["comparisons"]
    assert c["verdict"] == "equivalent"
    assert c["p_equivalence"] < 0.05
    assert "inside the declared margin of ±0.20 points" in c["sentence"]
    without = demo_plan(study="none", sesoi=None, arms=arms, families=plan["families"], factors=[], seeds=10)
    assert analysed(write(None, without, value))["comparisons"][0]["verdict"] != "equivalent"


def test_verdict_and_wins_follow_a_metric_where_less_is_better():
    arms = [arm("CE", {"m": "CE"}, "b", True), arm("low", {"m": "low"}, "b")]
    plan = demo_plan(
        study="loss", arms=arms, families=[family("b", "CE", ["low"])], factors=[], metric="test_loss",
        direction="min", sesoi=None, seeds=6,
    )  # fmt: skip

    def extra(a, seed, rng):
        return {"test_loss": 1.0 - 0.3 * (a["arm"] == "low") + rng.normal(0, 0.01), "test_top1": None}

    data, text = document(write(None, plan, lambda a, s, r: 0.0, extra))
    (c,) = data["comparisons"]
    assert (c["verdict"], c["detail"]["wins"]) == ("better", 6)
    assert c["difference"] < 0
    assert "lower is better" in text
    assert "points" not in c["sentence"]


def test_every_figure_has_data_and_an_alternative_text_and_every_table_full_rows(tail, grid, datasets):
    for data in (tail, grid, datasets):
        figures = [f for s in make_page(data).sections for f in s.figures]
        assert len({f.name for f in figures}) == len(figures)
        for figure in figures:
            assert figure.rows
            assert all(len(row) == len(figure.header) for row in figure.rows)
            assert len(figure.alt) > 15
        tables = [t for s in make_page(data).sections for t in s.tables]
        assert len({t.name for t in tables}) == len(tables)
        for table in tables:
            assert all(len(row) == len(table.header) for row in table.rows), table.name


def test_stopped_runs_end_in_a_tick_and_are_not_averaged():
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=3)
    curve = [{"epoch": e, "val_top1": 0.5} for e in (1, 2, 3)]
    store = write_study(None, plan, change=lambda a, s: {"curve": curve})
    low = [{"epoch": 1, "val_top1": 0.0}]
    config = json.dumps({**plan["arms"][1]["config"], "lr": 1.0})
    store.write_record(
        record(plan["arms"][1], 77, phase="tune", status="stopped", config=config, curve=low, epochs_reached=1)
    )
    learning = analysed(store)["learning"]
    arm_curve = learning["arms"][1]
    assert [p[:2] for p in arm_curve["points"]] == [[1, 0.5], [2, 0.5], [3, 0.5]]
    assert [p[3] for p in arm_curve["points"]] == [3, 3, 3]
    assert arm_curve["stopped"] == [[[1, 0.0]]]
