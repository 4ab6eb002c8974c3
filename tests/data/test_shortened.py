import itertools

import numpy as np
import pytest

from weakseg.data.dataset import Sample
from weakseg.data.grid import Grid
from weakseg.data.shortened import Shortened
from weakseg.types import IGNORE_INDEX


def lines() -> np.ndarray:
    """A straight stroke of class 1, a bent one of class 2, a dot of class 0."""
    plane = np.full((24, 24), IGNORE_INDEX, np.uint8)
    plane[2, 2:18] = 1
    plane[8, 4:12], plane[8:16, 12] = 2, 2
    plane[20, 20] = 0
    return plane


def count(plane: np.ndarray) -> dict[int, int]:
    return {cls: int((plane == cls).sum()) for cls in (0, 1, 2)}


@pytest.mark.parametrize(("keep", "straight"), [(0.5, 8), (0.25, 4), (0.125, 2)])
def test_a_stroke_keeps_its_share_from_one_end(keep: float, straight: int) -> None:
    made = Shortened(keep=keep).cut(lines(), ("case", 0))
    kept = np.flatnonzero(made[2] == 1)
    assert len(kept) == straight
    assert np.array_equal(kept, np.arange(kept[0], kept[0] + straight))
    assert kept[0] == 2 or kept[-1] == 17
    assert count(made)[0] == 1


def test_the_length_of_a_bent_stroke_follows_the_bend() -> None:
    made = Shortened(keep=0.5).cut(lines(), ("case", 0)) == 2
    # Half of the way is at the corner, give or take the pixel there.
    assert made[8, 4:11].all() != made[10:16, 12].all()
    assert 7 <= made.sum() <= 9


def test_the_whole_is_the_scribble_and_less_is_a_part_of_more() -> None:
    plane = lines()
    assert np.array_equal(Shortened(keep=1.0).cut(plane, ("case", 3)), plane)
    parts = [Shortened(keep=k).cut(plane, ("case", 3)) != IGNORE_INDEX for k in (0.125, 0.25, 0.5)]
    assert all((less <= more).all() for less, more in itertools.pairwise(parts))


def test_ends_depend_on_seed_and_slice_alone() -> None:
    plane = lines()
    cut = [Shortened(keep=0.5, seed=s).cut(plane, ("case", z)) for s in range(4) for z in range(4)]
    assert len({one.tobytes() for one in cut}) > 2
    assert np.array_equal(Shortened(keep=0.5, seed=1).cut(plane, ("case", 0)), cut[4])


def test_thick_and_ring_shaped_strokes_are_cut_too() -> None:
    plane = np.full((20, 20), IGNORE_INDEX, np.uint8)
    y, x = np.indices(plane.shape) - 9.5
    plane[np.abs(np.hypot(y, x) - 7) < 1.2] = 1
    share = (Shortened(keep=0.5).cut(plane, ()) == 1).sum() / (plane == 1).sum()
    assert share == pytest.approx(0.5, abs=0.1)


def test_strokes_are_cut_before_they_are_put_on_the_grid() -> None:
    plane = lines()
    sample = Sample(np.zeros((1, 2, 24, 24), np.float32), None, np.stack([plane] * 2), (9, 1, 1))
    grid = Grid(size=16, spacing=1.0)
    window = grid.window((24, 24), (1.0, 1.0))
    made = Shortened(keep=0.5).labels(sample, grid, window, "case")
    native = Shortened(keep=0.5).cut(plane, ("case", 1))
    assert np.array_equal(made[1], native[4:20, 4:20])


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5])
def test_shares_out_of_range_are_refused(keep: float) -> None:
    with pytest.raises(ValueError, match="keep"):
        Shortened(keep=keep)
