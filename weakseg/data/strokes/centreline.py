"""Centre lines of objects: medial axes, pruned, as curves."""

from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree
from skimage.morphology import skeletonize

from weakseg.data.curves import Curve, Mask

Thinning = Literal["zhang", "lee"]

_TOUCHING: Final = np.ones((3, 3), dtype=np.uint8)
_ROUNDS: Final = 30  # of pruning; each makes the axis simpler
_PINHOLE: Final = 4  # pixels, the largest hole that is taken for noise
_STEEP: Final = 0.6  # rise of depth along a line, below that into a right angle's corner, 0.7
_ALIKE: Final = 1.5  # lengths of branches that go at once


def axis(mask: Mask, method: Thinning = "zhang", prune: float = 1.5) -> Mask:
    """Return the medial axis without branches shorter than ``prune`` times the depth they start at.

    Args:
        mask: bool [H, W].
        method: Zhang and Suen (CACM 1984), or Lee et al. (CVGIP 1994).
        prune: 0 keeps every branch.
    """
    depth = _depth(mask)
    thin = _thinned(_filled(mask) if prune > 0 else mask, method)
    for _ in range(_ROUNDS):
        spurs = _spurs(thin, depth, prune)
        if not spurs.any():
            break
        thin = _thinned(thin & ~spurs, method)
    return thin


def paths(mask: Mask, method: Thinning = "zhang", prune: float = 1.5) -> list[Curve]:
    """Return the medial axis as curves through its pixels: the longest one, then the branches.

    Ends that turn into a corner of the mask are cut off, unless nothing is pruned.
    """
    left = axis(mask, method, prune)
    depth = _depth(mask)
    found = []
    while left.any():
        parts, count = ndimage.label(left, _TOUCHING)
        for index in range(1, count + 1):
            pixels = np.argwhere(parts == index)
            line = pixels[_longest(pixels)]
            left[tuple(line.T)] = False
            if prune > 0:
                line = _unhooked(_unhooked(line, depth)[::-1], depth)
            if len(line) > 1:
                found.append(line.astype(np.float64))
    return sorted(found, key=len, reverse=True)


def _thinned(mask: Mask, method: Thinning) -> Mask:
    thin = cast(Any, skeletonize)(mask, method=method)
    return np.asarray(thin > 0)


def _depth(mask: Mask) -> NDArray[np.float64]:
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1])


def _filled(mask: Mask) -> Mask:
    """Fill pinholes, around each of which the axis would make a loop."""
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    sizes = np.bincount(holes.ravel())
    return np.asarray(mask | ((holes > 0) & (sizes[holes] <= _PINHOLE)))


def _unhooked(line: NDArray[np.int64], depth: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a line without the part at its start along which the depth rises steeply."""
    along = np.hypot(*(line - line[0]).T)
    rise = depth[tuple(line.T)] - depth[tuple(line[0])]
    steep = np.flatnonzero(rise[1:] > _STEEP * along[1:])
    return line[steep[-1] + 1 :] if len(steep) else line


def _spurs(thin: Mask, depth: NDArray[np.float64], prune: float) -> Mask:
    """Return the branches to take away next: too short for the depth where they start.

    Of these, only those not much longer than the shortest: where a branch of a fork went alone,
    the other one would count as the line's end ever after.
    """
    neighbours = ndimage.convolve(thin.astype(np.uint8), _TOUCHING, mode="constant") - thin
    forks = thin & (neighbours > 2)
    parts, _ = ndimage.label(thin & ~forks, _TOUCHING)
    short = {}
    for index in set(parts[thin & (neighbours == 1)].tolist()) - {0}:
        branch = parts == index
        touched = ndimage.binary_dilation(branch, _TOUCHING) & forks
        if touched.any() and branch.sum() < prune * depth[touched].max():
            short[index] = int(branch.sum())
    limit = _ALIKE * min(short.values(), default=0) + 1
    return np.isin(parts, [index for index, size in short.items() if size <= limit])


def _longest(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices along the longest of the shortest ways between connected pixels."""
    pairs = KDTree(pixels).query_pairs(1.5, output_type="ndarray")
    apart = np.hypot(*(pixels[pairs[:, 0]] - pixels[pairs[:, 1]]).T)
    graph = sparse.coo_matrix((apart, tuple(pairs.T)), (len(pixels), len(pixels))).tocsr()
    first = int(dijkstra(graph, directed=False, indices=0).argmax())
    along, before = dijkstra(graph, directed=False, indices=first, return_predecessors=True)
    way = [int(along.argmax())]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    return np.array(way)
