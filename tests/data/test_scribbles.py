"""The scribble generator: truthful, thin, away from borders, and as sparse as the experts'."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from weakseg.data.nifti import read
from weakseg.data.scribbles import COVERAGE, draw
from weakseg.types import IGNORE_INDEX

SPACING = (10.0, 1.5, 1.5)


def heart(slices: int = 6, size: int = 200, scale: float = 1.0) -> np.ndarray:
    """A ring with a cavity, and a disc beside it from which the ring is cut out."""
    y, x = np.mgrid[:size, :size] - size // 2
    plane = np.zeros((size, size), np.uint8)
    plane[np.hypot(y, x + 24 * scale) < 20 * scale] = 1
    plane[np.hypot(y, x) < 24 * scale] = 2
    plane[np.hypot(y, x) < 17 * scale] = 3
    return np.stack([plane] * slices)


def test_strokes_agree_with_the_reference():
    reference = heart()
    scribble = draw(reference, SPACING, seed=0)
    drawn = scribble != IGNORE_INDEX
    assert scribble.dtype == np.uint8
    assert (scribble[drawn] == reference[drawn]).all()


def test_every_class_present_in_a_slice_gets_a_stroke():
    reference = heart()
    reference[0] = 0  # over the base
    reference[1][reference[1] == 1] = 0  # without RV
    reference[2][reference[2] > 1] = 0  # RV only
    reference[3][reference[3] == 3] = 2  # a wall without a cavity
    reference[4] = 0
    reference[4, 90, 90] = 1  # a single pixel
    scribble = draw(reference, SPACING, seed=3)
    for plane, strokes in zip(reference, scribble, strict=True):
        assert set(np.unique(strokes)) == {*np.unique(plane), IGNORE_INDEX}


def test_the_same_seed_draws_the_same_and_another_seed_differently():
    first, again, other = (draw(heart(), SPACING, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("cls", range(4))
def test_coverage_is_as_asked_for_on_average(cls):
    reference = heart(slices=80)
    scribble = draw(reference, SPACING, seed=0)
    share = (scribble == cls).sum() / (reference == cls).sum()
    assert share == pytest.approx(COVERAGE[cls], rel=0.3)


def test_coverage_can_be_changed():
    reference = heart(slices=20)
    few, many = (
        (draw(reference, SPACING, 0, coverage=(0.0066, share, 0.14, 0.097)) == 1).sum()
        for share in (0.04, 0.16)
    )
    assert 2.5 * few < many


def test_strokes_are_thin():
    scribble = draw(heart(), SPACING, seed=0)
    for cls in range(4):
        thick = ndimage.binary_erosion(scribble == cls, np.ones((1, 3, 3)))
        assert thick.sum() < 0.01 * (scribble == cls).sum()


@pytest.mark.parametrize("cls", (1, 2, 3))
def test_strokes_keep_away_from_the_border(cls):
    reference = heart()
    scribble = draw(reference, SPACING, seed=0)
    for plane, strokes in zip(reference, scribble, strict=True):
        depth = ndimage.distance_transform_edt(plane == cls)[strokes == cls]
        assert depth.min() > 1


def test_background_is_drawn_around_the_heart_and_not_far_away():
    reference = heart()
    scribble = draw(reference, SPACING, seed=0)
    for plane, strokes in zip(reference, scribble, strict=True):
        distance = ndimage.distance_transform_edt(plane == 0, sampling=SPACING[1:])
        assert distance[strokes == 0].min() > 3 and distance[strokes == 0].max() < 60
        y, x = np.nonzero(strokes == 0)
        quadrants = {(a > 100, b > 100) for a, b in zip(y, x, strict=True)}
        assert len(quadrants) >= 3


def test_other_things_than_class_maps_are_refused():
    with pytest.raises(ValueError, match="classes 0 to 3"):
        draw(np.full((1, 8, 8), 4, np.uint8), SPACING, seed=0)
    with pytest.raises(ValueError, match="classes 0 to 3"):
        draw(np.zeros((8, 8), np.uint8), SPACING, seed=0)
    with pytest.raises(ValueError, match="coverage"):
        draw(heart(), SPACING, seed=0, coverage=(0.01, 0.1, 0.0, 0.1))


ACDC = Path(os.environ.get("WEAKSEG_ACDC", "missing"))


@pytest.mark.skipif(not ACDC.is_dir(), reason="WEAKSEG_ACDC names no ACDC download")
@pytest.mark.filterwarnings("ignore:.*pixdim")
def test_on_acdc_the_statistics_are_those_of_the_expert_scribbles():
    drawn, expert, voxels, slices = np.zeros(4), np.zeros(4), np.zeros(4), 0
    for index, path in enumerate(sorted(ACDC.glob("**/*_gt.nii.gz"))[::10]):
        volume = read(path)
        reference = volume.array.astype(np.uint8)
        ours = draw(reference, volume.spacing, seed=index)
        theirs = read(path.with_name(path.name.replace("_gt", "_scribble"))).array
        for cls in range(4):
            drawn[cls] += (ours == cls).sum()
            expert[cls] += (theirs == cls).sum()
            voxels[cls] += (reference == cls).sum()
        slices += len(reference)
    np.testing.assert_allclose(drawn, expert, rtol=0.25)
    assert 0.009 < drawn.sum() / voxels.sum() < 0.0125
    assert drawn[0] / slices == pytest.approx(343, rel=0.2)
