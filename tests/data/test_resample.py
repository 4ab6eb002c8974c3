"""Sides of windows: what voxels they hold and how they weigh them."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from weakseg.data.resample import Side, nearest, resampled

WHOLE = Side(0, 7.0, 7)


def test_a_side_of_whole_voxels_copies_them():
    side = Side(2, 3.0, 3)
    np.testing.assert_array_equal(side.weights(7), np.eye(7)[2:5])
    np.testing.assert_array_equal(side.covers(7), [0, 0, 1, 1, 1, 0, 0])


@pytest.mark.parametrize(("start", "length"), [(0, 7.0), (-3, 13.0), (2, 4.3), (5, 9.0)])
@pytest.mark.parametrize("cells", [1, 3, 7, 20])
def test_weights_sum_to_1_inside_and_to_0_outside(start, length, cells):
    side = Side(start, length, cells)
    inside = (side.centres() > 0) & (side.centres() < 7)
    np.testing.assert_allclose(side.weights(7).sum(axis=1), inside, atol=1e-6)


@pytest.mark.parametrize("cells", [3, 5, 8, 16])
def test_a_whole_axis_is_resampled_as_by_torch_with_antialiasing(cells):
    signal = np.random.default_rng(0).random((1, 1, 13, 4)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(signal), size=(cells, 4), mode="bilinear", antialias=True
    )
    ours = Side(0, 13.0, cells).weights(13) @ signal[0, 0]
    np.testing.assert_allclose(ours, expected[0, 0].numpy(), atol=1e-6)


def test_a_finer_grid_interpolates_between_the_centres_of_voxels():
    sides = [Side(1, 3.0, 9), Side(0, 5.0, 15), Side(2, 2.0, 5)]
    volume = np.random.default_rng(1).random((5, 5, 6)).astype(np.float32)
    ours = resampled(volume, [side.weights(n) for side, n in zip(sides, (5, 5, 6), strict=True)])
    places = np.meshgrid(*(side.centres() - 0.5 for side in sides), indexing="ij")
    expected = ndimage.map_coordinates(volume, places, order=1, mode="nearest")
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_coarser_grid_skips_nothing():
    ramp = np.zeros((64, 1, 1), np.float32)
    ramp[31] = 1
    ours = resampled(ramp, [Side(0, 64.0, 8).weights(64), np.eye(1), np.eye(1)])
    assert (ours > 0).any() and ours.sum() * 8 == pytest.approx(1, abs=0.02)


def test_nearest_takes_the_voxel_under_the_centre_and_nothing_outside():
    mask = np.ones((4, 2, 2), bool)
    mask[1] = False
    taken = nearest(mask, [Side(-1, 6.0, 12), Side(0, 2.0, 2), Side(0, 2.0, 2)])
    expected = [0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0]
    np.testing.assert_array_equal(taken[:, 0, 0], expected)
