"""Which test samples were right, as bits: they come back, and what is no such list is named."""

import math

import numpy as np
import pytest

from silhouette.bits import as_bits, pack, unpack


@pytest.mark.parametrize("samples", [1, 7, 8, 450, 10_000])
def test_bits_come_back_as_they_were(samples):
    row = np.random.default_rng(11).random(samples) < 0.75
    assert (unpack(pack(row), samples) == row).all()
    assert len(pack(row)) == math.ceil(samples / 8)


def test_bits_of_another_number_of_samples_are_refused():
    with pytest.raises(ValueError, match="bits: 17 samples need 3 bytes, got 2"):
        unpack(b"ab", 17)


@pytest.mark.parametrize("given", [[True, False], np.array([1, 0]), (1, 0)])
def test_booleans_and_ones_and_zeros_are_bits(given):
    assert as_bits(given).tolist() == [True, False]


@pytest.mark.parametrize("given", [[], [2, 0], [0.5], "right", b"ab", [[True]], [None, True], True])
def test_what_is_no_list_of_booleans_is_named(given):
    with pytest.raises(ValueError, match="correct must be one True or False for each test sample, got "):
        as_bits(given)
