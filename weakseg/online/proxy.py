"""The proxy mask: a whole volume from the slices that the user drew (Sec. 3.4, 6.3)."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.axis_vote import Vote, vote
from weakseg.online.field_cache import FieldCache
from weakseg.online.neighbours import neighbours, possible
from weakseg.online.propagation import COPY, PARITY, SHAPE, Propagation

__all__ = ["COPY", "PARITY", "SHAPE", "FieldCache", "Propagation", "Proxy", "propagate"]

REACH: Final = 4.0
"""Slices beyond the last drawn one at which an unbounded mask keeps half its value (Sec. 6.3)."""


class Proxy(NamedTuple):
    """What :func:`propagate` makes of the drawn slices.

    Attributes:
        soft: float32 [D, H, W] in [0, 1].
        hard: bool [D, H, W], soft above 0.5.
        confidence: float32 [D, H, W] in [0, 1]; 1 on drawn slices and beyond end marks, else
            1 / (1 + slices to the nearest drawn one) x (1 - variance over the axes) (Sec. 6.3).
        pairs: slice pairs registered now, not found in the cache.
        folding: share of folded pixels, mean over the fields used.
        fallbacks: one line for each slice of which a registration failed, with what replaced it.
    """

    soft: NDArray[np.float32]
    hard: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    pairs: int
    folding: float
    fallbacks: tuple[str, ...]


def propagate(
    image: NDArray[np.float32],
    annotation: Annotation,
    config: Propagation,
    cache: FieldCache | None = None,
) -> Proxy:
    """Return the volume that the drawn slices give, carried along each axis that has some.

    Empty slices are never a source; they and end marks bound the object. Drawn slices always keep
    the user's mask. Without any drawn mask the proxy is empty and its confidence 0. The masks do
    not depend on what ``cache`` holds, not in one bit.

    Args:
        image: float32 [M, D, H, W]; channel 0 is registered.
        annotation: what the user said.
        config: how to propagate.
        cache: fields of earlier rounds of the case.

    Raises:
        ValueError: image and annotation differ in shape.
    """
    if image.shape[1:] != annotation.shape:
        raise ValueError(f"image {image.shape} for an annotation of {annotation.shape}")
    axes = [a for a in annotation.axes() if any(m.any() for m in annotation.slices(a).values())]
    if not axes:
        empty = np.zeros(annotation.shape, np.float32)
        return Proxy(empty, empty > 0, empty.copy(), 0, 0.0, ())
    fields = FieldCache() if cache is None else cache
    votes = {axis: vote(image[0], annotation, axis, config, fields) for axis in axes}
    weighted = config.fusion == "confidence"
    soft = _fused(votes, annotation, weighted)
    if weighted and len(axes) == 1:
        _fade(soft, annotation, axes[0])
    soft = _bounded(soft, annotation)
    folds = [share for one in votes.values() for share in one.folding]
    return Proxy(
        soft=soft,
        hard=soft > 0.5,
        confidence=_confidence(votes, annotation),
        pairs=sum(one.pairs for one in votes.values()),
        folding=float(np.mean(folds)) if folds else 0.0,
        fallbacks=tuple(line for one in votes.values() for line in one.fallbacks),
    )


def _fused(votes: dict[int, Vote], annotation: Annotation, weighted: bool) -> NDArray[np.float32]:
    """Return the mean over the axes, float32 [D, H, W]; each weighs 1 / (1 + distance)."""
    total, weights = np.zeros(annotation.shape, np.float32), np.zeros((1, 1, 1), np.float32)
    for axis, one in votes.items():
        weight = _nearness(annotation, axis) if weighted else np.ones((1, 1, 1), np.float32)
        total += weight * one.soft
        weights = weights + weight
    return total / weights


def _fade(soft: NDArray[np.float32], annotation: Annotation, axis: int) -> None:
    """Lower what lies beyond the last drawn slice, where neither user nor other axes end it."""
    slices = np.moveaxis(soft, axis, 0)
    for at in neighbours(annotation, axis):
        if not at.bounded and (at.below is None or at.above is None):
            slices[at.place] /= 1 + abs(at.place - at.nearest) / REACH


def _bounded(soft: NDArray[np.float32], annotation: Annotation) -> NDArray[np.float32]:
    for axis in range(3):
        np.moveaxis(soft, axis, 0)[~possible(annotation, axis)] = 0
    bounded: NDArray[np.float32] = annotation.overwrite(soft)
    return bounded


def _confidence(votes: dict[int, Vote], annotation: Annotation) -> NDArray[np.float32]:
    near = np.zeros(annotation.shape, np.float32)
    for axis in votes:
        near = np.maximum(near, _nearness(annotation, axis))
    agreement = 1 - np.var([one.soft for one in votes.values()], axis=0)
    confidence: NDArray[np.float32] = near * agreement
    for axis in {end.axis for end in annotation.ends}:
        first, last = annotation.bounds(axis)
        beyond = np.moveaxis(confidence, axis, 0)
        beyond[:first] = beyond[last + 1 :] = 1
    confidence[annotation.drawn()] = 1
    return confidence


def _nearness(annotation: Annotation, axis: int) -> NDArray[np.float32]:
    """Return 1 / (1 + slices to the nearest drawn one), to broadcast over [D, H, W]."""
    shape = [1, 1, 1]
    shape[axis] = -1
    near: NDArray[np.float32] = (1 / (1 + annotation.distance(axis))).astype(np.float32)
    return near.reshape(shape)
