"""The proxy mask: a whole volume from the slices that the user drew (Sec. 3.4, 6.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.candidates import Candidate, warped
from weakseg.online.field_cache import FieldCache
from weakseg.online.neighbours import Neighbours, neighbours, possible
from weakseg.online.registration import Copy, Demons, Register
from weakseg.online.shape_interpolation import between, signed_distance

__all__ = ["COPY", "PARITY", "SHAPE", "FieldCache", "Propagation", "Proxy", "propagate"]

REACH: Final = 4.0
"""Slices beyond the last drawn one at which an unbounded mask has lost half its weight."""


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """How drawn slices become a volume; the defaults are ours (Sec. 6.3).

    Attributes:
        register: brings one slice onto another.
        mode: register each slice with the drawn one itself, or from neighbour to neighbour.
        fusion: "mean": the nearest drawn slice of each axis, mean over the axes (released code);
            "confidence": both neighbours, weighted by nearness and by how well they registered,
            axes weighted by nearness.
        shape_share: weight of shape interpolation between two drawn slices; 1 registers nothing.
    """

    register: Register = field(default_factory=Demons)
    mode: Literal["direct", "chained"] = "direct"
    fusion: Literal["mean", "confidence"] = "confidence"
    shape_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.shape_share <= 1:
            raise ValueError(f"shape_share must lie in 0..1, got {self.shape_share}")


PARITY: Final = Propagation(fusion="mean", shape_share=0)
"""The released code's rule (Sec. 3.4), with demons in the place of SyN."""
COPY: Final = Propagation(register=Copy(), fusion="mean", shape_share=0)
"""The first trivial baseline: the nearest drawn mask, copied."""
SHAPE: Final = Propagation(register=Copy(), fusion="mean", shape_share=1)
"""The second trivial baseline: shape interpolation, beyond the last drawn slice its copy."""


class Proxy(NamedTuple):
    """What :func:`propagate` makes of the drawn slices.

    Attributes:
        soft: float32 [D, H, W] in [0, 1].
        hard: bool [D, H, W], soft above 0.5.
        confidence: float32 [D, H, W] in [0, 1]; 1 on drawn slices.
        pairs: slice pairs registered now, not found in the cache.
        folding: share of folded pixels, mean over the pairs used.
        fallbacks: one line for each slice whose registration failed.
    """

    soft: NDArray[np.float32]
    hard: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    pairs: int
    folding: float
    fallbacks: tuple[str, ...]


class _Vote(NamedTuple):
    soft: NDArray[np.float32]
    pairs: int
    folding: list[float]
    fallbacks: list[str]


