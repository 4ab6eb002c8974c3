import numpy as np
import pytest
import torch

from tests.online.test_demons import disc
from weakseg.online.shape_interpolation import between, signed_distance

SMALL = disc(10, 10, 3, 21).numpy() > 0
LARGE = disc(10, 10, 7, 21).numpy() > 0


def test_the_distance_is_half_a_pixel_on_both_sides_of_the_outline() -> None:
    mask = np.zeros((1, 6), bool)
    mask[:, :3] = True
    assert signed_distance(mask).tolist() == [[2.5, 1.5, 0.5, -0.5, -1.5, -2.5]]


def test_half_way_between_two_discs_lies_the_disc_between() -> None:
    middle = between(signed_distance(SMALL), signed_distance(LARGE), 0.5) > 0.5
    expected = disc(10, 10, 5, 21).numpy() > 0
    assert np.abs(middle.sum() / expected.sum() - 1) < 0.1
    assert (middle >= SMALL).all() and (middle <= LARGE).all()


def test_the_soft_mask_is_the_logistic_of_twice_the_distance() -> None:
    distance = np.array([[2.5, 0.5, -0.5]], np.float32)
    expected = 1 / (1 + np.exp(-2 * (distance - 0.5)))
    np.testing.assert_allclose(between(distance, distance - 1, 0.5), expected, rtol=1e-5)


@pytest.mark.parametrize(("position", "expected"), [(0, SMALL), (1, LARGE)])
def test_each_end_is_its_own_mask(position: float, expected: np.ndarray) -> None:
    soft = between(signed_distance(SMALL), signed_distance(LARGE), position)
    assert ((soft > 0.5) == expected).all()


@pytest.mark.parametrize("value", [True, False])
def test_a_mask_without_outline_is_far_inside_or_outside(value: bool) -> None:
    distance = signed_distance(np.full((4, 5), value))
    assert np.isfinite(distance).all() and ((distance > 0) == value).all()


def test_a_mirrored_shape_gives_the_mirrored_mask() -> None:
    one = disc(8, 9, 4, 21).numpy() > 0
    soft = between(signed_distance(one), signed_distance(LARGE), 0.3)
    mirrored = between(signed_distance(one[::-1]), signed_distance(LARGE[::-1]), 0.3)
    torch.testing.assert_close(torch.tensor(mirrored[::-1].copy()), torch.tensor(soft))
