"""When to stop asking about a case (spec sec. 3.5), and how soon a Dice was reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.effort import boundary_by_slice, boundary_pixels
from weakseg.online.oracle import User

Reason = Literal["satisfied", "residual", "effort", "rounds"]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Rules that end a case; the first that holds does. None switches a rule off.

    A user who is satisfied ends it always. The other rules see no reference. ``rounds`` is the
    most rounds of a case. ``effort`` is a share of the estimated cost of the whole case, in
    boundary pixels: those drawn so far over those of all z slices of the current proxy. While
    the proxy is too small the share is too large, which ends such cases early.
    ``boundary`` is an absolute limit in boundary pixels. Both are looked at after a round,
    so the last round may overshoot them. ``residual`` is the mean of |p - b| where proxy p or
    network b is above 0.5; where neither is, they agree on nothing and the rule does not hold,
    since the object may not have been found yet.
    """

    rounds: int = 5
    effort: float | None = 0.38
    boundary: int | None = None
    residual: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")


def reached(
    stop: Stop,
    done: int,
    *,
    annotation: Annotation,
    proxy: NDArray[Any] | None,
    probs: NDArray[Any],
    user: User,
) -> Reason | None:
    """Return why a case ends after ``done`` rounds, or None to go on.

    Args:
        stop: the rules.
        done: rounds so far; with 0 it tells whether to start at all.
        annotation: what was said so far.
        proxy: float [D, H, W] in [0, 1]; None before the first round.
        probs: float [D, H, W] in [0, 1], the network that the proxy is compared with.
        user: asked whether front and back end are good enough, once there is a proxy.
    """
    if proxy is not None and user.satisfied(proxy, probs):
        return "satisfied"
    limit = -1.0 if stop.residual is None else stop.residual
    if proxy is not None and mean_residual(proxy, probs) < limit:
        return "residual"
    if _spent(stop, annotation, proxy):
        return "effort"
    return "rounds" if done >= stop.rounds else None


def _spent(stop: Stop, annotation: Annotation, proxy: NDArray[Any] | None) -> bool:
    drawn = sum(boundary_pixels(mask) for _, _, mask in annotation.marks)
    if stop.boundary is not None and drawn >= stop.boundary:
        return True
    if not stop.effort:
        return stop.effort == 0
    full = 0 if proxy is None else int(boundary_by_slice(proxy, 0).sum())
    return full > 0 and drawn >= stop.effort * full


def mean_residual(proxy: NDArray[Any], probs: NDArray[Any]) -> float:
    """Return the mean of |p - b| over the union of p and b above 0.5; NaN where that is empty."""
    union = (proxy > 0.5) | (probs > 0.5)
    return float(np.abs(proxy - probs)[union].mean()) if union.any() else float("nan")


def slices_to_reach(curve: Iterable[tuple[int, float]], dice: float) -> int | None:
    """Return the number of slices at which a case first reached a Dice (NoS), None if never.

    Args:
        curve: (slices drawn so far, Dice) of each round, in any order.
        dice: the Dice to reach, in [0, 1].

    Example:
        >>> slices_to_reach([(1, 0.6), (2, 0.82), (3, 0.9)], 0.8)
        2
    """
    return min((slices for slices, reached in curve if reached >= dice), default=None)
