"""Volumes turned to run to the patient's head, back and left, against nibabel's."""

import itertools

import nibabel as nib
import numpy as np
import pytest

from weakseg.data import nifti
from weakseg.data.sources.merged import turn

SIZES = (2, 3, 4)  # x, y, z of the file


def volume(directions: np.ndarray) -> nifti.Volume:
    """A numbered volume whose file axes run along the columns of ``directions``."""
    array = np.arange(24, dtype=np.int16).reshape(SIZES[::-1])
    spacing = (3.0, 2.0, 1.0)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing[::-1]
    return nifti.Volume(array, spacing, affine)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_every_orientation_is_turned_as_nibabel_turns_it_to_lps(order, signs):
    given = volume(np.eye(3)[:, order] * signs)
    turned = turn(given)
    file = nib.Nifti1Image(given.array.T, given.affine)
    codes = nib.orientations.axcodes2ornt("LPS")
    lps = file.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(file.affine), codes)
    )
    np.testing.assert_array_equal(turned.array, np.asarray(lps.dataobj).T)
    assert turned.spacing == tuple(float(mm) for mm in lps.header.get_zooms()[::-1])
    assert nib.aff2axcodes(turned.affine) == ("L", "P", "S")


def test_oblique_axes_count_as_the_nearest_straight_ones():
    tilt = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    straight = turn(volume(np.eye(3)))
    np.testing.assert_array_equal(turn(volume(tilt)).array, straight.array)


def test_axes_that_are_nearest_to_one_direction_are_refused():
    axes = np.array([[0.8, 0.7, 0], [0.6, -0.7, 0], [0, 0.14, 1.0]])
    with pytest.raises(ValueError, match="do not run along the body's"):
        turn(volume(axes))


def test_a_file_that_states_no_axes_is_left_alone():
    given = volume(np.eye(3))._replace(oriented=False)
    assert turn(given) is given
