import numpy as np
import pytest
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.strokes import centreline

BOX = (slice(10, 31), slice(5, 55))


def box() -> np.ndarray:
    mask = np.zeros((41, 60), dtype=bool)
    mask[BOX] = True
    return mask


def noisy(seed: int) -> np.ndarray:
    """A box with pixels added to and taken from its border."""
    random = np.random.default_rng(seed)
    mask = box()
    rim = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    return np.where(rim & (random.random(mask.shape) < 0.12), ~mask, mask)


@pytest.mark.parametrize("method", ["zhang", "lee"])
@pytest.mark.parametrize("seed", range(3))
def test_the_longest_line_of_a_noisy_box_is_its_middle(method, seed):
    lines = centreline.paths(noisy(seed), method)
    middle = lines[0]
    assert np.abs(middle[:, 0] - 20).max() <= 3
    assert curves.length(middle) > 20
    assert sum(map(curves.length, lines[1:])) < 0.5 * curves.length(middle)


@pytest.mark.parametrize("method", ["zhang", "lee"])
def test_without_pruning_branches_stay(method):
    mask = box()
    mask[4:10, 15:50:12] = True  # spikes
    pruned, whole = centreline.axis(mask, method), centreline.axis(mask, method, prune=0)
    assert whole.sum() > 1.3 * pruned.sum()
    assert not (whole & ~mask).any()


def test_true_branches_are_kept():
    mask = np.zeros((60, 60), dtype=bool)
    mask[28:33, 5:55] = mask[5:30, 28:33] = True  # a T
    lines = centreline.paths(mask)
    assert [round(curves.length(line), -1) for line in lines] == [50, 20]


def test_lines_step_from_pixel_to_touching_pixel_and_share_none():
    mask = np.zeros((60, 60), dtype=bool)
    y, x = np.indices(mask.shape) - 30
    mask[np.abs(np.hypot(y, x) - 20) < 3] = True
    lines = centreline.paths(mask)
    assert all(np.abs(np.diff(line, axis=0)).max() == 1 for line in lines)
    pixels = np.concatenate(lines)
    assert len(np.unique(pixels, axis=0)) == len(pixels)
    assert np.abs(np.hypot(*(pixels - 30).T) - 20).max() < 1.5
    assert sum(map(curves.length, lines)) == pytest.approx(2 * np.pi * 20, rel=0.1)


def test_a_pinhole_makes_no_loop_and_a_true_hole_does():
    mask = box()
    mask[20, 30] = False
    assert ndimage.label(~centreline.axis(mask))[1] == 1
    mask[17:24, 27:34] = False
    assert ndimage.label(~centreline.axis(mask))[1] == 2


@pytest.mark.parametrize("size", [1, 2, 3])
def test_specks_have_an_axis_or_no_line(size):
    mask = np.zeros((8, 8), dtype=bool)
    mask[2 : 2 + size, 2 : 2 + size] = True
    assert centreline.axis(mask).any()
    assert all(len(line) > 1 for line in centreline.paths(mask))
