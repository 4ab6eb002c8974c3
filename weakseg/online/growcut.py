"""A proxy mask from clicks by fast grow-cut (spec sec. 3.7)."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from weakseg.online.annotation import AXES, Annotation, plane
from weakseg.online.proxy import Proxy

STEPS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
"""One of each pair of opposite steps to the 26 neighbours."""


@dataclass(frozen=True, kw_only=True)
class GrowCut:
    """Every voxel takes the label of the seed with the cheapest path to it.

    A step between two of the 26 neighbours costs the mean over the channels of their difference
    in intensity (released code), plus ``length`` times its length in voxels: ours, so that the
    nearer seed wins where the image is even. ``confident`` makes seeds of the voxels where the
    network's probability is above it, or below one minus it.
    """

    length: float = 1e-3
    confident: float | None = None

    def __post_init__(self) -> None:
        if self.length < 0:
            raise ValueError(f"length must be at least 0, got {self.length}")
        if self.confident is not None and not 0.5 < self.confident < 1:
            raise ValueError(f"confident must be between 0.5 and 1, got {self.confident}")


def grow_cut(
    image: NDArray[Any],
    annotation: Annotation,
    config: GrowCut,
    probs: NDArray[Any] | None = None,
) -> Proxy:
    """Grow clicks, and masks where there are any, into a mask of the volume.

    Args:
        image: float [M, D, H, W], z-scored.
        annotation: what was said so far; voxels beyond end marks are seeds outside the object.
        config: costs and seeds.
        probs: float [D, H, W] in [0, 1], for ``confident``.

    Returns:
        ``soft``: cost to the nearest seed outside over the sum of the costs to both kinds, above
        0.5 exactly in ``hard``; ``confidence``: |2 soft - 1| (ours). What the user said holds in
        all of them. Empty with confidence 0 elsewhere while seeds of one kind are missing.

    Raises:
        ValueError: the image has another shape than the annotation.
    """
    if image.shape[1:] != annotation.shape:
        raise ValueError(f"image {image.shape} and annotation {annotation.shape} differ")
    said, known = _said(annotation)
    inside, outside = known & said, known & ~said
    if config.confident is not None and probs is not None:
        inside |= ~known & (probs > config.confident)
        outside |= ~known & (probs < 1 - config.confident)
    soft = np.zeros(annotation.shape)
    confidence = np.zeros(annotation.shape)
    if inside.any() and outside.any():
        graph = _graph(np.nan_to_num(image.astype(np.float64)), config.length)
        near, far = (_costs(graph, seeds) for seeds in (inside, outside))
        both = near + far
        np.divide(far, both, out=soft, where=both > 0)
        confidence = np.abs(2 * soft - 1)
    soft[known], confidence[known] = said[known], 1
    single = soft.astype(np.float32)
    return Proxy(single, single > 0.5, confidence.astype(np.float32), 0, 0.0, ())


def _said(annotation: Annotation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the labels the user gave and where, bool [D, H, W] each; the latest click wins."""
    known = annotation.drawn()
    said: NDArray[np.bool_] = annotation.overwrite(np.zeros(annotation.shape, bool))
    for axis in AXES:
        first, last = annotation.bounds(axis)
        for index in {*range(annotation.shape[axis])} - {*range(first, last + 1)}:
            plane(known, axis, index)[...] = True
    for voxel, inside in annotation.points:
        known[voxel], said[voxel] = True, inside
    return said, known


def _graph(image: NDArray[np.float64], length: float) -> Any:
    """Return the costs between neighbours as a sparse matrix; each pair stands in it once."""
    shape = image.shape[1:]
    index = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    costs, starts, stops = [], [], []
    for step in STEPS:
        here = tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip(step, shape, strict=True))
        there = tuple(slice(max(0, d), n - max(0, -d)) for d, n in zip(step, shape, strict=True))
        difference = np.abs(image[(slice(None), *here)] - image[(slice(None), *there)]).mean(axis=0)
        costs.append((difference + length * np.linalg.norm(step)).ravel())
        starts.append(index[here].ravel())
        stops.append(index[there].ravel())
    pairs = np.concatenate(starts), np.concatenate(stops)
    return sparse.csr_array((np.concatenate(costs), pairs), shape=(index.size, index.size))


def _costs(graph: Any, seeds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the cost of the cheapest path from any seed, float64 [D, H, W]."""
    found: NDArray[np.float64] = csgraph.dijkstra(
        graph, directed=False, indices=np.flatnonzero(seeds), min_only=True
    )
    return found.reshape(seeds.shape)
