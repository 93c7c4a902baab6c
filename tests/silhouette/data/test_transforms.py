"""Augmentation and corruption: a function of seed, epoch and image, and of nothing else."""

import numpy as np
import pytest
import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms.v2.functional import adjust_sharpness

from silhouette.config import TrialConfig
from silhouette.data import operations, transforms
from silhouette.data.corruptions import SEVERITIES, STRENGTHS, corrupt
from silhouette.data.operations import MOVEMENTS, OPERATIONS

KINDS = ("crop_flip", "autoaugment", "randaugment")


def images(count=40, channels=3, side=16):
    rng = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, side, side), generator=rng, dtype=torch.uint8)


def augmented(kind, x, epoch=0, view=0, indices=None, seed=0, dataset="cifar10"):
    indices = np.arange(len(x)) if indices is None else indices
    keys = transforms.image_keys(seed, epoch, view, indices)
    return transforms.augment(TrialConfig(dataset=dataset, transform=kind), x, keys)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmentation_depends_on_no_batch_and_no_generator(kind, channels):
    x = images(channels=channels)
    whole = augmented(kind, x)
    assert (whole.dtype, whole.shape) == (x.dtype, x.shape)
    torch.manual_seed(123)
    order = np.random.default_rng(0).permutation(len(x))
    assert torch.equal(augmented(kind, x[order], indices=order), whole[order])
    one = augmented(kind, x[7:8], indices=np.array([7]))
    assert torch.equal(one[0], whole[7])


@pytest.mark.parametrize("kind", KINDS)
def test_epochs_views_and_seeds_differ(kind):
    x = images()
    base = augmented(kind, x)
    for other in (augmented(kind, x, epoch=1), augmented(kind, x, view=1), augmented(kind, x, seed=1)):
        assert (other != base).flatten(1).any(1).float().mean() > 0.8
    assert not torch.equal(base, x)


def test_no_transform_changes_nothing():
    assert torch.equal(augmented("none", images()), images())


def test_crop_flip_moves_by_up_to_an_eighth_and_mirrors_half():
    x = torch.zeros(2000, 1, 16, 16, dtype=torch.uint8)
    x[:, :, 8, 3] = 255  # one pixel, left of the middle
    at = augmented("crop_flip", x).flatten(1).argmax(1)
    rows, columns = at // 16, at % 16
    assert set(rows.tolist()) == set(range(6, 11))
    assert set(columns.tolist()) == set(range(1, 6)) | set(range(10, 15))
    assert 0.45 < (columns > 7).float().mean() < 0.55


def test_uniform_numbers_are_uniform_and_independent():
    keys = transforms.image_keys(0, 0, 0, np.arange(20000))
    a, b = transforms.uniform(keys, 0), transforms.uniform(keys, 1)
    assert a.min() >= 0
    assert a.max() < 1
    assert np.abs(np.histogram(a, 10, (0, 1))[0] / 20000 - 0.1).max() < 0.01
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n != "Invert"])
@pytest.mark.parametrize("negative", [True, False])
def test_operations_equal_torchvision(name, negative):
    """Each operation and its strength against the reference implementation, image by image."""
    x, reference = images(6, side=24), AutoAugment(AutoAugmentPolicy.CIFAR10)
    space = reference._augmentation_space(10, (24, 24))
    magnitudes, signed = space[name]
    number = None if magnitudes.ndim == 0 else 6
    strength = float(magnitudes[6]) if number is not None else 0.0
    from torchvision.transforms.autoaugment import InterpolationMode, _apply_op

    strength = -strength if signed and negative else strength
    want = torch.stack([_apply_op(i, name, strength, InterpolationMode.NEAREST, None) for i in x])
    got = transforms._apply_plans(x, [(name, number, negative)] * 6, bins=10)
    assert (got.int() - want.int()).abs().max() <= 1


@pytest.mark.parametrize("side", [8, 16, 33])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", MOVEMENTS)
def test_a_table_moves_pixels_to_where_torchvision_moves_them(name, channels, side):
    x = images(3, channels, side)
    for bins, number in ((10, 0), (10, 1), (10, 4), (10, 9), (31, 9)):
        for sign in (1, -1):
            magnitude = sign * transforms._magnitude(name, number, bins, side)
            assert torch.equal(OPERATIONS[name](x, magnitude), MOVEMENTS[name](x, magnitude))


@pytest.mark.parametrize("factor", [0.1, 0.73, 1.0, 1.9])
@pytest.mark.parametrize("shape", [(4, 3, 9, 9), (2, 1, 8, 8), (2, 3, 2, 5)])
def test_sharpening_has_the_bits_of_torchvision(shape, factor):
    x = torch.randint(256, shape, dtype=torch.uint8)
    kept = x.clone()
    assert torch.equal(operations.sharpen(x, factor), adjust_sharpness(x, factor))
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    ("dataset", "policy"), [("digits", "svhn"), ("cifar100", "cifar10"), ("flowers102", "imagenet")]
)
def test_policies(dataset, policy):
    assert transforms.policy_name(dataset) == policy
    assert len(transforms._policies(policy)) == 25


def test_inputs_are_scaled_without_looking_at_the_data():
    x = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert transforms.to_input(TrialConfig(), x).flatten().tolist() == [-1.0, 1.0]
    pretrained = TrialConfig(dataset="cifar10", encoder="resnet18", pretrained=True)
    colour = transforms.to_input(pretrained, torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))
    torch.testing.assert_close(colour.flatten(), torch.tensor([2.2489, 2.4286, 2.64]), atol=1e-4, rtol=0)
    assert transforms.to_input(pretrained, x).shape == x.shape


@pytest.mark.parametrize("name", STRENGTHS)
def test_corruptions_get_worse(name):
    x = torch.nn.functional.interpolate(images(8, side=4).float(), scale_factor=8, mode="bilinear").byte()
    errors = [(corrupt(x, name, s).float() - x.float()).square().mean().item() for s in SEVERITIES]
    assert 0 < min(errors) <= errors[0] < errors[4] == max(errors)
    assert torch.equal(corrupt(x, name, 3), corrupt(x, name, 3))
    assert corrupt(x, name, 5).dtype == torch.uint8
