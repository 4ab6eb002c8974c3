from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from weakseg.online.demons import Demons, unfolded
from weakseg.online.fields import compose, folding, gradient, jacobian, smoothed, warp

SIZE = 55
FORCES = [Demons(), Demons(force="lncc")]


def disc(row: float, column: float, radius: float = 10, size: int = SIZE) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).float()


def scan(mask: Tensor, seed: int = 0) -> Tensor:
    grain = torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed))
    return smoothed((mask + 0.02 * grain)[None], 1.0)[0]


def batch(pairs: int = 9) -> tuple[Tensor, Tensor]:
    fixed = [scan(disc(24 + k % 5, 30 - k % 3, 9 + k % 4), k) for k in range(pairs)]
    return torch.stack(fixed), torch.stack([scan(disc(27, 27), 99)] * pairs)


def dice(one: Tensor, other: Tensor) -> float:
    return float(2 * (one * other).sum() / (one.sum() + other.sum()))


def shifted(rows: float, columns: float) -> Callable[[Tensor], Tensor]:
    return lambda grid: grid + torch.tensor([rows, columns])[:, None, None]


def turned(grid: Tensor) -> Tensor:
    middle = (SIZE - 1) / 2
    matrix = torch.tensor([[1.15, 0.12], [-0.12, 0.9]])
    return torch.einsum("ij,jhw->ihw", matrix, grid - middle) + middle


def waved(grid: Tensor) -> Tensor:
    return grid + 2.5 * torch.sin(grid.flip(0) / 6)


MOVES = [shifted(6, 0), shifted(-4, 4), turned, waved]


def moved(mask: Tensor, moves: Callable[[Tensor], Tensor]) -> Tensor:
    lines = torch.arange(float(SIZE))
    grid = torch.stack(torch.meshgrid(lines, lines, indexing="ij"))
    return warp(mask[None], (moves(grid) - grid)[None], "zeros")[0].round()


@pytest.mark.parametrize("demons", FORCES, ids=lambda d: d.force)
@pytest.mark.parametrize("moves", MOVES, ids=["shift", "diagonal", "affine", "wave"])
def test_a_known_movement_of_a_disc_is_found(
    demons: Demons, moves: Callable[[Tensor], Tensor]
) -> None:
    mask = disc(27, 27)
    there = moved(mask, moves)
    field = demons(scan(there)[None], scan(mask, 1)[None])
    assert dice(mask, there) < 0.95 <= dice(warp(mask[None], field, "zeros")[0].round(), there)


@pytest.mark.parametrize("demons", FORCES, ids=lambda d: d.force)
def test_a_slice_on_itself_does_not_move(demons: Demons) -> None:
    images = batch()[0]
    assert demons(images, images).abs().max() < 1e-6


@pytest.mark.parametrize("demons", FORCES, ids=lambda d: d.force)
def test_a_pair_alone_gets_the_bits_it_gets_in_any_batch(demons: Demons) -> None:
    fixed, moving = batch()
    together = demons(fixed, moving)
    alone = torch.cat([demons(fixed[[k]], moving[[k]]) for k in range(len(fixed))])
    backwards = demons(fixed.flip(0), moving.flip(0)).flip(0)
    assert torch.equal(together, alone) and torch.equal(together, backwards)


def test_the_chunk_changes_no_bit() -> None:
    pair = batch()
    assert torch.equal(Demons(chunk=1)(*pair), Demons(chunk=10**9)(*pair))


def test_the_coarsest_level_alone_finds_a_shift_in_pixels_of_the_image() -> None:
    blobs = [smoothed(disc(27, column)[None], 4.0) for column in (25, 29)]
    field = Demons(iterations=(60, 0, 0))(*blobs)
    assert field[0, 1, 27, 20:35].mean() == pytest.approx(4, abs=0.1)


def test_grain_does_not_hide_an_object_from_the_coarse_levels() -> None:
    grain = torch.rand((2, SIZE, SIZE), generator=torch.Generator().manual_seed(6))
    fixed, moving = disc(31, 27) + grain[0], disc(24, 27) + grain[1]
    field = Demons(iterations=(40, 0, 0))(fixed[None], moving[None])
    assert dice(warp(disc(24, 27)[None], field, "zeros")[0].round(), disc(31, 27)) > 0.9


