"""Shot groups, classes and interactions by each seed's own training counts, on real and on made records."""

from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from analysis.results.analyse import analyse, load
from analysis.results.guards import COPIED
from silhouette.config import TrialConfig
from silhouette.results import Store
from silhouette.training.run import Training
from tests.helpers.studies import arm, family, write
from tests.helpers.synthetic import MemoryStore, analysed, demo_plan, document, record

KEPT = Path(__file__).parents[2] / "data" / "results-0.1.0"
COLUMNS = {g: f"test_{g}_top1" for g in ("many", "medium", "few")}


def two_arms(settings=None, treatment=None, seeds=3, **changes):
    """A plan of two arms in one block."""
    common = {"imbalance": "long_tail", "imbalance_factor": 20.0, **(settings or {})}
    arms = [
        arm("CE", {"lambda_sil": 0.0}, "tail", baseline=True, **common),
        arm("CE+Sil", {"lambda_sil": 1.0}, "tail", **(common | (treatment or {}))),
    ]
    families = [family("tail", "CE", ["CE+Sil"])]
    return demo_plan(study="tail", seeds=seeds, arms=arms, families=families, factors=[], **changes)


def classes_of(train, correct, total=None):
    total = total or [10] * len(train)
    return {
        "class_train": train,
        "class_correct": correct,
        "class_total": total,
        "test_top1": sum(correct) / sum(total),
    }


def made(rows, **options):
    """The part `tail` of a study; `rows` has for each arm the class columns of every seed."""
    plan = two_arms(seeds=len(next(iter(rows.values()))), **options)
    return analysed(write(None, plan, lambda a, s, r: 0.5, lambda a, s, r: rows[a["arm"]][s]))


def by_name(gaps):
    return {gap["name"]: gap for gap in gaps}


def means_of_columns(rows, arm_label):
    """The records' own columns of the shot groups, averaged over the seeds that have a value."""
    own = [row for row in rows if row["arm"] == arm_label and row["phase"] == "confirm"]
    found = {g: [row[name] for row in own if row.get(name) is not None] for g, name in COLUMNS.items()}
    return {g: fmean(values) for g, values in found.items() if values}


# ------------------------------------------------------------------ records of real training


@pytest.fixture(scope="module")
def trained():
    """Two arms of digits with imbalance 20, three seeds, three epochs: the plan and its records."""
    plan = two_arms()
    store = MemoryStore(plan)
    for a in plan["arms"]:
        config = TrialConfig(**a["config"], epochs=3, width=4)
        a["config"] = config.model_dump(mode="json")
        for seed in plan["seeds"]:
            training = Training(config, seed, device="cpu", threads=1)
            while not training.done:
                training.step()
            row = record(a, seed, status="complete") | training.result()
            store.write_record(row)
    return store


def test_shot_groups_of_real_records_equal_their_own_columns(trained):
    (tail,) = analysed(trained)["tail"]
    groups = by_name(tail["groups"])
    for label, side in (("CE", "baseline"), ("CE+Sil", "treatment")):
        own = means_of_columns(trained.rows, label)
        assert set(own) == set(groups) == set(COLUMNS)
        assert {name: gap[side] for name, gap in groups.items()} == pytest.approx(own)
    macro = [fmean(r["test_macro_top1"] for r in trained.rows if r["arm"] == label) for label in ("CE+Sil", "CE")]
    assert by_name(tail["overall"])["macro"]["difference"] == pytest.approx(macro[0] - macro[1])
    assert [gap["classes"] for gap in tail["groups"]] == [1, 4, 5]
    assert tail["empty"] == []


def test_classes_of_real_records_are_ranked_by_each_seeds_own_counts(trained):
    (tail,) = analysed(trained)["tail"]
    tops = {int(np.argmax(row["class_train"])) for row in trained.rows}
    assert len(tops) > 1  # the class order moves with the seed
    assert tail["classes_by"] == "rank"
    assert [gap["name"] for gap in tail["classes"]] == [f"rank {i}" for i in range(1, 11)]
    first, last = tail["classes"][0], tail["classes"][-1]
    assert (first["train_low"], first["train_high"], last["train_low"], last["train_high"]) == (104, 104, 5, 5)
    accuracy = [
        row["class_correct"][k] / row["class_total"][k]
        for row in trained.rows if row["arm"] == "CE" for k in [int(np.argmin(row["class_train"]))]
    ]  # fmt: skip
    assert last["baseline"] == pytest.approx(fmean(accuracy))


