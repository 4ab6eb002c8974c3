from typing import get_args

import numpy as np
import pytest

from weakseg.online.annotation import Annotation, Mark, Point
from weakseg.online.loss_weights import Kind, LossWeights, weights

SHAPE = (5, 6, 7)
IMAGE = np.random.default_rng(1).random((2, *SHAPE), np.float32)
PROXY = np.random.default_rng(2).random(SHAPE, np.float32)
PROBS = np.random.default_rng(3).random(SHAPE, np.float32)


def mark(axis, index):
    return Mark(axis, index, np.ones(SHAPE[:axis] + SHAPE[axis + 1 :], bool))


def annotated(*slices, points=()):
    return Annotation(
        SHAPE, tuple(mark(*s) for s in slices), points=tuple(Point(p, True) for p in points)
    )


def weighted(kind, annotation, **options):
    config = LossWeights(kind=kind, **options)
    return weights(config, annotation=annotation, proxy=PROXY, probs=PROBS, image=IMAGE)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize(
    "annotation",
    [annotated(), annotated((0, 2)), annotated((0, 1), (1, 3), (2, 0), points=[(0, 5, 6)])],
)
def test_weights_are_finite_and_not_negative(kind, annotation):
    got = weighted(kind, annotation)
    assert got.dtype == np.float32
    assert got.shape == SHAPE
    assert np.isfinite(got).all()
    assert (got >= 0).all()


def test_slice_emphasis_is_one_plus_lambda_on_drawn_slices_and_one_elsewhere():
    annotation = annotated((0, 2), (2, 1))
    got = weighted("slice-emphasis", annotation, emphasis=0.5)
    assert set(np.unique(got)) == {1.0, 1.5}
    np.testing.assert_array_equal(got == 1.5, annotation.drawn())


def test_slice_only_is_the_drawn_slices():
    annotation = annotated((1, 2))
    np.testing.assert_array_equal(weighted("slice-only", annotation), annotation.drawn())


def test_inverse_distance_falls_with_the_slices_from_a_drawn_one():
    got = weighted("inverse-distance", annotated((0, 1)))
    np.testing.assert_allclose(got[:, 0, 0], [1 / 2, 1, 1 / 2, 1 / 3, 1 / 4])


def test_inverse_distance_takes_the_nearest_of_the_axes():
    got = weighted("inverse-distance", annotated((0, 0), (2, 6)))
    assert got[3, 0, 5] == pytest.approx(1 / 2)
    assert got[1, 0, 2] == pytest.approx(1 / 2)


def test_neighbourhood_is_where_every_drawn_axis_is_near():
    got = weighted("neighbourhood", annotated((0, 0), (2, 0)), radius=2)
    expected = np.zeros(SHAPE)
    expected[:3, :, :3] = 1
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", ["inverse-distance", "neighbourhood", "geodesic"])
def test_nowhere_is_preferred_while_nothing_is_drawn(kind):
    assert (weighted(kind, annotated()) == 1).all()


def test_residual_and_product_compare_proxy_and_network():
    np.testing.assert_allclose(weighted("residual", annotated()), np.abs(PROXY - PROBS))
    np.testing.assert_allclose(weighted("product", annotated()), 1 - PROXY * PROBS)


def test_residual_is_zero_where_proxy_and_network_agree():
    got = weights(
        LossWeights(kind="residual"), annotation=annotated(), proxy=PROXY, probs=PROXY, image=IMAGE
    )
    assert (got == 0).all()


def test_geodesic_is_one_at_the_slices_and_one_half_farthest_away():
    annotation = annotated((0, 2))
    got = weighted("geodesic", annotation)
    assert (got[annotation.drawn()] == 1).all()
    assert got.min() == pytest.approx(0.5)


def test_points_are_weighted_like_slices():
    annotation = annotated((0, 1), points=[(3, 4, 5), (0, 0, 0)])
    clicked = np.zeros(SHAPE, bool)
    clicked[3, 4, 5] = clicked[0, 0, 0] = True
    np.testing.assert_array_equal(weighted("point-only", annotation), clicked)
    np.testing.assert_array_equal(
        weighted("point-emphasis", annotation, emphasis=2), 1 + 2 * clicked
    )
    np.testing.assert_array_equal(weighted("point-geodesic", annotation) == 1, clicked)


@pytest.mark.parametrize(
    "wrong", [{"kind": "gradient"}, {"emphasis": -1.0}, {"emphasis": float("nan")}, {"radius": -1}]
)
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        LossWeights(**wrong)
