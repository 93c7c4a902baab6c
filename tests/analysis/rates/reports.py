"""Generated tables and studies, and their reports, through the path that a user takes.

A table goes through `read_table` and `plan_of`, a study through `make_plan` and `read_records`. The verdicts are those
of `judge_comparisons` or of the summary of the document (`summary_of`). A test compares both with the whole document.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from analysis.results.analyse import summary_of
from analysis.results.comparisons import judge_comparisons
from analysis.results.verdicts import BETTER, EQUIVALENT, WORSE
from analysis.stats.types import Floats
from analysis.study.ledger import make_ledger
from analysis.study.plan import Plan
from analysis.study.records import Record, read_records
from analysis.study.study_file import make_plan
from analysis.study.table import TableOptions, plan_of
from analysis.study.table_rows import read_table

LEVEL = 75.0
NOISE = 0.4
"""SD of the noise that seeds share, and of the noise of each run, in points of accuracy."""
SD = NOISE * 2**0.5
"""SD of the paired differences."""
MARGIN = 8 * SD
"""A margin far outside the noise, so that a difference of that size is always found."""
METRIC = "test_top1"

Words = Sequence[Mapping[str, str]]


def accuracies(
    rng: np.random.Generator, blocks: int, methods: int, seeds: int, effects: Floats | float = 0.0
) -> Floats:
    """Accuracies in percent, shape (blocks, methods, seeds). `effects` are added to the methods after the first."""
    values = LEVEL + rng.normal(0, NOISE, (blocks, 1, seeds)) + rng.normal(0, NOISE, (blocks, methods, seeds))
    values[:, 1:] += np.broadcast_to(effects, (blocks, methods - 1))[:, :, None]
    return values


def table_of(values: Floats) -> dict[str, list[object]]:
    """A plain table of accuracies of shape (blocks, methods, seeds); the first method is the baseline `m0`."""
    where = [(f"b{b}", f"m{m}", s) for b, m, s in np.ndindex(values.shape)]
    columns = dict(zip(("data", "method", "seed"), (list(c) for c in zip(*where, strict=True)), strict=True))
    return {**columns, "acc": values.ravel().tolist()}


def table_study(values: Floats, **options: object) -> tuple[Plan, list[Record]]:
    """Plan and records of the plain table of accuracies of shape (blocks, methods, seeds)."""
    block = "data" if values.shape[0] > 1 else None
    columns = {"arm": "method", "seed": "seed", "metric": "acc", "baseline": "m0", "block": block}
    return plan_of(read_table(table_of(values)), TableOptions(**{**columns, **options}))


def verdicts(plan: Plan, rows: Sequence[Record]) -> list[dict]:
    """The verdicts of a report, before they are written down: keys as in the comparisons of report.json."""
    found = judge_comparisons(plan, make_ledger(plan, rows), np.random.default_rng(0))
    return [
        {
            "verdict": e.verdict.word,
            "size": e.verdict.size,
            "role": e.role,
            "p_t": e.result.p_t if e.result else None,
            "p_max_t": e.p_max_t,
        }
        for e in found
    ]


def table_verdicts(values: Floats, **options: object) -> list[dict]:
    """The verdicts of the report of a plain table."""
    return verdicts(*table_study(values, **options))


def table_report(values: Floats, *parts: str, **options: object) -> dict:
    """The report of a plain table, with some of its further parts."""
    return summary_of(*table_study(values, **options), parts)


def family(name: str, baseline: str, treatments: Sequence[str], role: str = "primary") -> dict[str, object]:
    """A family as study.json holds it."""
    correction = "bh" if role == "exploratory" else "holm"
    return {
        "family": name, "role": role, "correction": correction, "baseline": baseline, "treatments": list(treatments)
    }  # fmt: skip


def study(families: Sequence[Mapping], seeds: int, **changes: object) -> Plan:
    """A study whose arms are those that the families name, from a study.json as `ablate run` writes it."""
    labels = dict.fromkeys(label for f in families for label in (f["baseline"], *f["treatments"]))
    first = families[0]["baseline"]
    config = {"dataset": "cifar10"}
    arms = [{"arm": x, "settings": {"arm": x}, "block": "b", "baseline": x == first, "config": config} for x in labels]
    raw = {
        "study": "simulated", "question": "", "plan_hash": "0", "metric": METRIC, "direction": "max", "alpha": 0.05,
        "seeds": list(range(seeds)), "arms": arms, "families": list(families), "error_rate": "study",
    }  # fmt: skip
    return make_plan({**raw, **changes})


def arms_of(described: Sequence[tuple[str, str, bool, dict]]) -> list[dict[str, object]]:
    """Arms as study.json holds them, from label, block, whether it is the baseline, and settings."""
    return [
        {"arm": label, "block": block, "baseline": base, "settings": own, "config": {"dataset": "cifar10", **own}}
        for label, block, base, own in described
    ]


def records(values: Mapping[str, Floats], **columns: Sequence[object]) -> list[Record]:
    """Complete records of each arm's accuracies by seed, read from a table in the columns of the results contract."""
    rows = [(arm, seed, float(v)) for arm, row in values.items() for seed, v in enumerate(row)]
    table = {
        "trial_id": [f"{arm}-{seed}" for arm, seed, _ in rows],
        "phase": ["confirm"] * len(rows),
        "arm": [arm for arm, _, _ in rows],
        "seed": [seed for _, seed, _ in rows],
        "status": ["complete"] * len(rows),
        METRIC: [v / 100 for _, _, v in rows],
    }
    return read_records(pa.table({**table, **columns}), [METRIC])


def differences(found: Words) -> bool:
    """Return True if some verdict says *better* or *worse*."""
    return any(c["verdict"] in (BETTER, WORSE) for c in found)


def beyond(found: Words) -> bool:
    """Return True if some difference is called beyond the declared effect."""
    return any(c["size"].startswith("beyond") for c in found)


def equivalences(found: Words) -> bool:
    """Return True if some verdict says *equivalent*."""
    return any(c["verdict"] == EQUIVALENT for c in found)


def words(found: Words) -> bool:
    """Return True if some verdict says *better*, *worse* or *equivalent*."""
    return differences(found) or equivalences(found)
