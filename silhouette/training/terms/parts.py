"""What a term of the objective is built from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from silhouette.config import TrialConfig


class Parts(NamedTuple):
    """What a term is built from.

    Attributes:
        config: Options of the terms.
        classes: K.
        counts: Training samples of each class; empty if no term needs them.
        features: F, the number of features that the classifier takes.
    """

    config: TrialConfig
    classes: int
    counts: Sequence[int]
    features: int
