"""Encoders: shapes, channels, small images, and the list of names."""

import pytest
import torch

from silhouette.config import TrialConfig
from silhouette.registry import TORCHVISION_ENCODERS
from silhouette.training.cifar_resnet import Block
from silhouette.training.encoders import build_network


def network(encoder, in_shape, classes=7):
    return build_network(TrialConfig(encoder=encoder, width=4, embedding_dim=16), classes, in_shape)


@pytest.mark.parametrize(
    ("encoder", "in_shape"),
    [
        ("small_cnn", (1, 8, 8)),
        ("small_cnn", (3, 32, 32)),
        ("mlp", (1, 28, 28)),
        ("resnet32", (3, 32, 32)),
        ("resnet32", (1, 7, 7)),
        ("resnet18", (3, 32, 32)),
        ("resnet18", (1, 8, 8)),
        ("efficientnet_b0", (3, 32, 32)),
        ("squeezenet1_1", (3, 32, 32)),
        ("mobilenet_v3_small", (1, 28, 28)),
        ("shufflenet_v2_x0_5", (3, 32, 32)),
        ("googlenet", (3, 32, 32)),
    ],
)
def test_shapes_and_unit_embeddings(encoder, in_shape):
    out = network(encoder, in_shape)(torch.randn(4, *in_shape))
    assert out.logits.shape == (4, 7)
    assert out.embedding.shape == (4, 16)
    torch.testing.assert_close(out.embedding.norm(dim=1), torch.ones(4))
    out.logits.sum().backward()


def test_resnet32_is_that_of_the_paper():
    """0.46 M parameters (table 6), 31 convolutions and a classifier, halved twice, shortcuts without parameters."""
    built = network("resnet32", (3, 32, 32), classes=10)
    convolutions = [m for m in built.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 31
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    sizes = (p.numel() for part in (built.encoder, built.classifier) for p in part.parameters())
    assert sum(sizes) == 464_154
    maps = torch.zeros(1, 3, 32, 32)
    shapes = []
    for layer in built.encoder.eval().layers:
        maps = layer(maps)
        shapes.append(tuple(maps.shape[1:]))
    assert list(dict.fromkeys(shapes)) == [(16, 32, 32), (32, 16, 16), (64, 8, 8), (64, 1, 1), (64,)]


def test_a_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros():
    block = Block(2, 4)
    for convolution in (block.residual[0], block.residual[3]):
        torch.nn.init.zeros_(convolution.weight)
    images = torch.arange(18.0).reshape(1, 2, 3, 3)
    out = block(images)
    assert out[0].tolist() == [[[0, 0], [0, 0]], [[0, 2], [6, 8]], [[9, 11], [15, 17]], [[0, 0], [0, 0]]]


def test_small_images_get_the_small_stem():
    small, large = network("resnet18", (3, 32, 32)).encoder, network("resnet18", (3, 96, 96)).encoder
    assert (small.conv1.kernel_size, small.conv1.stride) == ((3, 3), (1, 1))
    assert isinstance(small.maxpool, torch.nn.Identity)
    assert (large.conv1.kernel_size, large.conv1.stride) == ((7, 7), (2, 2))
    assert isinstance(large.maxpool, torch.nn.MaxPool2d)


def test_an_encoder_that_cannot_take_the_images_is_one_line():
    with pytest.raises(ValueError, match=r"encoder: vit_b_32 cannot take images of 1 × 8 × 8 \("):
        network("vit_b_32", (1, 8, 8))


def test_every_encoder_is_in_torchvision():
    from torchvision import models

    assert set(TORCHVISION_ENCODERS) <= set(models.list_models(module=models))


def test_weights_follow_the_global_generator():
    torch.manual_seed(3)
    a = network("small_cnn", (1, 8, 8))
    torch.manual_seed(3)
    b = network("small_cnn", (1, 8, 8))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
