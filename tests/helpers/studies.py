"""Larger synthetic studies: grids, several datasets, a tune phase, a seed study, uneven classes."""

import json

import numpy as np

from tests.helpers.synthetic import demo_plan, make_store, record

DATASETS = ("cifar10", "cifar100", "cars", "caltech", "aircraft", "flowers")
METHODS = ("ce", "supcon", "ce+sil")


def write(results, plan, value, extra=None, phase="confirm"):
    """One record per arm and seed with the metric `value(arm, seed, rng)` and columns `extra(arm, seed, rng)`."""
    store = make_store(results, plan)
    for i, arm in enumerate(plan["arms"]):
        for seed in plan["seeds"]:
            rng = np.random.default_rng([seed, i])
            more = extra(arm, seed, rng) if extra else {}
            metric = round(float(value(arm, seed, rng)), 6)
            store.write_record(record(arm, seed, **({"test_top1": metric, "phase": phase} | more)))
    return store


def arm(label, settings, block, baseline=False, **config):
    return {
        "arm": label,
        "settings": settings,
        "block": block,
        "baseline": baseline,
        "config": {"dataset": "digits", **settings, **config},
    }


def family(name, baseline, treatments, role="primary", correction="holm"):
    return {
        "family": name,
        "role": role,
        "correction": correction,
        "baseline": baseline,
        "treatments": list(treatments),
    }


def factor(name, label, values, default=None, log=False):
    return {"field": name, "label": label, "values": list(values), "default": default, "log": log, "unit": ""}


def grid_plan(seeds=6, lambdas=(0.05, 0.2, 1.0), taus=(0.03, 0.1, 0.3, 1.0)):
    """λ × τ on one dataset; the baseline (λ = 0) stands outside the grid."""
    arms = [arm("CE", {"lambda_sil": 0.0}, "digits", baseline=True, tau_s=0.1)]
    arms += [
        arm(f"λ={lam:g} τ={tau:g}", {"lambda_sil": lam, "tau_s": tau}, "digits") for lam in lambdas for tau in taus
    ]
    treatments = [a["arm"] for a in arms[1:]]
    return demo_plan(
        study="grid",
        seeds=seeds,
        arms=arms,
        question="How sensitive is the loss to its temperature and weight?",
        families=[family("temperature and weight", "CE", treatments, "exploratory", "bh")],
        factors=[
            factor("lambda_sil", "λ", (0.0, *lambdas), 0.2, log=True),
            factor("tau_s", "τ_s", taus, 0.1, log=True),
        ],
    )


def grid_value(a, seed, rng):
    lam, tau = a["settings"]["lambda_sil"], a["settings"].get("tau_s", 0.1)
    common = np.random.default_rng(seed).normal(0, 0.004)
    bend = 0.012 * np.log10(tau / 0.1) ** 2 * (lam > 0)
    return 0.93 + 0.01 * (lam == 0.2) - 0.03 * (lam == 1.0) - bend + common + rng.normal(0, 0.003)


def datasets_plan(datasets=DATASETS, methods=METHODS, seeds=5):
    """Methods × datasets, one primary family per dataset against cross-entropy."""
    arms, families = [], []
    for name in datasets:
        labels = [f"{m} on {name}" for m in methods]
        arms += [
            {**arm(label, {"objective": m, "dataset": name}, name, baseline=m == methods[0]), "method": m}
            for label, m in zip(labels, methods, strict=True)
        ]
        families.append(family(name, labels[0], labels[1:]))
    return demo_plan(
        study="datasets", seeds=seeds, arms=arms, families=families, factors=[], question="Which objective is best?"
    )


def datasets_value(a, seed, rng):
    level = {name: 0.5 + 0.07 * i for i, name in enumerate(DATASETS)}[a["block"]]
    gain = {"ce": 0.0, "supcon": 0.004, "ce+sil": 0.012}[a["settings"]["objective"]]
    return level + gain + np.random.default_rng(seed).normal(0, 0.004) + rng.normal(0, 0.004)


def tail_extra(a, seed, rng):
    """Ten classes with uneven training counts under imbalance, per-class results, curve and batch statistics."""
    tail = a["block"] != "none"
    lam = a["settings"].get("lambda_sil", 0.0)
    counts = [int(140 * (1 / 20) ** (i / 9)) for i in range(10)] if tail else [100] * 10
    total = [45] * 10
    base = np.array([0.97 - (0.06 * i if tail else 0.002 * i) for i in range(10)])
    loss = lam * np.linspace(0, 0.25 if tail else 0.02, 10)
    correct = [int(np.clip(45 * p + rng.normal(0, 1), 0, 45)) for p in base - loss]
    curve = [
        {"epoch": e, "val_top1": float((0.75 if tail else 0.95) - 0.5 * np.exp(-e / 4) + rng.normal(0, 0.01))}
        for e in range(1, 31)
    ]
    return {
        "class_train": counts,
        "class_correct": correct,
        "class_total": total,
        "test_top1": sum(correct) / 450,
        "test_macro_top1": float(np.mean([c / 45 for c in correct])),
        "classes_per_batch": 8.1 if tail else 9.9,
        "singleton_share": 0.06 + 0.002 * rng.normal() if tail else 0.001,
        "single_class_batches": 0.0,
        "curve": curve,
    }


def add_tuning(store, plan, configs=20, seeds=2, spread=0.01):
    """Tune-phase records for every arm: random learning rates, a third of them stopped at epoch 10."""
    for i, a in enumerate(plan["arms"]):
        for k in range(configs):
            rng = np.random.default_rng([i, k, 7])
            config = {
                **a["config"],
                "lr": float(10 ** rng.uniform(-4, -1)),
                "weight_decay": float(10 ** rng.uniform(-6, -2)),
            }
            quality = 0.9 - 0.02 * (np.log10(config["lr"]) + 2.5) ** 2
            for seed in range(1000, 1000 + seeds):
                stopped = k % 3 == 2
                store.write_record(
                    record(
                        a, seed, phase="tune", config=json.dumps(config), trial_id=f"tune{i:03d}{k:04d}{seed:05d}",
                        status="stopped" if stopped else "complete", epochs_reached=10 if stopped else 30,
                        test_top1=None, val_top1=float(quality + rng.normal(0, spread)),
                        curve=[{"epoch": e, "val_top1": float(quality - 0.3 * np.exp(-e / 4))} for e in range(1, 11)],
                    )
                )  # fmt: skip


def variance_plan(seeds=10):
    """A seed study: one arm per source of randomness and one with all."""
    sources = ("all", "init", "order", "augment", "split")
    arms = [arm(f"CE, {s} varies", {"vary": s}, "digits", baseline=s == "all") for s in sources]
    return demo_plan(study="variance", seeds=seeds, arms=arms, families=[], factors=[factor("vary", "source", sources)])


def variance_value(a, seed, rng):
    sizes = {"all": 0.01, "init": 0.006, "order": 0.004, "augment": 0.003, "split": 0.007}
    return 0.93 + rng.normal(0, sizes[a["settings"]["vary"]])
