"""Which slices to ask a user for next (spec sec. 3.3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from weakseg.online.annotation import AXES, Annotation, Slice
from weakseg.online.effort import boundary_by_slice
from weakseg.seeding import Key, generator

Scores = NDArray[np.float64]
Allowed = Callable[[int], NDArray[np.bool_] | None]


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How slices are scored and picked.

    Args:
        score: of a slice, from proxy p and network b. ``residual``: the sum of |p - b|;
            ``product``: the sum of 1 - p b; ``entropy``: that of b, nats; ``farthest``: distance
            in slices to the nearest drawn one; ``random``: all alike; ``reach`` (ours): the
            residual the slice would bring closer to a drawn one, that is the sum over slices j of
            residual(j) times what it adds to the largest 1 / (1 + distance of j to a drawn slice).
            A slice beside a drawn one is thus not asked for the error the two share.
        pick: ``sample`` draws in proportion to the score without replacement, ``argmax`` takes
            the best, any of equal ones.
        apart: least distance in slices between two picks of an axis in one round, as far as
            slices last.
        first: where there is no proxy yet. ``uniform``: anywhere; ``middle``: evenly between the
            end marks; ``network``: evenly over the extent the network predicts, or as ``middle``
            where it predicts none.
        compare: b is the network ``current`` in this round, or as it was ``before`` the case.
        cross: ask for a slice of another axis instead where its score per boundary pixel is
            higher (ours).

    :data:`RELEASED` holds the rules of the released code.
    """

    score: Literal["residual", "product", "entropy", "random", "farthest", "reach"] = "residual"
    pick: Literal["sample", "argmax"] = "sample"
    apart: int = 2
    first: Literal["uniform", "network", "middle"] = "network"
    compare: Literal["current", "before"] = "current"
    cross: bool = False

    def __post_init__(self) -> None:
        if self.apart < 1:
            raise ValueError(f"apart must be at least 1 slice, got {self.apart}")


RELEASED: Final = Guidance(apart=1, first="uniform")


def slice_scores(
    config: Guidance,
    *,
    proxy: NDArray[Any],
    probs: NDArray[Any],
    before: NDArray[Any],
    annotation: Annotation,
    axis: int,
    picked: Sequence[int] = (),
) -> Scores:
    """Return how much an answer is worth for every slice of an axis, drawn or not.

    Args:
        config: which score.
        proxy: float [D, H, W] in [0, 1], the front end of the last round.
        probs: float [D, H, W] in [0, 1], the network now.
        before: float [D, H, W] in [0, 1], the network before it saw the case.
        annotation: what was said so far.
        axis: 0, 1 or 2.
        picked: slices that are about to be drawn; ``reach`` counts them as drawn.

    Returns:
        float64 [size], at least 0. All alike where the network predicts nothing (the released
        rule for comparisons with it), where all scores are 0, or where no slice of the axis is
        drawn to be far from; ``reach`` then counts a residual that is alike everywhere. What is
        not a number counts as 0.
    """
    if config.score == "reach":
        values = slice_scores(
            replace(config, score="residual"),
            proxy=proxy,
            probs=probs,
            before=before,
            annotation=annotation,
            axis=axis,
        )
        return _reach(values, [*annotation.slices(axis), *picked])
    alike = np.ones(annotation.shape[axis])
    if config.score == "farthest" and annotation.slices(axis):
        return annotation.distance(axis).astype(np.float64)
    if config.score in ("random", "farthest"):
        return alike
    network = probs if config.compare == "current" else before
    if not (network > 0.5).any():
        return alike
    others = tuple(other for other in AXES if other != axis)
    if config.score == "entropy":
        values = special.entr(network) + special.entr(1 - network)
    else:
        values = np.abs(proxy - network) if config.score == "residual" else 1 - proxy * network
    scores = np.nan_to_num(values.sum(axis=others, dtype=np.float64), nan=0, posinf=0, neginf=0)
    return scores if scores.any() else alike


