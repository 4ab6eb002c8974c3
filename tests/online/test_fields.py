import pytest
import torch
from scipy.ndimage import gaussian_filter

from weakseg.online.fields import compose, folding, gradient, jacobian, smoothed, warp


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_no_displacement_returns_the_image_bit_for_bit() -> None:
    image = noise(3, 55, 37)
    assert torch.equal(warp(image, torch.zeros(3, 2, 55, 37)), image)


def test_a_displacement_reads_the_image_at_the_moved_place() -> None:
    image = noise(1, 20, 30)
    field = torch.zeros(1, 2, 20, 30)
    field[:, 0], field[:, 1] = 2, -3
    torch.testing.assert_close(warp(image, field)[:, :18, 3:], image[:, 2:, :27])


@pytest.mark.parametrize(("padding", "value"), [("border", 1.0), ("zeros", 0.0)])
def test_outside_lies_the_border_or_zero(padding: str, value: float) -> None:
    field = torch.full((1, 2, 8, 8), 9.0)
    assert (warp(torch.ones(1, 8, 8), field, padding) == value).all()  # type: ignore[arg-type]


def test_warping_by_a_composed_field_is_warping_twice() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    image = torch.sin(rows / 6)[None] + torch.cos(columns / 7)
    first = torch.stack((torch.sin(columns / 8), torch.cos(rows / 9)))[None]
    second = torch.stack((torch.cos(columns / 9), torch.sin(rows / 7)))[None]
    once = warp(image, compose(first, second))
    twice = warp(warp(image, second), first)
    torch.testing.assert_close(once[:, 4:-4, 4:-4], twice[:, 4:-4, 4:-4], atol=0.01, rtol=0)


def test_the_gradient_of_a_plane_is_its_slope_up_to_the_edges() -> None:
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    slope = gradient((2 * rows - 3 * columns)[None])
    assert (slope[:, 0] == 2).all() and (slope[:, 1] == -3).all()


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_smoothing_is_the_gaussian_of_scipy(sigma: float) -> None:
    image = noise(2, 30, 25)
    radius = int(2 * sigma)
    for one, expected in zip(smoothed(image, sigma), image, strict=True):
        truth = gaussian_filter(expected.numpy(), sigma, mode="nearest", radius=radius)
        torch.testing.assert_close(one, torch.from_numpy(truth))


def test_the_jacobian_of_a_scaling_is_its_area() -> None:
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    determinant = jacobian(torch.stack((0.5 * rows, -0.25 * columns))[None])
    torch.testing.assert_close(determinant, torch.full((1, 9, 9), 1.5 * 0.75))


def test_folding_is_the_share_of_pixels_that_turn_over() -> None:
    rows = torch.arange(10.0)[:, None].expand(10, 10)
    mirrored = torch.stack((-2 * rows, torch.zeros(10, 10)))
    half = mirrored.clone()
    half[:, :, 5:] = 0
    fields = torch.stack((torch.zeros(2, 10, 10), mirrored, half))
    assert folding(fields)[:2].tolist() == [0, 1] and 0.4 <= folding(fields)[2] <= 0.6


def test_a_field_without_numbers_folds_everywhere() -> None:
    assert folding(torch.full((1, 2, 6, 6), torch.nan)).item() == 1
