import numpy as np
import pytest
import torch

from weakseg.data.dataset import Sample
from weakseg.data.grid import Grid
from weakseg.data.random_walker import RandomWalker
from weakseg.types import IGNORE_INDEX


def plane(size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with three strokes."""
    random = np.random.default_rng(seed)
    image = random.random((1, size, size)).astype(np.float32)
    strokes = np.full((size, size), IGNORE_INDEX, np.uint8)
    strokes[0, 1:4], strokes[4, 2:6], strokes[7, :3] = 0, 1, 3
    return image, strokes


def directly(image: np.ndarray, strokes: np.ndarray, beta: float) -> np.ndarray:
    """Solve Grady's equations with dense matrices: class of the largest probability."""
    size = strokes.shape[0]
    data = (image[0].astype(np.float64) + 0.35) / 1.7 * 2 - 1
    nodes = size * size
    laplacian = np.zeros((nodes, nodes))
    for i in range(size):
        for j in range(size):
            for di, dj in ((0, 1), (1, 0)):
                if i + di < size and j + dj < size:
                    a, b = i * size + j, (i + di) * size + j + dj
                    difference = data[i, j] - data[i + di, j + dj]
                    w = np.exp(-beta * difference**2 / (10 * data.std())) + 1e-10
                    laplacian[[a, b], [b, a]] -= w
                    laplacian[[a, b], [a, b]] += w
    seeded = strokes.ravel() != IGNORE_INDEX
    classes = np.unique(strokes.ravel()[seeded])
    known = (strokes.ravel()[seeded][:, None] == classes).astype(float)
    free = ~seeded
    solved = np.linalg.solve(laplacian[free][:, free], -laplacian[free][:, seeded] @ known)
    made = strokes.ravel().copy()
    made[free] = classes[solved.argmax(1)]
    return made.reshape(size, size)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_those_of_a_dense_direct_solution(seed: int) -> None:
    image, strokes = plane(seed=seed)
    made = RandomWalker(beta=30.0).walk(image, strokes)
    assert np.array_equal(made, directly(image, strokes, 30.0))


def test_on_an_even_image_the_nearer_stroke_wins() -> None:
    image = np.full((1, 1, 9), 0.5, np.float32)
    image[0, 0, 0] = 0.5001
    strokes = np.full((1, 9), IGNORE_INDEX, np.uint8)
    strokes[0, 0], strokes[0, 8] = 2, 1
    made = RandomWalker(beta=1e-6).walk(image, strokes)[0]
    assert made[:4].tolist() == [2] * 4 and made[5:].tolist() == [1] * 4


def test_an_edge_is_not_crossed() -> None:
    image = np.zeros((1, 6, 12), np.float32)
    image[:, :, 9:] = 1
    strokes = np.full((6, 12), IGNORE_INDEX, np.uint8)
    strokes[2, 0], strokes[2, 11] = 0, 1
    made = RandomWalker().walk(image, strokes)
    assert np.array_equal(made, np.broadcast_to((np.arange(12) >= 9).astype(np.uint8), (6, 12)))


def test_missing_strokes_of_a_class_leave_the_others_at_work() -> None:
    image, strokes = plane()
    assert set(np.unique(RandomWalker().walk(image, strokes))) == {0, 1, 3}


def test_background_alone_is_background_and_nothing_else_is_made_up() -> None:
    image, strokes = plane()
    only = np.where(strokes == 0, np.uint8(0), np.uint8(IGNORE_INDEX))
    assert not RandomWalker().walk(image, only).any()
    single = np.where(strokes == 3, np.uint8(3), np.uint8(IGNORE_INDEX))
    assert np.array_equal(RandomWalker().walk(image, single), single)
    nothing = np.full_like(strokes, IGNORE_INDEX)
    assert np.array_equal(RandomWalker().walk(image, nothing), nothing)
    constant = np.full_like(image, 0.4)
    assert np.array_equal(RandomWalker().walk(constant, strokes), strokes)


def test_strokes_stay_and_unsure_pixels_stay_unlabelled() -> None:
    image, strokes = plane()
    made = RandomWalker(threshold=0.9).walk(image, strokes)
    drawn = strokes != IGNORE_INDEX
    assert np.array_equal(made[drawn], strokes[drawn])
    assert 0 < (made == IGNORE_INDEX).sum() < (~drawn).sum()


def test_a_case_is_walked_slice_by_slice_on_the_grid() -> None:
    image, strokes = plane(size=32)
    sample = Sample(np.stack([image, image], axis=1), None, np.stack([strokes] * 2), (5, 1, 1))
    grid = Grid(size=16)
    window = grid.window((32, 32), (1, 1))
    made = RandomWalker().labels(sample, grid, window, "case")
    assert made.shape == (2, 16, 16) and made.dtype == np.uint8
    kept = grid.label(torch.from_numpy(strokes[None]), window, IGNORE_INDEX)[0].numpy()
    drawn = kept != IGNORE_INDEX
    assert drawn.any()
    assert np.array_equal(made[0][drawn], kept[drawn])


def test_a_case_without_scribble_is_refused() -> None:
    sample = Sample(np.zeros((1, 1, 16, 16), np.float32), None, None, (1, 1, 1))
    grid = Grid(size=16)
    with pytest.raises(ValueError, match="no scribble"):
        RandomWalker().labels(sample, grid, grid.window((16, 16), (1, 1)), "case")