def test_shot_groups_of_the_records_of_0_1_equal_their_own_columns():
    store = Store(str(KEPT), "demo")
    rows = store.load(["arm", "phase", *COLUMNS.values()]).to_pylist()
    tails = analyse(*load(store))["tail"]
    assert {t["family"] for t in tails} == {"balanced", "long_tail×20"}
    for tail in tails:
        groups = by_name(tail["groups"])
        for label, side in ((tail["baseline"], "baseline"), (tail["treatment"], "treatment")):
            assert {name: gap[side] for name, gap in groups.items()} == pytest.approx(means_of_columns(rows, label))


# ------------------------------------------------------------------ made records with known answers


PROFILE = ((200, 50, 5), (5, 200, 50), (50, 5, 200))  # the three classes change places over three seeds


def test_a_class_that_moves_between_seeds_counts_in_the_group_of_each_seed():
    drops = {200: 0, 50: -1, 5: -4}
    rows = {
        "CE": [classes_of(list(train), [8, 8, 8]) for train in PROFILE],
        "CE+Sil": [classes_of(list(train), [8 + drops[n] for n in train]) for train in PROFILE],
    }
    (tail,) = made(rows)["tail"]
    assert {g["name"]: g["difference"] for g in tail["groups"]} == pytest.approx(
        {"many": 0, "medium": -0.1, "few": -0.4}
    )
    assert [(g["name"], g["train_count"]) for g in tail["classes"]] == [("rank 1", 200), ("rank 2", 50), ("rank 3", 5)]
    assert [g["difference"] for g in tail["classes"]] == pytest.approx([0, -0.1, -0.4])
    assert tail["train_ratio"] == pytest.approx(40)


def test_classes_keep_their_labels_where_their_order_is_the_same_in_all_seeds():
    rows = {
        name: [classes_of([50, 200, n], [8, 9, 5 + (name == "CE")]) for n in (5, 6, 7)] for name in ("CE", "CE+Sil")
    }
    (tail,) = made(rows)["tail"]
    assert tail["classes_by"] == "label"
    assert [g["name"] for g in tail["classes"]] == ["class 1", "class 0", "class 2"]
    assert (tail["classes"][2]["train_low"], tail["classes"][2]["train_high"]) == (5, 7)


def test_equal_counts_are_ranked_by_label():
    trains = ([9, 30, 30], [30, 30, 9])
    rows = {name: [classes_of(train, [1, 2, 3 + (name != "CE")]) for train in trains] for name in ("CE", "CE+Sil")}
    (tail,) = made(rows)["tail"]
    first, second, third = tail["classes"]
    assert (first["baseline"], second["baseline"], third["baseline"]) == pytest.approx((0.15, 0.25, 0.2))


def test_the_worst_class_is_that_of_each_arm_on_each_seed():
    rows = {
        "CE": [classes_of([9, 9], [2, 8]), classes_of([9, 9], [8, 4]), classes_of([9, 9], [6, 7])],
        "CE+Sil": [classes_of([9, 9], [9, 3]), classes_of([9, 9], [3, 9]), classes_of([9, 9], [8, 8])],
    }
    worst = by_name(made(rows)["tail"][0]["overall"])["worst class"]
    assert worst["difference"] == pytest.approx(fmean([0.1, -0.1, 0.2]))
    assert worst["p"] == pytest.approx(stats.ttest_1samp([0.1, -0.1, 0.2], 0).pvalue)


