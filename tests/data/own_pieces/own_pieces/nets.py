"""An encoder."""

from torch import nn


def dense(in_shape, *, depth=2, hidden=32):
    """`depth` dense layers of `hidden` units."""
    channels, height, width = in_shape
    layers, inputs = [nn.Flatten()], channels * height * width
    for _ in range(depth):
        layers += [nn.Linear(inputs, hidden), nn.ReLU()]
        inputs = hidden
    return nn.Sequential(*layers), hidden
