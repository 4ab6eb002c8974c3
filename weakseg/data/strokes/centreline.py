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
_ROUNDS: Final = 20  # of pruning; each makes the axis simpler


def axis(mask: Mask, method: Thinning = "zhang", prune: float = 1.5) -> Mask:
    """Return the medial axis without branches shorter than ``prune`` times the depth they start at.

    Args:
        mask: bool [H, W].
        method: Zhang and Suen (CACM 1984), or Lee et al. (CVGIP 1994).
        prune: 0 keeps every branch.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    thin = _thinned(mask, method)
    for _ in range(_ROUNDS):
        spurs = _spurs(thin, depth, prune)
        if not spurs.any():
            break
        thin = _thinned(thin & ~spurs, method)
    return thin


def paths(mask: Mask, method: Thinning = "zhang", prune: float = 1.5) -> list[Curve]:
    """Return the medial axis as curves through its pixels: the longest one, then the branches."""
    left = axis(mask, method, prune)
    found = []
    while left.any():
        parts, count = ndimage.label(left, _TOUCHING)
        for index in range(1, count + 1):
            pixels = np.argwhere(parts == index)
            line = pixels[_longest(pixels)]
            left[tuple(line.T)] = False
            if len(line) > 1:
                found.append(line.astype(np.float64))
    return sorted(found, key=len, reverse=True)


def _thinned(mask: Mask, method: Thinning) -> Mask:
    thin = cast(Any, skeletonize)(mask, method=method)
    return np.asarray(thin > 0)


def _spurs(thin: Mask, depth: NDArray[np.float64], prune: float) -> Mask:
    """Return branches with a free end that are too short for the depth where they start."""
    neighbours = ndimage.convolve(thin.astype(np.uint8), _TOUCHING, mode="constant") - thin
    forks = thin & (neighbours > 2)
    spurs = np.zeros_like(thin)
    if not forks.any():
        return spurs
    parts, _ = ndimage.label(thin & ~forks, _TOUCHING)
    ends = set(parts[thin & (neighbours == 1)].tolist()) - {0}
    for index in ends:
        branch = parts == index
        touched = ndimage.binary_dilation(branch, _TOUCHING) & forks
        if touched.any() and branch.sum() < prune * depth[touched].max():
            spurs |= branch
    return spurs


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