def test_a_group_that_some_seeds_lack_says_in_how_many_and_gets_no_adjusted_p():
    trains = [[200, 50, 5], [200, 50, 30], [200, 50, 6], [200, 50, 7]]
    hits = [4, 5, 6, 7]
    rows = {
        "CE": [classes_of(train, [8, 8, 3]) for train in trains],
        "CE+Sil": [
            classes_of(train, [8 + (s % 2), 7 + (s % 2), k])
            for s, (train, k) in enumerate(zip(trains, hits, strict=True))
        ],
    }
    data = made(rows)
    (tail,) = data["tail"]
    few, many = by_name(tail["groups"])["few"], by_name(tail["groups"])["many"]
    assert (few["n"], few["of"], few["difference"]) == (3, 4, pytest.approx(fmean([0.1, 0.3, 0.4])))
    assert few["p"] == pytest.approx(stats.ttest_1samp([0.1, 0.3, 0.4], 0).pvalue)
    assert (few["p_adjusted"], few["ci_verdict_low"]) == (None, None)
    assert many["n"] == 4
    assert many["p_adjusted"] == pytest.approx(min(1, 3 * many["p"]))  # the group without an adjusted p counts in m
    text = document(write(None, two_arms(seeds=4), lambda a, s, r: 0.5, lambda a, s, r: rows[a["arm"]][s]))[1]
    assert "few has classes on 3 of 4 seeds only" in text
    assert "3 of 4 seeds" in text


def test_the_thresholds_are_those_of_each_arm():
    rows = {name: [classes_of([200, 50, 5], [9, 6, 3 + s]) for s in range(3)] for name in ("CE", "CE+Sil")}
    same = made(rows, settings={"shot_many": 250, "shot_few": 10})["tail"][0]
    assert same["thresholds"] == [{"many": 250, "few": 10}] * 2
    assert same["empty"] == ["many"]
    assert [g["classes"] for g in same["groups"]] == [2, 1]
    plan = two_arms({"shot_few": 10}, {"shot_few": 60})
    data, text = document(write(None, plan, lambda a, s, r: 0.5, lambda a, s, r: rows[a["arm"]][s]))
    (tail,) = data["tail"]
    assert by_name(tail["groups"])["few"]["treatment"] == pytest.approx(fmean([0.45, 0.5, 0.55]))  # classes of 50 and 5
    assert by_name(tail["groups"])["few"]["baseline"] == pytest.approx(fmean([0.3, 0.4, 0.5]))  # the class of 5
    assert "medium" not in by_name(tail["groups"])
    assert "many > 100, medium 60 to 100, few < 60 in CE+Sil" in text.replace("\\", "")
    assert "the shot groups of the two arms hold different classes" in text
    assert "No seed has medium classes in both arms (tail)." in text


def test_arms_with_other_training_counts_are_not_compared_class_by_class():
    rows = {
        "CE": [classes_of([200, 5], [9, 3 + s]) for s in range(3)],
        "CE+Sil": [classes_of([5, 200], [4, 9]) for s in range(3)],
    }
    (tail,) = made(rows)["tail"]
    assert tail["classes"] == []
    assert tail["warnings"][0].startswith("the two arms have different training counts on 3 of 3 seeds")
    assert by_name(tail["groups"])["few"]["difference"] == pytest.approx(0.4 - fmean([0.3, 0.4, 0.5]))


def test_a_class_without_test_samples_is_left_out_as_in_the_records_own_columns():
    rows = {
        name: [classes_of([200, 50, 5], [9, 8, 0], [10, 10, 0]) for _ in range(3)] for name in ("CE", "CE+Sil")
    }  # fmt: skip
    (tail,) = made(rows)["tail"]
    assert [g["name"] for g in tail["groups"]] == ["many", "medium"]
    assert by_name(tail["overall"])["macro"]["baseline"] == pytest.approx(0.85)
    assert any("without test samples" in w for w in tail["warnings"])


def test_no_adjusted_p_without_all_planned_seeds():
    rows = {name: [classes_of([200, 5], [9, 3 + (s + len(name)) % 4]) for s in range(4)] for name in ("CE", "CE+Sil")}
    plan = two_arms(seeds=6)
    late = {"status": "failed"}
    store = write(None, plan, lambda a, s, r: 0.5, lambda a, s, r: rows[a["arm"]][s] if s < 4 else late)
    data, text = document(store)
    (tail,) = data["tail"]
    assert tail["reason"] == "4 of 6 planned seeds; 2 failed"
    assert {g["p_adjusted"] for g in (*tail["groups"], *tail["overall"], *tail["classes"])} == {None}
    assert "No adjusted p-values: 4 of 6 planned seeds; 2 failed" in text


