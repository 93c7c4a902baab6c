"""Names that a config can use, and what they stand for. Needs the standard library alone.

A name without a colon is ours, or one that an installed package registers; `module:attribute` is a person's own.
"""

from silhouette.registry.loading import load
from silhouette.registry.names import (
    check_dataset,
    check_encoder,
    check_objective,
    dataset_entry,
    own_data,
    parse_objective,
)
from silhouette.registry.tables import (
    DATASETS,
    ENCODERS,
    FORMS,
    LEARNED_TERMS,
    TERMS,
    TORCHVISION_ENCODERS,
    Dataset,
    Term,
    option_users,
)

__all__ = [
    "DATASETS",
    "ENCODERS",
    "FORMS",
    "LEARNED_TERMS",
    "TERMS",
    "TORCHVISION_ENCODERS",
    "Dataset",
    "Term",
    "check_dataset",
    "check_encoder",
    "check_objective",
    "dataset_entry",
    "load",
    "option_users",
    "own_data",
    "parse_objective",
]
