"""All measures of the geometry of features on one split, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from silhouette.geometry.clustering import k_means, normalised_mutual_information
from silhouette.geometry.collapse import disagreement, nc2, nc3, variability
from silhouette.geometry.names import BY_GROUP, GROUPS, MEASURES
from silhouette.geometry.retrieval import retrieve
from silhouette.geometry.sphere import alignment, uniformity
from silhouette.geometry.tiles import class_means
from silhouette.loss.distances import unit


@dataclass(frozen=True)
class Sample:
    """What a network makes of the N samples of a split.

    Attributes:
        features: (N, F) input of the classifier.
        logits: (N, K).
        labels: (N,) in [0, K).
        weight: (K, F) rows of the linear classifier.
        train_means: (K, F) means of the training features of each class, float64; NaN for a class without any.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    weight: Tensor
    train_means: Tensor

    @property
    def finite(self) -> bool:
        """True if every feature and logit is finite."""
        return bool(self.features.isfinite().all()) and bool(self.logits.isfinite().all())


@torch.no_grad()
def measure(sample: Sample, groups: Mapping[str, Sequence[int]]) -> dict[str, float | None]:
    """Return each of `MEASURES`, and each of `BY_GROUP` for each shot group, as `few_map_at_r`.

    Retrieval, clustering, alignment and uniformity are those of the features scaled to length 1, neural collapse that
    of the features as they are. Retrieval and NC4 are means over the samples, as in the papers. Alignment, NC1 and the
    values of a group are means over the classes. At no time is an array over all pairs of samples held.

    Args:
        sample: The samples.
        groups: Labels of the classes of each of `GROUPS`.

    Returns:
        None where a measure is not defined: without samples, with one class, without a class in the group, or with
        features that are not finite.
    """
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    values |= {f"{group}_{name}": None for name in BY_GROUP for group in GROUPS}
    if len(sample.labels) and sample.finite:
        z = unit(sample.features)
        values |= {"nmi": _nmi(z, sample.labels), "uniformity": uniformity(z)}
        values |= _classwise(sample, z, groups) | _collapse(sample)
    return values


def _classwise(sample: Sample, z: Tensor, groups: Mapping[str, Sequence[int]]) -> dict[str, float | None]:
    """Return the measures that single classes have: over all samples or classes, and by group."""
    labels, classes = sample.labels, sample.logits.shape[1]
    retrieved, aligned = retrieve(z, labels), alignment(z, labels, classes)
    variable, wrong = _variability(sample), disagreement(sample.features, sample.logits, sample.train_means)[:, None]
    of_all = [*retrieved.mean(), _mean(aligned), _mean(variable), _mean(wrong.double())]
    found = dict(zip(BY_GROUP, of_all, strict=True))
    of_classes = [aligned[:, None], variable[:, None], class_means(wrong, labels, classes)]
    by_class = torch.cat([retrieved.of_classes(classes), *of_classes], 1)
    for group in GROUPS:
        rows = by_class[list(groups[group])]
        found |= {f"{group}_{name}": _mean(column) for name, column in zip(BY_GROUP, rows.t(), strict=True)}
    return found


def _variability(sample: Sample) -> Tensor:
    """Return (K,) the part of NC1 of each class; NaN without samples, and where NC1 is not defined."""
    present, y = torch.unique(sample.labels, return_inverse=True)
    found = torch.full((sample.logits.shape[1],), torch.nan, dtype=torch.double, device=y.device)
    if len(present) > 1:
        parts = variability(sample.features, y, class_means(sample.features, y, len(present)))
        found[present] = torch.nan if parts is None else parts
    return found


def _mean(values: Tensor) -> float | None:
    """Return the mean of the values that are no NaN; None if there are none."""
    there = values[~values.isnan()]
    return float(there.mean()) if len(there) else None


def _nmi(z: Tensor, labels: Tensor) -> float | None:
    classes = len(torch.unique(labels))
    return normalised_mutual_information(k_means(z, classes), labels) if classes > 1 else None


def _collapse(sample: Sample) -> dict[str, float | None]:
    """Return NC2 and NC3 over the classes that have samples."""
    present, y = torch.unique(sample.labels, return_inverse=True)
    if len(present) < 2:
        return {}
    means = class_means(sample.features, y, len(present))
    return {"nc2": nc2(means), "nc3": nc3(means, sample.weight[present])}
