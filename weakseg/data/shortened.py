"""Strokes cut to a part of their length."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from weakseg.data.dataset import Sample
from weakseg.data.grid import Grid, Window
from weakseg.seeding import generator
from weakseg.types import IGNORE_INDEX


@dataclass(frozen=True, kw_only=True)
class Shortened:
    """The drawn strokes, each from one of its ends to the share ``keep`` of its length.

    A stroke is what touches, corners included, in one class of a slice; its length is measured
    inside it, between the two pixels that are furthest apart. Strokes of the same ``seed`` are
    cut at the same end, so that less is a part of more. At least one pixel stays.
    """

    keep: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep}")

    def labels(self, sample: Sample, grid: Grid, window: Window, case: str) -> NDArray[np.uint8]:
        """Return uint8 [D, S, S] on the grid; strokes are cut in the native slices.

        Raises:
            ValueError: the case has no scribble.
        """
        if sample.scribble is None:
            raise ValueError(f"{case} has no scribble to shorten")
        native = np.stack([self.cut(plane, (case, z)) for z, plane in enumerate(sample.scribble)])
        on_grid: NDArray[np.uint8] = grid.label(
            torch.from_numpy(native), window, IGNORE_INDEX
        ).numpy()
        return on_grid

    def cut(self, plane: NDArray[np.uint8], key: tuple[int | str, ...]) -> NDArray[np.uint8]:
        """Return a slice uint8 [H, W] with its strokes cut; ``key`` seeds the choice of ends."""
        made = np.full_like(plane, IGNORE_INDEX)
        for cls in np.unique(plane[plane != IGNORE_INDEX]):
            parts, _ = ndimage.label(plane == cls, np.ones((3, 3)))
            for index, box in enumerate(ndimage.find_objects(parts), start=1):
                stroke = parts[box] == index
                random = generator("shortened", self.seed, *key, int(cls), index)
                along = _distance_along(stroke, random.random() < 0.5)
                kept = stroke.copy()
                kept[stroke] = along <= self.keep * along.max()
                made[box][kept] = cls
        return made


def _distance_along(stroke: NDArray[np.bool_], other_end: bool) -> NDArray[np.float64]:
    """Return the distance inside a stroke of its pixels from one end, pixels, in row order."""
    number = np.full(np.add(stroke.shape, 2), -1)
    inner = number[1:-1, 1:-1]
    inner[stroke] = np.arange(stroke.sum())
    starts, ends, lengths = [], [], []
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shifted = np.roll(number, (-step[0], -step[1]), axis=(0, 1))[1:-1, 1:-1]
        touching = stroke & (shifted >= 0)
        starts.append(inner[touching])
        ends.append(shifted[touching])
        lengths.append(np.full(touching.sum(), np.hypot(*step)))
    size = int(stroke.sum())
    graph = sparse.coo_matrix(
        (np.concatenate(lengths), (np.concatenate(starts), np.concatenate(ends))), (size, size)
    ).tocsr()
    first = int(dijkstra(graph, directed=False, indices=0).argmax())
    along: NDArray[np.float64] = dijkstra(graph, directed=False, indices=first)
    if other_end:
        along = dijkstra(graph, directed=False, indices=int(along.argmax()))
    return along
