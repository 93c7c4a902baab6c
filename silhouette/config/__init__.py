"""The config of a trial: its fields, the rules over them, and the identity that follows from them."""

from silhouette.config.crossed import LEVELS, MAX_CROSSED, NEW_TEST_SPLITS, crossed, crossed_sources, levels_of
from silhouette.config.identity import (
    CONFIG_VERSION,
    MAX_SEED,
    OLD_SPLIT,
    Phase,
    as_version_0_2,
    is_of_version_0_1,
    plan_hash,
    trial_id,
)
from silhouette.config.options import is_option, option_default, options_under, parts_in, typed_option
from silhouette.config.parsing import ConfigError, defaults, first_line, make_config, parse_value, with_defaults
from silhouette.config.trial_config import (
    TrialConfig,
    draws_test_split,
    inert_fields,
    needed_for,
    setting_of,
)

__all__ = [
    "CONFIG_VERSION",
    "LEVELS",
    "MAX_CROSSED",
    "MAX_SEED",
    "NEW_TEST_SPLITS",
    "OLD_SPLIT",
    "ConfigError",
    "Phase",
    "TrialConfig",
    "as_version_0_2",
    "crossed",
    "crossed_sources",
    "defaults",
    "draws_test_split",
    "first_line",
    "inert_fields",
    "is_of_version_0_1",
    "is_option",
    "levels_of",
    "make_config",
    "needed_for",
    "option_default",
    "options_under",
    "parse_value",
    "parts_in",
    "plan_hash",
    "setting_of",
    "trial_id",
    "typed_option",
    "with_defaults",
]
