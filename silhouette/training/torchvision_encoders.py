"""Encoders of torchvision, fitted to small images and without their last layer."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from silhouette.errors import InputError

SMALL_IMAGE = 64
"""Images up to this side in pixels get the first layers for small images in a torchvision encoder."""


def torchvision(in_shape: tuple[int, int, int], *, name: str, pretrained: bool) -> tuple[nn.Module, int]:
    """Return a torchvision classifier without its last layer, and its number of features.

    The first convolution takes the channels of the images. For images of up to 64 pixels it also gets stride 1 and at
    most 3 × 3 weights, and the max-pooling after it is removed, so that such images keep enough pixels (He et al. 2016
    do this for CIFAR-10). A `vit_*` keeps its patches and is built for the image size. With `pretrained`, a changed
    first convolution starts untrained.

    Raises:
        InputError: If the model cannot take images of this size.
    """
    from torchvision import models  # takes seconds to import

    options: dict[str, Any] = {}
    if not pretrained and name.startswith("vit_"):
        options["image_size"] = in_shape[1]
    if not pretrained and name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    try:
        model = models.get_model(name, weights="DEFAULT" if pretrained else None, **options)
        _drop_extras(model)
        _adapt_stem(model, in_shape[0], small=max(in_shape[1:]) <= SMALL_IMAGE)
        features = _take_off_last_layer(model)
        with torch.no_grad():
            model.eval()(torch.zeros(1, *in_shape))
    except (RuntimeError, ValueError, AssertionError) as error:  # torchvision asserts sizes
        shape = " × ".join(map(str, in_shape))
        raise InputError(f"encoder: {name} cannot take images of {shape} ({error})") from None
    return model.train(), features


def _drop_extras(model: nn.Module) -> None:
    """Remove auxiliary classifiers, and an input scaling that is made for ImageNet."""
    if hasattr(model, "aux_logits"):
        setattr(model, "aux_logits", False)  # noqa: B010 - a plain attribute, which mypy takes for a module
        for name in {"aux1", "aux2", "AuxLogits"} & set(dict(model.named_children())):
            setattr(model, name, None)
    if hasattr(model, "transform_input"):
        setattr(model, "transform_input", False)  # noqa: B010


def _adapt_stem(model: nn.Module, channels: int, *, small: bool) -> None:
    """Fit the first convolution to the number of channels and, if `small`, to small images."""
    path, first = next((p, m) for p, m in model.named_modules() if isinstance(m, nn.Conv2d))
    if hasattr(model, "patch_size"):  # a vision transformer: the first convolution cuts the patches
        small = False
    kernel = 3 if small and first.kernel_size[0] > 3 else first.kernel_size[0]
    stride = 1 if small else first.stride[0]
    if first.in_channels == channels and first.kernel_size[0] == kernel:
        if not small:
            return
        first.stride = (stride, stride)
    else:
        padding = (kernel // 2,) * 2 if small else cast("tuple[int, int]", first.padding)
        stem = nn.Conv2d(channels, first.out_channels, kernel, stride, padding, bias=first.bias is not None)
        _set_module(model, path, stem)
    if small:
        _drop_first_pool(model)


def _drop_first_pool(model: nn.Module) -> None:
    """Remove the max-pooling after the first convolution."""
    for path in ("maxpool", "maxpool1", "features.pool0", "features.2"):
        try:
            module = model.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(module, nn.MaxPool2d):
            _set_module(model, path, nn.Identity())
            return


def _take_off_last_layer(model: nn.Module) -> int:
    """Remove the last linear layer; return the number of its inputs."""
    linear = [(path, m) for path, m in model.named_modules() if isinstance(m, nn.Linear)]
    path, last = linear[-1] if linear else ("", None)
    if last is None:  # SqueezeNet classifies by a 1 × 1 convolution and averages after it
        head = cast("nn.Sequential", model.get_submodule("classifier"))
        features = cast("nn.Conv2d", head[1]).in_channels
        head[1] = nn.Identity()
        return features
    _set_module(model, path, nn.Identity())
    return last.in_features


def _set_module(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)
