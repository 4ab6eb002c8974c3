import heapq
import itertools

import numpy as np
import pytest

from weakseg.metrics import dice
from weakseg.online.annotation import Annotation, Ends, Mark, Point
from weakseg.online.growcut import GrowCut, grow_cut
from weakseg.online.oracle import Oracle, Request

SHAPE = (4, 6, 7)
INSIDE, OUTSIDE = Point((1, 1, 1), True), Point((3, 5, 6), False)


def said(*points: Point, marks: tuple[Mark, ...] = (), ends: tuple[Ends, ...] = ()) -> Annotation:
    return Annotation(SHAPE, marks, ends, points)


def noise(seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, *SHAPE)).astype(np.float32)


def cheapest(image: np.ndarray, seeds: list[tuple[int, int, int]], length: float) -> np.ndarray:
    """Dijkstra's algorithm with a heap, one voxel after the other."""
    cost = np.full(image.shape[1:], np.inf)
    queue = [(0.0, seed) for seed in seeds]
    for seed in seeds:
        cost[seed] = 0
    while queue:
        spent, at = heapq.heappop(queue)
        for step in itertools.product((-1, 0, 1), repeat=3):
            to = tuple(np.add(at, step))
            if step == (0, 0, 0) or any(
                not 0 <= t < n for t, n in zip(to, cost.shape, strict=True)
            ):
                continue
            jump = np.abs(
                image[(slice(None), *at)].astype(float) - image[(slice(None), *to)]
            ).mean()
            new = spent + jump + length * np.sqrt(np.square(step).sum())
            if new < cost[to]:
                cost[to] = new
                heapq.heappush(queue, (new, to))
    return cost


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [0.0, 0.1])
def test_every_voxel_takes_the_label_of_the_cheapest_seed(channels: int, length: float) -> None:
    points = [INSIDE, OUTSIDE, Point((0, 4, 3), True), Point((2, 0, 5), False)]
    image = noise(channels=channels)
    made = grow_cut(image, said(*points), GrowCut(length=length))
    near, far = (
        cheapest(image, [p.voxel for p in points if p.inside == inside], length)
        for inside in (True, False)
    )
    assert np.allclose(made.soft, far / (near + far), atol=1e-6)
    clear = np.abs(near - far) > 1e-5
    assert np.array_equal(made.hard[clear], (near < far)[clear])
    assert np.array_equal(made.hard, made.soft > 0.5)


def test_steps_between_equal_voxels_are_free_without_length() -> None:
    image = np.zeros((1, *SHAPE), np.float32)
    image[:, 2:] = 1
    made = grow_cut(image, said(INSIDE, OUTSIDE), GrowCut(length=0))
    assert made.hard[:2].all() and not made.hard[2:].any()
    assert (made.confidence == 1).all()


def test_on_an_even_image_the_nearer_seed_wins() -> None:
    ends = (Point((0, 0, 0), True), Point((0, 0, 6), False))
    made = grow_cut(np.zeros((1, *SHAPE), np.float32), said(*ends), GrowCut())
    assert made.hard[0, 0].tolist() == [True] * 3 + [False] * 4
    assert made.confidence[0, 0, 3] == 0


def test_an_even_image_without_length_is_outside_but_for_the_clicks() -> None:
    made = grow_cut(np.zeros((1, *SHAPE), np.float32), said(INSIDE, OUTSIDE), GrowCut(length=0))
    assert np.argwhere(made.hard).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("points", [(), (INSIDE,), (OUTSIDE,)])
def test_nothing_grows_while_seeds_of_a_kind_are_missing(points: tuple[Point, ...]) -> None:
    made = grow_cut(noise(), said(*points), GrowCut())
    assert made.hard.sum() == sum(point.inside for point in points)
    assert made.confidence.sum() == len(points)


def test_what_the_user_said_holds() -> None:
    mask = np.random.default_rng(3).random(SHAPE[1:]) < 0.5
    latest = Point((2, 3, 3), not mask[3, 3])
    annotation = said(INSIDE, OUTSIDE, latest, marks=(Mark(0, 2, mask),))
    made = grow_cut(noise(), annotation, GrowCut(confident=0.6), np.full(SHAPE, 0.9))
    wanted = mask.copy()
    wanted[3, 3] = latest.inside
    assert np.array_equal(made.soft[2], wanted.astype(np.float32))
    assert made.hard[1, 1, 1] and not made.hard[3, 5, 6]
    assert (made.confidence[2] == 1).all()


def test_nothing_lies_beyond_the_end_marks() -> None:
    made = grow_cut(noise(), said(INSIDE, ends=(Ends(0, 1, 2),)), GrowCut())
    assert not made.hard[[0, 3]].any() and made.hard[1:3].any()
    assert (made.confidence[[0, 3]] == 1).all()


def test_confident_voxels_of_the_network_are_seeds() -> None:
    probs = np.full(SHAPE, 0.5)
    probs[1, 1, 1], probs[3, 5, 6] = 0.95, 0.05
    grown = grow_cut(noise(), said(), GrowCut(confident=0.9), probs)
    clicked = grow_cut(noise(), said(INSIDE, OUTSIDE), GrowCut())
    assert np.array_equal(grown.hard, clicked.hard)
    assert not grow_cut(noise(), said(), GrowCut(), probs).hard.any()


def test_the_user_is_believed_before_a_confident_network() -> None:
    probs = np.full(SHAPE, 0.5)
    probs[OUTSIDE.voxel], probs[INSIDE.voxel] = 0.99, 0.01
    contradicted = grow_cut(noise(), said(INSIDE, OUTSIDE), GrowCut(confident=0.9), probs)
    alone = grow_cut(noise(), said(INSIDE, OUTSIDE), GrowCut())
    assert np.array_equal(contradicted.soft, alone.soft)


def test_voxels_that_are_not_numbers_do_no_harm() -> None:
    image = noise()
    image[0, 2] = np.nan
    made = grow_cut(image, said(INSIDE, OUTSIDE), GrowCut())
    assert np.isfinite(made.soft).all() and np.isfinite(made.confidence).all()


def test_an_object_that_stands_out_is_found_with_few_clicks() -> None:
    grid = np.moveaxis(np.indices((12, 24, 24)), 0, -1) - (6, 12, 12)
    ball = (grid**2).sum(axis=-1) < 5**2
    image = ball * 3 + np.random.default_rng(0).normal(size=ball.shape) * 0.3
    user = Oracle(clicking="random").meets(ball, (0,))
    annotation = user.answer(Request(points=6), Annotation(ball.shape))
    made = grow_cut(image[None].astype(np.float32), annotation, GrowCut())
    assert dice(made.hard, ball) > 0.9


@pytest.mark.parametrize(
    "wrong", [{"length": -1.0}, {"confident": 0.5}, {"confident": 1.0}], ids=str
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GrowCut(**wrong)


def test_image_and_annotation_share_their_shape() -> None:
    with pytest.raises(ValueError, match="differ"):
        grow_cut(np.zeros((1, 2, 2, 2)), said(), GrowCut())
