"""Names that a config can use, and what they stand for. Needs the standard library alone.

A name without a colon is ours, or one that an installed package registers; `module:attribute` is a person's own.
"""

from silhouette.registry.loading import Kind, is_own, load, place
from silhouette.registry.names import (
    Part,
    check_dataset,
    check_encoder,
    check_measured,
    check_objective,
    dataset_entry,
    own_data,
    own_parts,
    parse_objective,
    short_name,
    term_entry,
)
from silhouette.registry.options import Option, Own, option_value, own, plain_value
from silhouette.registry.plugins import Plugin, place_of, plugins_of, sources_in
from silhouette.registry.tables import (
    DATASETS,
    ENCODERS,
    FORMS,
    LEARNED_TERMS,
    MEASURED,
    TERM_BUILDERS,
    TERMS,
    TORCHVISION_ENCODERS,
    Dataset,
    Encoder,
    Term,
    option_users,
)

__all__ = [
    "DATASETS",
    "ENCODERS",
    "FORMS",
    "LEARNED_TERMS",
    "MEASURED",
    "TERMS",
    "TERM_BUILDERS",
    "TORCHVISION_ENCODERS",
    "Dataset",
    "Encoder",
    "Kind",
    "Option",
    "Own",
    "Part",
    "Plugin",
    "Term",
    "check_dataset",
    "check_encoder",
    "check_measured",
    "check_objective",
    "dataset_entry",
    "is_own",
    "load",
    "option_users",
    "option_value",
    "own",
    "own_data",
    "own_parts",
    "parse_objective",
    "place",
    "place_of",
    "plain_value",
    "plugins_of",
    "short_name",
    "sources_in",
    "term_entry",
]
