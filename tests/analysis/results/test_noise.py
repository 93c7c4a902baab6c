"""Parts of the report on noise beside that of the seed: crossed sources of chance, and the test samples."""

import json

import numpy as np
import pytest

from analysis.report.page import make_page
from analysis.report.writers import markdown
from analysis.results.verdicts import NONE
from analysis.stats.designs.components import variance_components
from analysis.stats.designs.samples import crossed_difference, sample_error_bound
from silhouette.bits import pack
from silhouette.config import crossed
from tests.helpers.synthetic import MemoryStore, analysed, demo_plan, record

POOL = "a" * 64
N, SAMPLES = 6, 203


def crossed_plan(vary="init*order", seeds=None, **changes):
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=1)
    for arm in plan["arms"]:
        arm["config"] = {**arm["config"], "vary": vary}
    return plan | {"seeds": list(crossed(5, 4) if seeds is None else seeds)} | changes


def crossed_values(sds=(0.02, 0.0), shape=(5, 4), rest=0.002):
    rng = np.random.default_rng(5)
    rows, columns = (rng.normal(0, sd, n) for sd, n in zip(sds, shape, strict=True))
    return 0.8 + rows[:, None] + columns[None, :] + rng.normal(0, rest, (2, *shape))


def crossed_study(plan, values, skip=()):
    store = MemoryStore(plan)
    for arm, own in zip(plan["arms"], values, strict=True):
        for seed, value in zip(plan["seeds"], own.ravel(), strict=True):
            if (arm["baseline"], seed) not in skip:
                store.write_record(record(arm, seed, test_top1=float(value)))
    return analysed(store)


def test_a_crossed_study_shows_the_components_of_each_arm_and_its_advice():
    values = crossed_values()
    data = crossed_study(crossed_plan(), values)
    for arm, own in zip(data["crossed"], values, strict=True):
        expected = variance_components(own, ("init", "order"))
        assert [c["sources"] for c in arm["components"]] == [list(c.sources) for c in expected]
        for key in ("variance", "f", "p"):
            wanted = [getattr(c, key) for c in expected]
            assert [c[key] for c in arm["components"]] == pytest.approx(wanted)
        assert arm["components"][0]["advice"] == "randomise"
        assert (arm["levels"], arm["runs"], arm["reason"]) == ([5, 4], 20, "")
    text = markdown.render(make_page(data))
    assert "Crossed sources of chance" in text
    assert "(5 init × 4 order, 20 of 20 runs): Draw anew with every seed: init (" in text


def test_runs_that_share_levels_are_no_independent_seeds():
    data = crossed_study(crossed_plan(), crossed_values())
    assert {(c["verdict"], c["reason"]) for c in data["comparisons"]} == {(NONE, "crossed sources of chance")}
    assert [notice["key"] for notice in data["notices"]] == ["crossed"]
    assert data["variance"] == []


def test_a_crossed_design_with_a_missing_run_has_no_components():
    data = crossed_study(crossed_plan(), crossed_values(), skip={(True, 302)})
    (base, other) = data["crossed"]
    assert (base["components"], base["reason"]) == ([], "19 of 20 runs are complete, and all are needed")
    assert other["components"]
    assert "no components, because 19 of 20 runs" in markdown.render(make_page(data))


def test_seeds_that_cross_nothing_are_named():
    seeds = (0, 10000, 101, 10101)  # two runs with the levels (0, 0), two with (1, 1)
    data = crossed_study(crossed_plan(seeds=seeds), crossed_values(shape=(2, 2)))
    assert {arm["reason"] for arm in data["crossed"]} == {"the seeds of the plan are no complete crossed design"}


def test_mixed_code_leaves_a_crossed_design_without_components():
    store = MemoryStore(crossed_plan())
    for arm in store.plan["arms"]:
        for place, seed in enumerate(store.plan["seeds"]):
            store.write_record(record(arm, seed, test_top1=0.8 + 0.001 * place, source_sha256=str(place % 2) * 64))
    assert {arm["reason"] for arm in analysed(store)["crossed"]} == {"mixed code"}


def right(shift=0.0, seeds=N):
    """Which samples two arms have right: each sample has a difficulty, each arm errs on samples of its own too."""
    rng = np.random.default_rng(3)
    hardness, own = rng.normal(0.8, 1, SAMPLES), rng.normal(0, 0.4, (2, SAMPLES))
    noise = rng.normal(0, 0.5, (2, seeds, SAMPLES))
    return hardness + own[:, None, :] + np.array([0.0, shift])[:, None, None] + noise > 0


def sample_study(bits, change=lambda arm, seed, row: row, **changes):
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=bits.shape[1], **changes)
    store = MemoryStore(plan)
    for place, arm in enumerate(plan["arms"]):
        for seed in plan["seeds"]:
            own = bits[place, seed]
            row = record(
                arm, seed, test_top1=float(own.mean()), test_macro_top1=0.9 * float(own.mean()), test_pool_sha256=POOL,
                correct_bits=pack(own), correct_samples=SAMPLES, class_total=[SAMPLES],
            )  # fmt: skip
            store.write_record(change(place, seed, row))
    return analysed(store)


