from typing import get_args

import numpy as np
import pytest

from weakseg.online.annotation import Annotation, Point
from weakseg.online.clicks import Clicking, clicks
from weakseg.online.oracle import Oracle, Request

SHAPE = (6, 12, 12)


def box() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 3:9, 3:9] = True
    return mask


def wrong() -> np.ndarray:
    """A mask that misses a large and a small part of the box, and has two spurious parts."""
    mask = box().astype(np.float32)
    mask[2:4, 3:6, 3:6] = 0
    mask[2:4, 8, 8] = 0
    mask[0, :3, :3] = mask[5, 11, 11] = 1
    return mask


def clicked(how: Clicking, count: int = 6, **changes) -> tuple[Point, ...]:
    default = {
        "reference": box(), "known": np.zeros(SHAPE, bool), "shown": wrong(),
        "residual": np.abs(wrong() - box()), "rng": np.random.default_rng(0),
    }  # fmt: skip
    return clicks(how, count, **(default | changes))


EVERY = pytest.mark.parametrize("how", get_args(Clicking))


@EVERY
@pytest.mark.parametrize("count", [1, 4, 7, 40])
def test_half_of_the_clicks_lie_inside_and_tell_the_truth(how: Clicking, count: int) -> None:
    points = clicked(how, count)
    assert sum(point.inside for point in points) == count - count // 2
    assert all(box()[point.voxel] == point.inside for point in points)


@EVERY
def test_no_voxel_is_clicked_twice_nor_one_that_is_known(how: Clicking) -> None:
    known = np.zeros(SHAPE, bool)
    known[2] = True
    points = clicked(how, 30, known=known)
    assert len({point.voxel for point in points}) == 30
    assert not any(known[point.voxel] for point in points)


@EVERY
def test_a_user_clicks_elsewhere_in_each_round_and_the_same_when_asked_again(how: Clicking) -> None:
    user = Oracle(clicking=how).meets(box(), (0,))
    request = Request(points=6, hint=np.abs(wrong() - box()), shown=wrong())
    first = user.answer(request, Annotation(SHAPE))
    second = user.answer(request, first)
    assert len({point.voxel for point in second.points}) == 12
    again = Oracle(clicking=how).meets(box(), (0,))
    assert again.answer(request, again.answer(request, Annotation(SHAPE))) == second


@EVERY
def test_the_first_round_which_has_no_residual_is_clicked_at_random(how: Clicking) -> None:
    points = clicked(how, residual=None, shown=None)
    assert points == clicked("random")


@EVERY
def test_where_both_ends_agree_clicks_fall_at_random(how: Clicking) -> None:
    points = clicked(how, residual=np.zeros(SHAPE), shown=box())
    assert len(points) == 6


@EVERY
def test_an_object_of_one_voxel_is_clicked_once(how: Clicking) -> None:
    dot = np.zeros(SHAPE, bool)
    dot[1, 1, 1] = True
    points = clicked(how, 8, reference=dot)
    assert [point.voxel for point in points if point.inside] == [(1, 1, 1)]
    assert len(points) == 5


def test_errors_on_show_are_clicked() -> None:
    points = clicked("error", residual=None)
    assert all((wrong()[point.voxel] > 0.5) != point.inside for point in points)


def test_disagreement_of_both_ends_is_clicked() -> None:
    residual = np.zeros(SHAPE)
    residual[3], residual[4] = 0.4, 0.7
    residual[3, 4:7, 4:7] = 0.8
    points = clicked("residual", 8, residual=residual)
    assert all(residual[point.voxel] > 0.5 for point in points)


def test_the_worst_voxels_are_clicked_first_and_equal_ones_in_their_order() -> None:
    residual = np.full(SHAPE, 0.1)
    residual[3, 5, 5], residual[2, 4, 4], residual[2, 4, 5] = 0.3, 0.9, 0.9
    inside = [point.voxel for point in clicked("worst", residual=residual) if point.inside]
    assert inside == [(2, 4, 4), (2, 4, 5), (3, 5, 5)]


def test_the_middles_of_the_largest_disagreements_are_clicked() -> None:
    block = np.zeros((5, 15, 15))
    block[1:4, 1:4, 1:4] = 1
    block[1:4, 8:13, 8:13] = 1
    points = clicked(
        "components", 4, reference=block > 0, residual=block, known=np.zeros(block.shape, bool),
        shown=None,
    )  # fmt: skip
    inside = [point.voxel for point in points if point.inside]
    assert inside[0] in {(2, y, x) for y in (9, 10, 11) for x in (9, 10, 11)}
    assert inside[1] == (2, 2, 2)


def test_voxels_that_touch_at_a_corner_are_one_region() -> None:
    chain = np.zeros(SHAPE)
    chain[2, 8, 8] = chain[3, 7, 7] = 1
    chain[3, 8, 3] = 1
    points = clicked("components", 4, residual=chain)
    inside = [point.voxel for point in points if point.inside]
    assert inside == [(2, 8, 8), (3, 8, 3)]


def test_clicks_of_later_rounds_do_not_stay_near_the_first() -> None:
    empty, near = np.zeros((20, 20, 20), bool), 0
    for key in range(30):
        user = Oracle(clicking="random").meets(empty, (key,))
        first = user.answer(Request(points=2), Annotation(empty.shape))
        second = user.answer(Request(points=2), first)
        a, b = (np.array(point.voxel) for point in second.points)
        near += np.abs(a - b).max() <= 2
    assert near < 5