def propagate(
    image: NDArray[np.float32],
    annotation: Annotation,
    config: Propagation,
    cache: FieldCache | None = None,
) -> Proxy:
    """Return the volume that the drawn slices give, by registration along each drawn axis.

    Empty slices are never a source; they and end marks bound the object. Drawn slices always keep
    the user's mask. Without any drawn mask the proxy is empty and its confidence 0. The result
    depends on the arguments only, not on what ``cache`` holds.

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
    cache = FieldCache() if cache is None else cache
    votes = [_vote(image[0], annotation, axis, config, cache) for axis in axes]
    soft, confidence = _fused([vote.soft for vote in votes], annotation, axes, config)
    folds = [share for vote in votes for share in vote.folding]
    return Proxy(
        soft,
        soft > 0.5,
        confidence,
        sum(vote.pairs for vote in votes),
        float(np.mean(folds)) if folds else 0.0,
        tuple(line for vote in votes for line in vote.fallbacks),
    )


def _vote(
    image: NDArray[np.float32],
    annotation: Annotation,
    axis: int,
    config: Propagation,
    cache: FieldCache,
) -> _Vote:
    """Return the soft mask of one axis, float32 [D, H, W], drawn slices included."""
    masks = {index: mask for index, mask in annotation.slices(axis).items() if mask.any()}
    places = neighbours(annotation, axis)
    jobs = [(at.place, source) for at in places for source in _sources(at, config)]
    stack = np.moveaxis(image, axis, 0)
    candidates, pairs = warped(stack, masks, jobs, config.register, cache, config.mode == "chained")
    distances = {index: signed_distance(mask) for index, mask in masks.items()}
    typical = _median([c.error for c in candidates.values() if not c.reason])
    soft = np.zeros(annotation.shape, np.float32)
    slices = np.moveaxis(soft, axis, 0)
    fallbacks = []
    for at in places:
        own = {s: candidates[at.place, s] for s in _sources(at, config)}
        slices[at.place], failed = _mixed(at, own, masks, distances, typical, config)
        if failed:
            fallbacks.append(f"axis {axis} slice {at.place}: {failed}")
    for index, mask in masks.items():
        slices[index] = mask
    return _Vote(soft, pairs, [c.folding for c in candidates.values()], fallbacks)


def _sources(at: Neighbours, config: Propagation) -> list[int]:
    if config.shape_share == 1:
        return []
    if config.fusion == "mean":
        return [at.nearest]
    return [source for source in (at.below, at.above) if source is not None]


def _mixed(
    at: Neighbours,
    candidates: Mapping[int, Candidate],
    masks: Mapping[int, NDArray[np.bool_]],
    distances: Mapping[int, NDArray[np.float32]],
    typical: float,
    config: Propagation,
) -> tuple[NDArray[np.float32], str]:
    """Return the soft mask [H, W] of one slice and why it fell back, if it did."""
    usable = {s: c for s, c in candidates.items() if not c.reason}
    failed = "; ".join(c.reason for c in candidates.values() if c.reason)
    below, above = at.below, at.above
    shape = None
    if below is not None and above is not None:
        position = (at.place - below) / (above - below)
        shape = between(distances[below], distances[above], position)
    if usable:
        moved = _weighted(at, usable, typical, config)
        share = config.shape_share if shape is not None else 0.0
        mask = moved if shape is None else (1 - share) * moved + share * shape
    elif shape is not None:
        mask, failed = shape, failed and f"{failed}, shape interpolation instead"
    else:
        mask = masks[at.nearest].astype(np.float32)
        failed = failed and f"{failed}, copy of slice {at.nearest} instead"
    beyond = shape is None and not at.bounded and config.fusion == "confidence"
    if beyond:
        mask = mask / np.float32(1 + abs(at.place - at.nearest) / REACH)
    return mask, failed


def _weighted(
    at: Neighbours, usable: Mapping[int, Candidate], typical: float, config: Propagation
) -> NDArray[np.float32]:
    """Return the mean of candidates, each weighted by nearness and image agreement."""
    total, weights = np.zeros(1, np.float32), 0.0
    for source, candidate in usable.items():
        near = 1 / abs(at.place - source)
        agreement = float(np.exp(-candidate.error / typical)) if typical > 0 else 1.0
        weight = near * agreement if config.fusion == "confidence" else 1.0
        total = total + np.float32(weight) * candidate.mask
        weights += weight
    mean: NDArray[np.float32] = total / np.float32(weights)
    return mean


def _median(errors: list[float]) -> float:
    return float(np.median(errors)) if errors else 0.0


def _fused(
    votes: list[NDArray[np.float32]], annotation: Annotation, axes: list[int], config: Propagation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the soft mask and the confidence of all axes together, float32 [D, H, W]."""
    near = [_along(1 / (1 + annotation.distance(axis)), axis) for axis in axes]
    weights = (
        near if config.fusion == "confidence" else [np.ones((1, 1, 1), np.float32)] * len(axes)
    )
    total = sum(weights[1:], weights[0])
    soft = (
        sum((w * v for w, v in zip(weights, votes, strict=True)), np.zeros(1, np.float32)) / total
    )
    soft = np.broadcast_to(soft, annotation.shape).astype(np.float32)
    confidence = np.max(np.broadcast_arrays(*near), axis=0) * (1 - np.var(votes, axis=0))
    confidence = np.broadcast_to(confidence, annotation.shape).astype(np.float32)
    for axis in axes:
        soft *= _along(possible(annotation, axis), axis)
    for end in annotation.ends:
        outside = np.ones(annotation.shape[end.axis], bool)
        outside[end.first : end.last + 1] = False
        np.moveaxis(soft, end.axis, 0)[outside] = 0
        np.moveaxis(confidence, end.axis, 0)[outside] = 1
    confidence[annotation.drawn()] = 1
    return annotation.overwrite(soft), confidence


def _along(values: NDArray[np.generic], axis: int) -> NDArray[np.float32]:
    shape = [1, 1, 1]
    shape[axis] = len(values)
    return values.astype(np.float32).reshape(shape)