def test_a_comparison_has_the_interval_for_new_seeds_and_new_test_samples_beside_that_for_new_seeds():
    bits = right(0.3)
    data = sample_study(bits)
    (row,) = data["samples"]
    expected = crossed_difference(bits[1], bits[0])
    interval = expected.interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))
    (comparison,) = data["comparisons"]
    assert [row["ci_seeds_low"], row["ci_seeds_high"]] == pytest.approx([comparison["ci_low"], comparison["ci_high"]])
    assert row["ci_low"] < row["ci_seeds_low"] < row["ci_seeds_high"] < row["ci_high"]
    assert (row["scope"], row["samples"], row["n"]) == ("new seeds and new test samples", SAMPLES, N)
    first = row["mcnemar"][0]
    assert first["only_treatment"] == int((bits[1, 0] & ~bits[0, 0]).sum())
    assert first["only_baseline"] == int((bits[0, 0] & ~bits[1, 0]).sum())
    assert 0 < row["churn_treatment"] < 0.5
    text = markdown.render(make_page(data))
    assert "Noise of the test samples" in text
    assert f"The verdicts describe new seeds on these test samples ({SAMPLES} samples)." in text


def test_a_difference_that_only_these_test_samples_show_is_named():
    data = sample_study(right(0.02))
    (row,) = data["samples"]
    assert row["ci_seeds_low"] > 0 > row["ci_low"]
    assert "The interval then contains 0 for" in markdown.render(make_page(data))


def test_arms_that_were_tested_on_other_samples_are_refused_in_words():
    other = lambda arm, seed, row: row | {"test_pool_sha256": "b" * 64} if arm else row  # noqa: E731
    (row,) = sample_study(right(), other)["samples"]
    assert (row["reason"], row["ci_low"], row["mcnemar"]) == ("the arms were tested on different samples", None, [])


def test_test_samples_that_move_with_the_seed_are_refused_in_words():
    own = lambda arm, seed, row: row | {"test_pool_sha256": f"{seed}" * 64, "class_train": [800]}  # noqa: E731
    (row,) = sample_study(right(), own)["samples"]
    assert row["reason"].startswith("each seed draws test samples of its own")
    assert row["error_bound"] is None


def test_records_without_bits_give_the_binomial_bound():
    old = lambda arm, seed, row: {k: v for k, v in row.items() if not k.startswith("correct")}  # noqa: E731
    bits = right()
    data = sample_study(bits, old)
    (row,) = data["samples"]
    assert row["reason"] == "12 of 12 records do not say which test samples were right"
    assert row["error_bound"] == pytest.approx(sample_error_bound(bits[1].mean(), bits[0].mean(), SAMPLES))
    assert "at most" in markdown.render(make_page(data))


def test_records_that_say_nothing_of_their_test_samples_have_no_section():
    nothing = ("correct_bits", "correct_samples", "class_total")
    bare = lambda arm, seed, row: {k: v for k, v in row.items() if k not in nothing}  # noqa: E731
    data = sample_study(right(), bare)
    assert data["samples"] == []
    assert "Noise of the test samples" not in markdown.render(make_page(data))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"correct_bits": b"\x00"}, "1 of 12 records do not say which test samples were right"),
        ({"correct_bits": pack(np.zeros(SAMPLES, bool))}, "do not give its test_top1"),
        ({"test_pool_sha256": None}, "the records do not name their test samples (test_pool_sha256)"),
    ],
)
def test_bits_that_cannot_be_compared_are_named(change, reason):
    damaged = lambda arm, seed, row: row | change if (arm, seed) == (1, 2) else row  # noqa: E731
    (row,) = sample_study(right(), damaged)["samples"]
    assert row["reason"].endswith(reason)
    assert row["ci_low"] is None


def test_a_number_of_seeds_that_depends_on_the_results_is_refused_in_words():
    (row,) = sample_study(right(), stop="decided")["samples"]
    assert row["reason"].startswith("seeds are run until it is decided")
    assert row["ci_low"] is None


def test_another_metric_than_accuracy_has_no_noise_of_samples():
    assert sample_study(right(), metric="test_macro_top1")["samples"] == []


def test_a_metric_of_an_own_experiment_that_is_the_share_of_right_samples_has_it():
    own = lambda arm, seed, row: row | {"metrics": {"test_hits": row["test_top1"]}, "test_top1": None}  # noqa: E731
    (row,) = sample_study(right(), own, metric="test_hits")["samples"]
    assert row["ci_low"] is not None


def test_without_a_verdict_the_page_shows_no_interval_of_the_samples():
    missing = lambda arm, seed, row: row | {"status": "failed", "test_top1": None} if seed == 5 else row  # noqa: E731
    data = sample_study(right(), missing)
    assert json.loads(json.dumps(data["samples"]))[0]["ci_low"] is not None
    text = markdown.render(make_page(data))
    section = text[text.index("Noise of the test samples") :]
    assert "With both, the standard error" not in section
