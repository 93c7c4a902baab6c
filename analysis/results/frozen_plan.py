"""The frozen plan of a tuned study, and what happened to a plan after results could be seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from analysis.study.plan import Plan

Data = dict[str, Any]


def frozen_part(plan: Plan) -> Data:
    """What the document says of freezing and of extensions.

    Returns:
        `hash`, `intact`, `frozen_at`, `plan`, `arms` and `rank_correlation` as `frozen.json` holds them (empty for a
        study that tunes nothing), `looks`, `declared_alpha` and `extended`.
    """
    told = {"looks": list(plan.looks), "declared_alpha": plan.declared_alpha, "extended": list(plan.extended)}
    frozen = plan.frozen_plan
    if not frozen:
        return told
    kept = ("hash", "frozen_at", "plan", "arms", "rank_correlation", "git_commit", "git_dirty")
    return {**told, **{key: frozen.get(key) for key in kept}, "intact": is_intact(plan, frozen)}


def is_intact(plan: Plan, frozen: Mapping[str, Any]) -> bool:
    """Whether the frozen plan has the hash that it was frozen under, and is the one that was confirmed."""
    content = frozen.get("plan") or {}
    confirmed = {arm.label: arm.config for arm in plan.arms}
    own = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return own == frozen.get("hash") == plan.frozen and content.get("configs") == confirmed
