"""The frozen plan of a tuned study, and the changes to a plan after results could be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from analysis.results.document import ExtensionData, FrozenData
from analysis.study.plan import Plan
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
    if plan.from_0_1:  # `study.json` may have been extended since by this version, `frozen.json` not
        chosen, confirmed = ({arm: as_version_0_2(c) for arm, c in configs.items()} for configs in (chosen, confirmed))
    return plan_hash(content) == frozen.get("hash") == plan.frozen and chosen == confirmed