def test_the_sentence_of_a_comparison_says_scope_seeds_level_and_correction():
    rng = np.random.default_rng(0)
    rows = {
        "CE": [classes_of([200, 50, 5], [int(x) for x in rng.integers(80, 90, 3)], [100] * 3) for _ in range(6)],
        "CE+Sil": [classes_of([200, 50, 5], [int(x) for x in rng.integers(60, 70, 3)], [100] * 3) for _ in range(6)],
    }
    data = made(rows)
    _, text = document(write(None, two_arms(seeds=6), lambda a, s, r: 0.5, lambda a, s, r: rows[a["arm"]][s]))
    line = next(line for line in text.splitlines() if line.startswith("CE+Sil against CE, difference"))
    assert "over 6 seeds (new seeds on the same data)" in line
    assert "By shot group, Holm over 3" in line
    gaps = sorted(data["tail"][0]["groups"], key=lambda g: g["p"])
    assert [g["ci_verdict_level"] for g in gaps] == pytest.approx([1 - 0.05 / 3, 1 - 0.05 / 2, 0.95])
    assert "98.33 % CI" in line


# ------------------------------------------------------------------ does the gain depend on the imbalance?


def interaction_plan(seeds=4, **changes):
    """Imbalance × batch size as blocks; the gain depends on the batch size alone."""
    arms, families = [], []
    for imbalance, factor in (("none", 1.0), ("long_tail", 20.0)):
        for size in (32, 256):
            block, made_of = (
                f"{imbalance} B={size}",
                {"imbalance": imbalance, "imbalance_factor": factor, "batch_size": size},
            )
            for lam in (0.0, 1.0):
                one = arm(f"λ={lam:g} {block}", {"lambda_sil": lam, **made_of}, block, baseline=lam == 0)
                arms.append({**one, "method": f"λ={lam:g}", "block_settings": made_of})
            families.append(family(block, f"λ=0 {block}", [f"λ=1 {block}"]))
    return demo_plan(study="interaction", seeds=seeds, arms=arms, families=families, factors=[], **changes)


def interaction_value(a, seed, rng):
    gain = 0.05 if a["settings"]["batch_size"] == 256 else 0.0
    return 0.8 + gain * a["settings"]["lambda_sil"] + rng.normal(0, 0.001)


def interaction_noise(a, seed, rng):
    return 0.8 + rng.normal(0, 0.01)


def test_a_contrast_is_made_inside_equal_other_settings_of_the_block():
    data, text = document(write(None, interaction_plan(), interaction_value))
    found = data["interactions"]
    assert [(c["block"], c["reference"]) for c in found] == [
        ("long_tail B=32", "none B=32"),
        ("long_tail B=256", "none B=256"),
    ]
    assert all(abs(c["difference"]) < 0.005 for c in found)
    assert {c["verdict"] for c in found} == {"no dependence shown"}
    assert "depends on the imbalance" not in text.replace("Does the gain depend", "").replace("on whether", "")


@pytest.mark.parametrize(("subset", "references"), [("fixed", ["mild"]), ("seed", [])])
def test_a_contrast_of_two_imbalances_needs_the_same_way_to_draw_the_subset(subset, references):
    """A balanced block has no subset, so it is the reference of both."""
    blocks = {"none": ("none", 1.0, "seed"), "mild": ("long_tail", 5.0, subset), "strong": ("long_tail", 20.0, "fixed")}
    arms, families = [], []
    for block, (imbalance, factor, own) in blocks.items():
        settings = {"imbalance": imbalance, "imbalance_factor": factor, "subset": own}
        arms += [
            {
                **arm(f"λ={lam} {block}", {"lambda_sil": lam, **settings}, block, baseline=lam == 0),
                "method": f"λ={lam}",
                "block_settings": settings if imbalance != "none" else {"imbalance": imbalance},
            }
            for lam in (0, 1)
        ]
        families.append(family(block, f"λ=0 {block}", [f"λ=1 {block}"]))
    plan = demo_plan(study="subset", seeds=3, arms=arms, families=families, factors=[])
    uneven = {**plan, "arms": arms[2:], "families": families[1:]}
    whole, part = (analysed(write(None, p, interaction_noise))["interactions"] for p in (plan, uneven))
    assert [(c["block"], c["reference"]) for c in whole] == [("mild", "none"), ("strong", "none")]
    assert [c["reference"] for c in part] == references


