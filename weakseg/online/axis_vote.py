"""The volume that the drawn slices of one axis give by themselves (Sec. 3.4, 6.3)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.candidates import Candidate, warped
from weakseg.online.field_cache import FieldCache
from weakseg.online.neighbours import Neighbours, neighbours
from weakseg.online.propagation import Propagation
from weakseg.online.shape_interpolation import between, signed_distance

Soft = NDArray[np.float32]
Masks = Mapping[int, NDArray[np.bool_]]


class Vote(NamedTuple):
    """What one axis says of the volume.

    Attributes:
        soft: float32 [D, H, W] in [0, 1]; on the axis' drawn slices the user's masks.
        pairs: slice pairs registered now, not found in the cache.
        folding: share of folded pixels of each field used.
        fallbacks: one line for each slice of which a registration failed.
    """

    soft: Soft
    pairs: int
    folding: tuple[float, ...]
    fallbacks: tuple[str, ...]


def vote(
    image: Soft, annotation: Annotation, axis: int, config: Propagation, cache: FieldCache
) -> Vote:
    """Return the volume that the drawn slices of an axis give.

    Args:
        image: float32 [D, H, W].
        annotation: what the user said; the axis has a drawn, non-empty slice.
        axis: along which masks are carried.
        config: how.
        cache: fields of earlier rounds.
    """
    masks = {index: mask for index, mask in annotation.slices(axis).items() if mask.any()}
    distances = {index: signed_distance(mask) for index, mask in masks.items()}
    places = neighbours(annotation, axis)
    jobs = [(at.place, source) for at in places for source in _sources(at, config)]
    stack = np.moveaxis(image, axis, 0)
    candidates, pairs = warped(stack, masks, jobs, config.register, cache, config.mode == "chained")
    soft = np.zeros(annotation.shape, np.float32)
    slices = np.moveaxis(soft, axis, 0)
    for index, mask in masks.items():
        slices[index] = mask
    typical = _median([c.error for c in candidates.values() if not c.failure])
    fallbacks = []
    for at in places:
        found = {s: candidates[at.place, s] for s in _sources(at, config)}
        usable = {s: c for s, c in found.items() if not c.failure}
        moved = _weighted(at, usable, typical, config) if usable else None
        slices[at.place], rule = _completed(at, moved, masks, distances, config)
        if len(usable) < len(found):
            why = next(c.failure for c in found.values() if c.failure)
            fallbacks.append(f"axis {axis}, slice {at.place}: {why}, {rule} instead")
    return Vote(soft, pairs, tuple(c.folding for c in candidates.values()), tuple(fallbacks))


def _sources(at: Neighbours, config: Propagation) -> list[int]:
    if config.shape_share == 1:
        return []
    if config.fusion == "mean":
        return [at.nearest]
    return [source for source in (at.below, at.above) if source is not None]


def _weighted(
    at: Neighbours, usable: Mapping[int, Candidate], typical: float, config: Propagation
) -> Soft:
    """Return the mean [H, W] of candidates, weighted by nearness and agreement of the images."""
    total: Soft = np.zeros(1, np.float32)
    weights = 0.0
    for source, candidate in usable.items():
        agreement = float(np.exp(-candidate.error / typical)) if typical > 0 else 1.0
        near = 1 / abs(at.place - source)
        weight = near * agreement if config.fusion == "confidence" else 1.0
        total = total + np.float32(weight) * candidate.mask
        weights += weight
    return total / np.float32(weights)


def _completed(
    at: Neighbours,
    moved: Soft | None,
    masks: Masks,
    distances: Mapping[int, Soft],
    config: Propagation,
) -> tuple[Soft, str]:
    """Return the mask [H, W] of a slice with its share of shape, and what it was made by."""
    if at.below is None or at.above is None:
        if moved is None:
            return masks[at.nearest].astype(np.float32), f"copy of slice {at.nearest}"
        return moved, "the other neighbour"
    position = (at.place - at.below) / (at.above - at.below)
    shape = between(distances[at.below], distances[at.above], position)
    if moved is None:
        return shape, "shape interpolation"
    share = np.float32(config.shape_share)
    return (1 - share) * moved + share * shape, "the other neighbour"


def _median(errors: list[float]) -> float:
    return float(np.median(errors)) if errors else 0.0
