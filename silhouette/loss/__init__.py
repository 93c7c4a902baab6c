"""The Soft Silhouette Loss and its parts; imports nothing else of this project."""

from silhouette.loss.soft_silhouette import SoftSilhouetteLoss, soft_silhouette

__all__ = ["SoftSilhouetteLoss", "soft_silhouette"]
