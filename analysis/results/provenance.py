"""Where a report's numbers come from: trials, versions, commits and devices of the records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from analysis.study.records import Record


def provenance(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """Provenance as plain data: that of the plan, then the counts over the records in use; a table has no records."""
    if plan.from_table:
        return dict(plan.provenance)
    used = [record for arm in plan.arms for record in ledger.used[arm.label].values()]
    seconds = [r.seconds for r in used if r.seconds is not None]
    return {
        **dict(plan.provenance),
        **({"fixed settings": dict(plan.fixed)} if plan.fixed else {}),
        "commits of the records": _counted(_commit(r) for r in used),
        "source digests of the records": _counted(_source(r) for r in used),
        "versions of the records": _counted(_versions(r.origin.get("versions")) for r in used),
        "devices": _counted(r.device or "unknown" for r in used),
        "computing time, hours": round(sum(seconds) / 3600, 6) if seconds else None,
        "trial_ids": {arm.label: [r.trial_id for r in ledger.used[arm.label].values()] for arm in plan.arms},
    }


def _counted(items: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(items).items()))


def _source(record: Record) -> str:
    return str(record.origin.get("source_sha256") or "not recorded")


def _commit(record: Record) -> str:
    commit = str(record.origin.get("git_commit") or "unknown")
    return f"{commit} with uncommitted changes" if record.origin.get("git_dirty") else commit


@lru_cache(maxsize=256)
def _versions(raw: str | None) -> str:
    try:
        parsed = json.loads(raw) if raw else {}
    except ValueError:
        return str(raw)
    if not isinstance(parsed, dict):
        return str(parsed)
    return ", ".join(f"{k} {v}" for k, v in sorted(parsed.items())) or "unknown"
