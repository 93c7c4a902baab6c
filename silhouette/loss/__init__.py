"""The Soft Silhouette Loss. This folder needs PyTorch alone and imports nothing else of this project."""

from silhouette.loss.memory import MomentumMemory, QueueMemory
from silhouette.loss.soft_silhouette import SoftSilhouetteLoss, soft_silhouette

__all__ = ["MomentumMemory", "QueueMemory", "SoftSilhouetteLoss", "soft_silhouette"]
