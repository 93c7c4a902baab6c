"""Colours of the pairwise matrix."""

import numpy as np
import pytest

from analysis.formatting import make_scale
from analysis.report.figures.pairwise_matrix import draw_matrix


@pytest.mark.parametrize("higher", [True, False])
def test_the_better_method_has_the_same_colour_in_either_direction(higher):
    gain = 0.2 if higher else -0.2
    cells = {("good", "bad"): (gain, 5, 1, 0.04), ("bad", "good"): (-gain, 1, 5, 0.04)}
    figure = draw_matrix(["good", "bad"], cells, set(), make_scale("m"), 0.05, higher_is_better=higher)
    (image,) = figure.axes[0].get_images()
    assert np.ma.filled(image.get_array(), 0).tolist() == [[0, 0.2], [-0.2, 0]]