def test_plans_of_0_1_without_block_settings_are_kept_apart_likewise():
    plan = interaction_plan()
    for a in plan["arms"]:
        del a["block_settings"], a["method"]
    found = analysed(write(None, plan, interaction_value))["interactions"]
    assert [(c["block"], c["reference"]) for c in found] == [
        ("long_tail B=32", "none B=32"),
        ("long_tail B=256", "none B=256"),
    ]


def test_contrast_intervals_have_the_level_of_the_plan_and_of_the_correction():
    data = analysed(write(None, interaction_plan(seeds=6, alpha=0.1), interaction_value))
    for c in data["interactions"]:
        values = {a["arm"]: a["values"] for a in data["arms"]}
        gain = {
            b: np.array([values[f"λ=1 {b}"][s] - values[f"λ=0 {b}"][s] for s in map(str, range(6))])
            for b in (c["block"], c["reference"])
        }
        d = gain[c["block"]] - gain[c["reference"]]
        low, high = stats.t.interval(0.9, 5, d.mean(), stats.sem(d))
        assert (c["ci_low"], c["ci_high"]) == pytest.approx((low, high))
        low, high = stats.t.interval(c["ci_verdict_level"], 5, d.mean(), stats.sem(d))
        assert (c["ci_verdict_low"], c["ci_verdict_high"]) == pytest.approx((low, high))
        assert (c["m"], c["n"]) == (2, 6)


def test_a_real_dependence_is_named_with_its_interval_p_seeds_and_scope():
    def value(a, seed, rng):
        tail = a["settings"]["imbalance"] != "none"
        return 0.8 - 0.1 * a["settings"]["lambda_sil"] * tail + rng.normal(0, 0.002)

    data, text = document(write(None, interaction_plan(), value))
    assert {c["verdict"] for c in data["interactions"]} == {"depends on the imbalance"}
    line = next(line for line in text.splitlines() if line.startswith("The gain of λ=1 over λ=0 depends"))
    for words in ("97.5 % CI", "over 2 contrasts", "n = 4 seeds", "new seeds on the same data"):
        assert words in line


def test_copied_runs_give_no_verdict_in_any_part():
    """Two records of one loss: neither the interaction, nor the shot groups, nor the sweep says a word."""
    losses = lambda a, s, r: {"test_loss": 0.5 if s in (2, 3) else float(r.normal())}  # noqa: E731
    data = analysed(write(None, interaction_plan(), interaction_value, losses))
    assert {c["reason"] for c in data["comparisons"]} == {COPIED}
    assert {(c["verdict"], c["reason"]) for c in data["interactions"]} == {("no verdict", COPIED)}
    assert {t["reason"] for t in data["tail"]} <= {COPIED}
    assert {c["reason"] for c in data["sensitivity"]["curves"]} <= {COPIED}


def test_a_contrast_has_no_verdict_without_all_planned_seeds():
    plan = interaction_plan(seeds=5)
    store = write(None, plan, interaction_value, lambda a, s, r: {"status": "failed"} if s == 4 else {})
    data, text = document(store)
    assert {(c["verdict"], c["p_adjusted"]) for c in data["interactions"]} == {("no verdict", None)}
    line = "No verdict on whether the gain of λ=1 over λ=0 depends on the imbalance (4 of 5 planned seeds; 1 failed"
    assert line in text


def test_the_gain_with_its_batches_says_level_seeds_and_scope():
    plan = interaction_plan(seeds=5, alpha=0.1)
    extra = {"singleton_share": 0.05, "classes_per_batch": 8.0, "single_class_batches": 0.0}
    data, text = document(write(None, plan, interaction_value, lambda a, s, r: extra))
    values = {a["arm"]: a["values"] for a in data["arms"]}
    point = data["composition"][0]
    d = np.array([values[point["treatment"]][s] - values[point["baseline"]][s] for s in map(str, range(5))])
    low, high = stats.t.interval(0.9, 4, d.mean(), stats.sem(d))
    assert (point["n"], point["ci_low"], point["ci_high"]) == (5, pytest.approx(low), pytest.approx(high))
    assert "pointwise 90 % t-intervals over n = 5 seeds, for new seeds on the same data" in text
