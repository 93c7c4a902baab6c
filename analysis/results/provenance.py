"""Where a report's numbers come from: the frozen plan with its changes; trials, code and devices of the records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from analysis.results.document import ExtensionData, FrozenData, ProvenanceData
from analysis.study.ledger import Ledger
from analysis.study.plan import Plan
from analysis.study.records import Record
from silhouette.config import as_version_0_2, plan_hash


def frozen_part(plan: Plan) -> FrozenData:
    """The frozen plan and the extensions, for the document.

    Returns:
        `hash`, `frozen_at`, `plan`, `arms`, `rank_correlation`, `git_commit` and `git_dirty` as `frozen.json` has them,
        and `intact` (all absent for a study that tunes nothing); `looks`, `declared_alpha` and `extended` always.
    """
    part: FrozenData = {
        "looks": list(plan.looks),
        "declared_alpha": plan.declared_alpha,
        "extended": cast(list[ExtensionData], list(plan.extended)),
    }
    frozen = plan.frozen_plan
    if frozen:
        kept = ("hash", "frozen_at", "plan", "arms", "rank_correlation", "git_commit", "git_dirty")
        part |= cast(FrozenData, {**{key: frozen.get(key) for key in kept}, "intact": is_intact(plan, frozen)})
    return part


def is_intact(plan: Plan, frozen: Mapping[str, Any]) -> bool:
    """Return True if the frozen plan matches its hash and is the plan of the confirm phase."""
    content = frozen.get("plan") or {}
    chosen: Mapping[str, Mapping[str, Any]] = content.get("configs") or {}
    confirmed: Mapping[str, Mapping[str, Any]] = {arm.label: arm.config for arm in plan.arms}
    whole = as_version_0_2 if plan.from_0_1 else plan.whole  # either file may have been written before the other
    chosen, confirmed = ({arm: whole(c) for arm, c in configs.items()} for configs in (chosen, confirmed))
    return plan_hash(content) == frozen.get("hash") == plan.frozen and chosen == confirmed


def provenance(plan: Plan, ledger: Ledger) -> ProvenanceData:
    """Provenance as plain data: that of the plan, then the counts over the records in use; a table has no records."""
    of_plan = cast(ProvenanceData, dict(plan.provenance))
    if plan.from_table:
        return of_plan
    used = [record for arm in plan.arms for record in ledger.used[arm.label].values()]
    seconds = [r.seconds for r in used if r.seconds is not None]
    fixed: ProvenanceData = {"fixed settings": dict(plan.fixed)} if plan.fixed else {}
    return {
        **of_plan,
        **fixed,
        "commits of the records": _counted(_commit(r) for r in used),
        "source digests of the records": _counted(_source(r) for r in used),
        **({"plugins of the records": plugins} if (plugins := _counted(p for r in used for p in _plugins(r))) else {}),
        "versions of the records": _counted(_versions(r.origin.get("versions")) for r in used),
        "devices": _counted(r.device or "unknown" for r in used),
        "computing time, hours": round(sum(seconds) / 3600, 6) if seconds else None,
        "trial_ids": {arm.label: [r.trial_id for r in ledger.used[arm.label].values()] for arm in plan.arms},
    }


def _counted(items: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(items).items()))


def _source(record: Record) -> str:
    return str(record.origin.get("source_sha256") or "not recorded")


def _plugins(record: Record) -> Iterable[str]:
    """What is a person's own in a record, each with version and source digest."""
    try:
        found = json.loads(record.origin.get("plugins") or "{}")
        return [
            f"{name} {p.get('version') or 'without version'}, source {p['source_sha256']}" for name, p in found.items()
        ]
    except (ValueError, AttributeError, KeyError, TypeError):
        return ["not readable"]


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
