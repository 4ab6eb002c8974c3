import numpy as np
import pytest

from weakseg.data.strokes.statistics import statistics, text
from weakseg.types import IGNORE_INDEX

SPACING = (8.0, 2.0, 1.0)


def volume() -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Two slices with a block of class 1, one with strokes: a row, a loose pixel, a wrong one."""
    reference = np.zeros((3, 10, 12), np.uint8)
    reference[:2, 2:7, 2:9] = 1
    scribble = np.full(reference.shape, IGNORE_INDEX, np.uint8)
    scribble[0, 4, 3:8] = 1
    scribble[0, 6, 8] = 1
    scribble[0, 8, 3] = 1  # in the background
    scribble[2, 0, :4] = 0
    return reference, scribble, SPACING


def test_shares_strokes_and_slices_are_counted():
    table = statistics([volume()])
    one = table.loc["1"]
    assert one["labelled"] == pytest.approx(6 / 70)
    assert one["strokes"] == 3
    assert one["slices"] == 0.5
    assert one["wrong"] == pytest.approx(1 / 7)
    none = table.loc["0"]
    assert none["labelled"] == pytest.approx(4 / (360 - 70))
    assert none["slices"] == pytest.approx(1 / 3)


def test_depth_is_in_mm_and_leaves_slices_without_a_border_out():
    table = statistics([volume()])
    # The row is 3 pixels of 2 mm from above and below, its ends nearer to the sides of 1 mm pixels.
    assert table.loc["1", "depth"] == pytest.approx((2 + 3 + 4 + 3 + 2 + 1) / 6)
    assert np.isnan(table.loc["0", "depth"])


def test_corners_touch():
    reference = np.ones((1, 6, 6), np.uint8)
    scribble = np.full(reference.shape, IGNORE_INDEX, np.uint8)
    scribble[0, range(4), range(4)] = 1
    assert statistics([(reference, scribble, SPACING)]).loc["1", "strokes"] == 1


def test_volumes_are_weighed_by_their_voxels_and_classes_named():
    table = statistics([volume(), volume()], ("nothing", "block"))
    assert table.index.tolist() == ["nothing", "block"]
    assert table.loc["block", "labelled"] == pytest.approx(6 / 70)


def test_classes_without_strokes_or_without_voxels_have_no_value():
    reference = np.zeros((1, 4, 4), np.uint8)
    scribble = np.full(reference.shape, IGNORE_INDEX, np.uint8)
    scribble[0, 0, 0] = 2
    table = statistics([(reference, scribble, SPACING)])
    assert table.loc["0", "labelled"] == 0 and np.isnan(table.loc["0", "strokes"])
    assert np.isnan(table.loc["2", "labelled"]) and table.loc["2", "wrong"] == 1


def test_the_text_has_per_cent():
    shown = text(statistics([volume()], ("nothing", "block"))).splitlines()
    cells = [cell.strip() for cell in shown[-1].strip("|").split("|")]
    assert cells == ["block", "8.57", "3.00", "50.00", "2.50", "14.29"]


def test_arrays_that_do_not_fit_and_nothing_at_all_are_refused():
    reference, scribble, spacing = volume()
    with pytest.raises(ValueError, match="of one shape"):
        statistics([(reference, scribble[1:], spacing)])
    with pytest.raises(ValueError, match="no volume"):
        statistics([])
