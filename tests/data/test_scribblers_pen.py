import itertools

import numpy as np
import pytest
from scipy import ndimage

from weakseg.data.strokes.pen import Pen


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


def page(height: int = 20, width: int = 30) -> np.ndarray:
    return np.ones((height, width), dtype=bool)


def test_a_thin_pen_labels_the_pixels_it_passes_in_order():
    inked = Pen().draw([line((5, 3), (5, 25))], page(), 7)
    rows, columns = np.nonzero(inked)
    assert set(rows) == {5} and columns.tolist() == list(range(3, 10))


def test_a_wide_pen_covers_the_pixels_within_its_radius_as_brute_force_does():
    way = line((4.2, 5.1), (14.7, 22.4))
    pen = Pen(reach=(1.9, 1.9))
    inked = pen.draw([way], page(), int(_covered(way, 1.9).sum()))
    assert (inked == _covered(way, 1.9)).mean() > 0.995


def _covered(way: np.ndarray, radius: float) -> np.ndarray:
    """Pixels within a radius of a straight line."""
    points = way[0] + np.linspace(0, 1, 2000)[:, None] * (way[1] - way[0])
    y, x = np.indices((20, 30))
    away = np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1]).min(axis=-1)
    return np.asarray(away <= radius)


def test_a_nib_in_mm_is_an_ellipse_on_oblong_pixels():
    inked = Pen(reach=(0.5, 2.0)).draw([line((10, 10), (10, 10.1))], page(), 5)
    assert np.argwhere(inked).tolist() == [[10, x] for x in range(8, 13)]


def test_ink_stays_on_the_paper():
    paper = page()
    paper[:, 10:20] = False
    inked = Pen().draw([line((5, -40), (5, 60))], paper, 15)
    assert inked.sum() == 15 and not (inked & ~paper).any()
    assert set(np.nonzero(inked)[0]) == {5}


def test_the_next_line_is_drawn_when_the_first_is_too_short():
    inked = Pen().draw([line((2, 2), (2, 6)), line((9, 2), (9, 20))], page(), 12)
    assert inked[2].sum() == 5 and inked[9].sum() == 7


def test_pixels_passed_again_do_not_count():
    inked = Pen().draw(
        [line((2, 2), (2, 6)), line((2, 6), (2, 2)), line((8, 2), (8, 6))], page(), 8
    )
    assert inked[2].sum() == 5 and inked[8].sum() == 3


def test_endless_lines_that_never_suffice_end():
    inked = Pen().draw(itertools.repeat(line((2, 2), (2, 6))), page(), 25)
    assert inked.sum() == 25


def test_strokes_that_are_too_short_are_thickened_evenly():
    inked = Pen().draw([line((10, 5), (10, 24))], page(), 60)
    away = ndimage.distance_transform_edt(np.arange(20)[:, None] != np.full((1, 30), 10))
    assert inked.sum() == 60 and away[inked].max() <= 2
    assert inked[9:12, 5:25].sum() >= 56


def test_without_lines_the_deepest_pixel_is_labelled():
    paper = np.zeros((20, 30), dtype=bool)
    paper[3:10, 4:11] = True
    assert np.argwhere(Pen().draw([], paper, 1)).tolist() == [[6, 7]]


@pytest.mark.parametrize("wanted", [4, 5, 1000])
def test_no_more_than_the_paper_can_be_labelled(wanted):
    paper = np.zeros((20, 30), dtype=bool)
    paper[0, :4] = True
    np.testing.assert_array_equal(Pen().draw([line((0, 0), (0, 1))], paper, wanted), paper)
