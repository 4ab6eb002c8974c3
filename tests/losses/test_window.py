import itertools

import pytest
import torch

from weakseg.losses.window import band_index, half_window


@pytest.mark.parametrize(
    ("radius", "grid"), [(2, (6, 5)), (5, (3, 4)), (1, (3, 4, 2)), (5, (1, 1))]
)
def test_every_unordered_pair_is_met_once(radius, grid):
    number = torch.arange(torch.Size(grid).numel()).reshape(grid)
    met = []
    for pairs in half_window(radius, grid):
        met += torch.stack([number[pairs.here], number[pairs.there]], -1).flatten(0, -2).tolist()
    points = list(itertools.product(*(range(n) for n in grid)))
    near = {
        frozenset((i, j))
        for (i, a), (j, b) in itertools.product(enumerate(points), enumerate(points))
        if i != j and all(abs(x - y) <= radius for x, y in zip(a, b, strict=True))
    }
    assert len(met) == len(near)
    assert {frozenset(pair) for pair in met} == near


def test_partners_are_one_offset_apart():
    rows = torch.arange(7)[:, None].expand(7, 8)
    for pairs in half_window(3, (7, 8)):
        assert torch.all(rows[pairs.there] - rows[pairs.here] == pairs.offset[0])


@pytest.mark.parametrize("dims", [2, 3])
def test_band_index_is_row_major(dims):
    offsets = itertools.product(range(-2, 3), repeat=dims)
    assert [band_index(offset, 2) for offset in offsets] == list(range(5**dims))
