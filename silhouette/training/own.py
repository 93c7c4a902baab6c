"""A person's own encoder, built and checked."""

from __future__ import annotations

from torch import nn

from silhouette.config import TrialConfig, options_under
from silhouette.errors import InputError
from silhouette.registry import own


def own_encoder(config: TrialConfig, in_shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """Return the untrained encoder of a person's own and its number of features F.

    Args:
        config: `encoder` and its options matter.
        in_shape: (C, H, W) of an image.

    Raises:
        InputError: If it cannot be imported, does not take its options, or returns something else than a module and
            a whole number.
    """
    try:
        found = own("encoder", config.encoder)
    except ValueError as error:
        raise InputError(f"encoder: {error}") from None
    made = found.function(in_shape, **options_under(config, "encoder"))
    if not (isinstance(made, tuple) and len(made) == 2):
        raise _wrong(config, f"must return (nn.Module, features), got {type(made).__name__}")
    encoder, features = made
    if not isinstance(encoder, nn.Module):
        raise _wrong(config, f"must return (nn.Module, features), got {type(encoder).__name__} as the first")
    if isinstance(features, bool) or not isinstance(features, int) or features < 1:
        raise _wrong(config, f"must return (nn.Module, features) with a whole number of features, got {features!r}")
    return encoder, features


def _wrong(config: TrialConfig, what: str) -> InputError:
    return InputError(f"encoder: {config.encoder} {what}")