def propose(
    config: Guidance,
    *,
    proxy: NDArray[Any] | None,
    probs: NDArray[Any],
    before: NDArray[Any],
    annotation: Annotation,
    axes: tuple[int, ...],
    each: int,
    allowed: Allowed,
    key: Key,
) -> tuple[Slice, ...]:
    """Return ``each`` new slices of each axis, or as many as are left; no slice twice.

    Candidates are the slices within the end marks that are not drawn yet and that the user
    allows. With ``cross`` the total stays the same, but some lie on the axes not in ``axes``.

    Args:
        config: the rules.
        proxy: float [D, H, W] in [0, 1], the last front end; None before the first.
        probs: float [D, H, W] in [0, 1], the network now.
        before: float [D, H, W] in [0, 1], the network before it saw the case.
        annotation: what was said so far.
        axes: axes to ask for, the acquisition axis first.
        each: new slices on each axis.
        allowed: see :meth:`weakseg.online.oracle.User.allowed`.
        key: of the random draws; equal keys and arguments give equal slices.
    """
    if proxy is None:
        return tuple(
            (axis, index)
            for axis in axes
            for index in _first(config, before, annotation, axis, each, allowed, key)
        )
    picks, gains = {}, {}
    for axis in AXES if config.cross else axes:
        worth = partial(
            slice_scores,
            config,
            proxy=proxy,
            probs=probs,
            before=before,
            annotation=annotation,
            axis=axis,
        )
        free = candidates(annotation, axis, allowed)
        picks[axis] = _pick(config, worth, free, each, (*key, "propose", axis))
        if config.cross:
            scores = worth()
            gains[axis] = scores * bool(np.ptp(scores)) / _price(proxy, probs, axis)
    chosen = [(axis, index) for axis in axes for index in picks[axis]]
    return tuple(_crossed(chosen, picks, gains, axes) if config.cross else chosen)


def candidates(annotation: Annotation, axis: int, allowed: Allowed) -> NDArray[np.bool_]:
    """Return which slices of an axis may still be asked for, bool [size]."""
    first, last = annotation.bounds(axis)
    free = np.zeros(annotation.shape[axis], bool)
    free[first : last + 1] = True
    free[list(annotation.slices(axis))] = False
    permitted = allowed(axis)
    return free if permitted is None else free & permitted


def _first(
    config: Guidance,
    before: NDArray[Any],
    annotation: Annotation,
    axis: int,
    each: int,
    allowed: Allowed,
    key: Key,
) -> list[int]:
    """Pick where no proxy exists yet."""
    free = candidates(annotation, axis, allowed)
    if config.first == "uniform":
        alike = np.ones(len(free))
        return _pick(config, lambda picked: alike, free, each, (*key, axis))
    first, last = annotation.bounds(axis)
    others = tuple(other for other in AXES if other != axis)
    extent = np.asarray((before > 0.5).any(axis=others))
    seen = np.flatnonzero(extent[first : last + 1])
    if config.first == "network" and len(seen):
        first, last = first + int(seen[0]), first + int(seen[-1])
    chosen: list[int] = []
    for number in range(each):
        wanted = first + (last - first) * (2 * number + 1) / (2 * each)
        left = np.flatnonzero(free)
        if len(left):
            chosen.append(int(left[np.abs(left - wanted).argmin()]))
            free[chosen[-1]] = False
    return chosen


def _pick(
    config: Guidance,
    worth: Callable[..., Scores],
    free: NDArray[np.bool_],
    each: int,
    key: Key,
) -> list[int]:
    """Pick by score, one after the other; ``worth(picked=...)`` are the scores of all slices."""
    rng, free = generator(*key), free.copy()
    index = np.arange(len(free))
    chosen: list[int] = []
    for _ in range(min(each, int(free.sum()))):
        near = np.zeros(len(free), bool)
        for other in chosen:
            near |= np.abs(index - other) < config.apart
        open_ = free & ~near if (free & ~near).any() else free
        weights = np.where(open_, worth(picked=chosen), 0)
        weights = weights if weights.any() else open_.astype(np.float64)
        if config.pick == "argmax":
            weights = (weights == weights.max()).astype(np.float64)
        chosen.append(int(rng.choice(len(weights), p=weights / weights.sum())))
        free[chosen[-1]] = False
    return chosen


def _reach(values: Scores, drawn: Sequence[int]) -> Scores:
    """Return what each slice adds to the closeness of the values to drawn slices."""
    index = np.arange(len(values))
    close = 1 / (1 + np.abs(index[:, None] - index))
    so_far = close[list(drawn)].max(axis=0, initial=0)
    gained: Scores = np.maximum(close - so_far, 0) @ values
    return gained


def _price(proxy: NDArray[Any], probs: NDArray[Any], axis: int) -> Scores:
    """Estimate without labels how many boundary pixels each slice of an axis takes to draw.

    At least the axis' mean: a speck in an otherwise empty slice would look nearly free.
    """
    pixels = boundary_by_slice(np.maximum(proxy, probs), axis).astype(np.float64)
    return np.maximum(pixels, pixels[pixels > 0].mean() if pixels.any() else 1.0)


def _crossed(
    chosen: list[Slice],
    picks: dict[int, list[int]],
    gains: dict[int, Scores],
    axes: tuple[int, ...],
) -> list[Slice]:
    """Replace slices by those of other axes that gain more per boundary pixel."""
    others = [(axis, index) for axis in AXES if axis not in axes for index in picks[axis]]
    ranked = sorted(chosen + others, key=lambda at: -gains[at[0]][at[1]])
    return ranked[: len(chosen)]
