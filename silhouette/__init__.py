"""Soft Silhouette Loss and everything that trains with it; knows nothing of Ray, MLflow or studies.

Names are loaded when first used, so that reading configs, results and metric names never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from silhouette.config import TrialConfig
    from silhouette.loss.memory import MomentumMemory, QueueMemory
    from silhouette.loss.soft_silhouette import SoftSilhouetteLoss, soft_silhouette
    from silhouette.training.run import Training

__all__ = ["MomentumMemory", "QueueMemory", "SoftSilhouetteLoss", "Training", "TrialConfig", "soft_silhouette"]

_HOMES = {
    "MomentumMemory": "silhouette.loss.memory",
    "QueueMemory": "silhouette.loss.memory",
    "SoftSilhouetteLoss": "silhouette.loss.soft_silhouette",
    "Training": "silhouette.training.run",
    "TrialConfig": "silhouette.config",
    "soft_silhouette": "silhouette.loss.soft_silhouette",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'silhouette' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
