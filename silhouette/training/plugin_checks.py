"""Checks of a person's own encoder, data set, terms and metrics on a few samples, before anything trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from silhouette.config import TrialConfig, options_under, parts_in
from silhouette.data.cache import Source
from silhouette.data.functions import source_of
from silhouette.data.own import own_shape
from silhouette.data.splits import check_test_settings
from silhouette.errors import InputError
from silhouette.metric_functions import check_functions
from silhouette.registry import TERMS, dataset_entry
from silhouette.training.encoders import build_encoder
from silhouette.training.terms import Batch, build_term
from silhouette.training.terms.parts import Parts

SAMPLES = 8
"""Samples of the random batch that a loss is called with."""
CLASSES = 4
"""Classes of this batch where only the data know their number."""


def check_plugins(config: TrialConfig, *, here: bool) -> None:
    """Call each own part of a config once, as training would, and check what it returns.

    A data set's function is called and its first image is read; the others are checked when they are decoded. An
    encoder maps two images of zeros. A loss gets a random batch and must have a gradient. A metric gets random
    features.

    Args:
        config: The config.
        here: Whether this machine trains, so that the data must be on it.

    Raises:
        InputError: One line for the first fault.
    """
    check_functions(config)
    present = {part.kind for part in parts_in(config)}
    with torch.random.fork_rng(devices=[]):
        source = _checked_source(config, here) if "dataset" in present else None
        if "encoder" in present:
            _check_encoder(config, _in_shape(config, source))
        for name in config.terms:
            if name not in TERMS:
                _check_term(name, config, len(source.classes) if source else config.classes or CLASSES)


def _checked_source(config: TrialConfig, here: bool) -> Source | None:
    try:
        source: Source = _called("dataset", config.dataset, lambda: source_of(*_data_arguments(config)), OSError)
        _called("dataset", config.dataset, lambda: next(iter(source.images)), OSError)
    except OSError as error:
        if here:
            raise InputError(f"dataset: {config.dataset} fails ({_words(error)})") from None
        return None  # its files are on the nodes only
    if source.train is not None:
        check_test_settings(config)
    return source


def _data_arguments(config: TrialConfig) -> tuple[str, int | None, dict[str, Any]]:
    return config.dataset, config.size, options_under(config, "dataset")


def _in_shape(config: TrialConfig, source: Source | None) -> tuple[int, int, int]:
    """(C, H, W) of an image as far as it is known: three channels and 32 pixels stand for what only the data know."""
    if source is not None:
        return source.shape[1:]
    if (shape := own_shape(config.dataset, config.size)) is not None:
        return shape
    side = config.size or 32
    return dataset_entry(config.dataset).channels or 3, side, side


def _check_encoder(config: TrialConfig, in_shape: tuple[int, int, int]) -> None:
    encoder, features = _called("encoder", config.encoder, lambda: build_encoder(config, in_shape))
    with torch.no_grad():
        found = _called("encoder", config.encoder, lambda: encoder(torch.zeros(2, *in_shape)))
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if got != (2, features) or found.dtype is not torch.float32:
        images = (2, *in_shape)
        raise InputError(
            f"encoder: {config.encoder} says that it has {features} features, so it must map images {images} to "
            f"(2, {features}) float32, got {got}{f' {found.dtype}' if isinstance(found, Tensor) else ''}"
        )


def _check_term(name: str, config: TrialConfig, classes: int) -> None:
    labels = torch.arange(SAMPLES) % min(classes, SAMPLES // 2)
    raw = torch.randn(SAMPLES, config.embedding_dim, requires_grad=True)
    embedding = torch.nn.functional.normalize(raw)
    parts = Parts(config, classes, [SAMPLES] * classes, config.embedding_dim)
    term = _called("objective", name, lambda: build_term(name, parts))
    batch = Batch(torch.zeros(SAMPLES, classes), embedding, labels, SAMPLES)
    loss = _called("objective", name, lambda: term(batch))
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        got = f"a tensor {tuple(loss.shape)} {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError(f"objective: {name} must return a scalar loss of embeddings and labels, got {got}")
    if not torch.isfinite(loss):
        raise InputError(f"objective: {name} must return a finite loss of a random batch, got {loss.item():g}")
    if not loss.requires_grad:
        raise InputError(f"objective: {name} must return a loss with a gradient, got one that was detached")
    _called("objective", name, loss.backward)


def _called(field: str, name: str, function: Callable[[], Any], passed: type[Exception] = InputError) -> Any:
    """What a function of a person's own returns; any error of it becomes one line, except those passed on."""
    try:
        return function()
    except (InputError, passed):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{field}: {name} fails ({_words(error)})") from None


def _words(error: BaseException) -> str:
    said = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