def test_units_and_offsets_of_the_images_do_not_matter() -> None:
    fixed, moving = batch(3)
    field = Demons()(fixed, moving)
    torch.testing.assert_close(
        Demons()(700 * fixed - 40, 700 * moving - 40), field, atol=0.02, rtol=0
    )


@pytest.mark.parametrize("demons", [*FORCES, Demons(fluid=0, diffusion=0.5)])
def test_no_field_folds_even_where_nothing_matches(demons: Demons) -> None:
    grain = torch.rand((2, 6, 40, 44), generator=torch.Generator().manual_seed(3))
    field = demons(grain[0], grain[1])
    assert jacobian(field).min() > 0


@pytest.mark.parametrize("demons", FORCES, ids=lambda d: d.force)
@pytest.mark.parametrize("moves", MOVES, ids=["shift", "diagonal", "affine", "wave"])
def test_an_outline_goes_there_and_back_to_within_half_a_pixel(
    demons: Demons, moves: Callable[[Tensor], Tensor]
) -> None:
    mask = disc(27, 27)
    fixed, moving = scan(moved(mask, moves))[None], scan(mask, 1)[None]
    missed = compose(demons(fixed, moving), demons(moving, fixed)).norm(dim=1)
    assert missed[gradient(fixed).norm(dim=1) > 0.1].mean() < 0.5


def test_no_field_leaves_the_images_less_alike() -> None:
    fixed, moving = batch()
    field = Demons(iterations=(0, 0, 1), diffusion=0, fluid=0)(fixed, moving)
    grain = torch.rand((2, 9, SIZE, SIZE), generator=torch.Generator().manual_seed(4))
    for one, other, move in ((fixed, moving, field), (*grain, Demons()(*grain))):
        before = (one - other).abs().mean(dim=(1, 2))
        assert ((one - warp(other, move)).abs().mean(dim=(1, 2)) <= before + 1e-7).all()


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_slices_get_the_mirrored_field(axis: int) -> None:
    fixed, moving = batch(3)
    mirrored = Demons()(fixed.flip(axis), moving.flip(axis)).flip(axis + 1)
    mirrored[:, axis - 1] *= -1
    torch.testing.assert_close(mirrored, Demons()(fixed, moving), atol=0.02, rtol=0)


def test_turned_slices_get_the_turned_field() -> None:
    fixed, moving = batch(3)
    turned = Demons()(fixed.mT.contiguous(), moving.mT.contiguous()).mT.flip(1)
    torch.testing.assert_close(turned, Demons()(fixed, moving), atol=0.02, rtol=0)


def test_slices_without_contrast_do_not_move() -> None:
    flat = torch.full((2, 20, 20), 3.0)
    assert (Demons()(flat, flat) == 0).all() and Demons()(flat, flat * 2).isfinite().all()


def test_no_pairs_give_no_fields() -> None:
    assert Demons()(torch.zeros(0, 9, 7), torch.zeros(0, 9, 7)).shape == (0, 2, 9, 7)


def test_slices_of_few_pixels_are_registered() -> None:
    grain = torch.rand((2, 2, 3, 5), generator=torch.Generator().manual_seed(5))
    assert Demons()(grain[0], grain[1]).shape == (2, 2, 3, 5)


def test_a_folding_field_is_halved_until_it_does_not() -> None:
    rows = torch.arange(12.0)[:, None].expand(12, 12)
    folds = torch.stack((-1.5 * rows, torch.zeros(12, 12)))
    smooth = torch.stack((0.5 * rows, torch.zeros(12, 12)))
    result = unfolded(torch.stack((folds, smooth)))
    assert torch.equal(result[0], folds / 2) and torch.equal(result[1], smooth)
    assert folding(result).max() == 0


def test_slices_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="need two"):
        Demons()(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5))


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        Demons(window=4)
