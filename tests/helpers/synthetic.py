"""Synthetic studies on disk, written through the results contract as a worker writes them."""

import hashlib
import json

import numpy as np
import pyarrow as pa

from analysis.report.page import make_page
from analysis.report.writers import markdown
from analysis.results.analyse import CURVE_COLUMNS, analyse, load, load_curves
from analysis.study.records import read_records
from analysis.study.study_file import make_plan
from silhouette.evaluated import read_evaluations
from silhouette.results import SCHEMA, Store

LAMBDAS = (0.0, 0.05, 0.2, 1.0)
BLOCKS = ("none", "long_tail×20")
EFFECTS = {0.0: 0.0, 0.05: 0.001, 0.2: -0.004, 1.0: -0.05}


def arm_label(lam, block):
    return f"λ={lam:g} {block}"


def factor_of(block):
    return float(block.split("×")[1]) if "×" in block else 1.0


def demo_plan(study="demo", lambdas=LAMBDAS, blocks=BLOCKS, seeds=10, **changes):
    arms = [
        {
            "arm": arm_label(lam, block),
            "settings": {"lambda_sil": lam, "imbalance": block.split("×")[0], "imbalance_factor": factor_of(block)},
            "block": block,
            "baseline": lam == lambdas[0],
            "config": {"lambda_sil": lam, "imbalance": block, "dataset": "digits"},
        }
        for block in blocks
        for lam in lambdas
    ]
    families = [
        {
            "family": block,
            "role": "primary",
            "correction": "holm",
            "baseline": arm_label(lambdas[0], block),
            "treatments": [arm_label(lam, block) for lam in lambdas[1:]],
        }
        for block in blocks
    ]
    plan = {
        "schema_version": 1,
        "study": study,
        "question": "Does the silhouette term help?",
        "plan_hash": "0123456789abcdef",
        "metric": "test_top1",
        "direction": "max",
        "sesoi": 0.002,
        "alpha": 0.05,
        "error_rate": "study",
        "seeds": list(range(seeds)),
        "phase": "confirm",
        "factors": [
            {
                "field": "lambda_sil",
                "label": "λ",
                "values": list(lambdas),
                "default": 0.1,
                "log": False,
                "unit": "",
            }
        ],
        "arms": arms,
        "families": families if len(lambdas) > 1 else [],
        "fixed": {"epochs": 30},
        "provenance": {
            "git_commit": "abc123",
            "versions": {"torch": "2.9"},
            "command": f"ablate run {study}",
        },
    }
    return plan | changes


def value(arm, seed, spread=0.006):
    lam = arm["settings"].get("lambda_sil", 0.0)
    tail = arm["block"] != "none"
    rng = np.random.default_rng([seed, int(1000 * lam), tail])
    common = np.random.default_rng(seed).normal(0, spread)
    return round(float(0.95 - 0.2 * tail + EFFECTS.get(lam, 0.0) * (1 + tail) + common + rng.normal(0, spread)), 6)


def record(arm, seed, **changes):
    digest = hashlib.sha256(json.dumps([arm["arm"], seed, changes.get("phase")]).encode()).hexdigest()[:16]
    row = {
        "trial_id": digest,
        "phase": "confirm",
        "arm": arm["arm"],
        "settings": json.dumps(arm["settings"]),
        "config": json.dumps(arm["config"]),
        "seed": seed,
        "status": "complete",
        "epochs_planned": 30,
        "epochs_reached": 30,
        "seconds": 3.0 + seed / 10,
        "device": "cpu",
        "threads": 1,
        "versions": json.dumps({"torch": "2.9", "numpy": "2.4"}),
        "git_commit": "abc123",
        "git_dirty": False,
    }
    if changes.get("status", "complete") == "complete":
        row["test_top1"] = value(arm, seed)
        row["val_top1"] = row["test_top1"] + 0.01
    return row | changes


def make_store(results, plan):
    """A store with its plan written; in memory where no folder is given."""
    if results is None:
        return MemoryStore(plan)
    store = Store(str(results), plan["study"])
    store.write_json(plan, "study.json")
    return store


def write_study(results, plan, skip=(), change=None):
    """Write study.json and one record per arm and seed; `skip` holds (arm, seed), `change(arm, seed)` a dict."""
    store = make_store(results, plan)
    for arm in plan["arms"]:
        for seed in plan["seeds"]:
            if (arm["arm"], seed) not in skip:
                store.write_record(record(arm, seed, **(change(arm["arm"], seed) if change else {})))
    return store


class MemoryStore:
    """A study that is not on disk: the same records in the same schema, for tests that need no files."""

    def __init__(self, plan):
        self.plan, self.rows = plan, []

    def write_record(self, row):
        assert set(row) <= set(SCHEMA.names)
        self.rows.append(row)


def analysed(store):
    """The document of a study (on disk or in memory), as `report.json` holds it; nothing is drawn or written."""
    if isinstance(store, MemoryStore):
        table = pa.Table.from_pylist(store.rows, schema=SCHEMA)
        plan = make_plan(json.loads(json.dumps(store.plan)))
        records, curves = read_records(table, [plan.metric]), table.select(CURVE_COLUMNS).to_pylist()
    else:
        plan, records = load(store)
        curves = load_curves(store, len(records))
    values = [] if isinstance(store, MemoryStore) else read_evaluations(store)
    return json.loads(json.dumps(analyse(plan, records, curves, values), allow_nan=False))


def document(store):
    """The document of a study and its Markdown, for which every figure is drawn."""
    data = analysed(store)
    return data, markdown.render(make_page(data))


def read_report(results, study="demo"):
    return json.loads(Store(str(results), study).read_bytes("report", "report.json"))
