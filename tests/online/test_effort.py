import numpy as np
import pytest
from skimage import measure, segmentation

from weakseg.online.annotation import AXES, Annotation, Mark, Point, plane
from weakseg.online.effort import (
    TimeModel,
    boundary_by_slice,
    boundary_pixels,
    contour_length,
    effort,
    full_effort,
)
from weakseg.online.oracle import FullAnnotation, Oracle, Request

SPACING = (3.0, 0.5, 0.8)


def volume(seed: int = 0, shape: tuple[int, int, int] = (5, 9, 11)) -> np.ndarray:
    """Random voxels, so that outlines have every shape, and an empty slice at either end."""
    made = np.random.default_rng(seed).random(shape) < 0.6
    made[[0, -1]] = False
    return made


def annotated(*asked: tuple[int, int], ends: tuple[int, ...] = ()) -> Annotation:
    user = Oracle().meets(volume(), (0,))
    return user.answer(Request(asked, ends), Annotation(volume().shape))


def counted(mask: np.ndarray) -> int:
    """Count the foreground pixels that have a background 4-neighbour, one by one."""
    found = 0
    for y, x in zip(*np.nonzero(mask), strict=True):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        there = [(a, b) for a, b in around if 0 <= a < mask.shape[0] and 0 <= b < mask.shape[1]]
        found += any(not mask[at] for at in there)
    return found


@pytest.mark.parametrize("density", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_boundary_pixels_are_those_of_a_count_one_by_one(density: float) -> None:
    mask = np.random.default_rng(1).random((12, 17)) < density
    assert boundary_pixels(mask) == counted(mask)


def test_boundary_pixels_are_those_of_the_released_code() -> None:
    for seed in range(20):
        mask = np.random.default_rng(seed).random((12, 17)) < 0.7
        label = mask.astype(np.int32)
        assert boundary_pixels(mask) == (label & segmentation.find_boundaries(label)).sum()


def test_boundary_pixels_of_slices_are_summed_over_all_axes() -> None:
    asked = ((0, 2), (1, 4), (2, 7), (2, 3))
    wanted = sum(counted(plane(volume(), axis, index)) for axis, index in asked)
    assert effort(annotated(*asked), SPACING).boundary == wanted


def test_boundary_by_slice_counts_a_soft_mask_at_one_half() -> None:
    soft = volume() * 0.4 + 0.2
    for axis in AXES:
        wanted = [counted(plane(volume(), axis, i)) for i in range(volume().shape[axis])]
        assert boundary_by_slice(soft, axis).tolist() == wanted


def test_an_empty_slice_costs_no_pixel_and_one_action() -> None:
    cost = effort(annotated((0, 0)), SPACING)
    assert (cost.boundary, cost.slices, cost.actions, cost.contour_mm) == (0, 0, 1, 0)
    assert cost.seconds == TimeModel().empty[0]


def test_end_marks_cost_two_actions_an_axis_and_no_pixel() -> None:
    cost = effort(annotated(ends=(0, 1)), SPACING)
    assert (cost.boundary, cost.slices, cost.actions) == (0, 0, 4)


def test_a_click_is_one_action() -> None:
    annotation = Annotation((5, 9, 11)).extended(points=[Point((1, 1, 1), True)] * 3)
    cost = effort(annotation, SPACING)
    assert (cost.boundary, cost.actions) == (0, 3)
    assert cost.seconds == pytest.approx(3 * TimeModel().click[0])


def test_nothing_said_costs_nothing() -> None:
    assert effort(Annotation((5, 9, 11)), SPACING) == (0,) * 7


def test_full_annotation_saves_nothing() -> None:
    user = FullAnnotation().meets(volume(), (0,))
    drawn = user.answer(Request(), Annotation(volume().shape))
    assert effort(drawn, SPACING) == full_effort(volume(), SPACING)


def test_full_effort_is_that_of_all_axial_slices() -> None:
    full = full_effort(volume(), SPACING)
    assert full.boundary == sum(counted(mask) for mask in volume())
    assert (full.slices, full.actions) == (3, 5)


def test_contours_are_those_of_marching_squares() -> None:
    for seed in range(20):
        mask = np.random.default_rng(seed).random((9, 13)) < 0.1 + seed / 25
        lines = measure.find_contours(np.pad(mask, 1).astype(float), 0.5)
        wanted = sum(np.linalg.norm(np.diff(n, axis=0) * (0.5, 0.8), axis=1).sum() for n in lines)
        assert contour_length(mask, (0.5, 0.8)) == pytest.approx(wanted)


def test_the_contour_of_a_disc_is_near_its_circumference() -> None:
    y, x = np.indices((101, 101)) - 50
    length = contour_length(y**2 + x**2 < 40**2, (0.5, 0.5))
    assert length == pytest.approx(np.pi * 40, rel=0.07)


def test_contours_are_measured_in_the_plane_of_their_slice() -> None:
    ones = np.ones((4, 6, 8), bool)
    for axis, sides in ((0, (3.0, 6.4)), (1, (12.0, 6.4)), (2, (12.0, 3.0))):
        mark = Mark(axis, 0, plane(ones, axis, 0))
        length = effort(Annotation((4, 6, 8), (mark,)), SPACING).contour_mm
        assert length == pytest.approx(2 * sum(sides), rel=0.2)


def test_times_are_those_of_the_studies_they_come_from() -> None:
    times = TimeModel()
    best, low, high = (times.start[i] + 133 * times.per_mm[i] for i in range(3))
    assert best == pytest.approx(16, abs=0.5)
    assert low == pytest.approx(15 - 3.9, abs=0.6)
    assert high == pytest.approx(564 / 14.8, abs=0.5)


def test_seconds_are_the_priced_sum_of_all_actions() -> None:
    times = TimeModel(
        start=(1, 1, 1), per_mm=(0, 0, 2), empty=(10, 10, 10), end=(100, 100, 100),
        click=(1000, 1000, 1000),
    )  # fmt: skip
    said = annotated((0, 0), (0, 2), (1, 3), ends=(0,)).extended(points=[Point((0, 0, 0), False)])
    cost = effort(said, SPACING, times)
    assert cost.seconds == cost.seconds_low == 1212
    assert cost.seconds_high == pytest.approx(1212 + 2 * cost.contour_mm)


def test_a_price_lies_within_its_interval() -> None:
    with pytest.raises(ValueError, match="click"):
        TimeModel(click=(1.0, 2.0, 3.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, float("nan"), 1.0)])
def test_a_spacing_is_three_positive_numbers(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacing"):
        effort(annotated(), spacing)
