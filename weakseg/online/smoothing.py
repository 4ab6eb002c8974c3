"""Label smoothing by the previous model: targets mixed with its prediction.

One of the three means against forgetting of Tian, Chen & Gao (arXiv 2312.06072), next to replay
and loss weights; "released code" is theirs.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Schedule = Literal[
    "ours",
    "none",
    "constant",
    "sigmoid",
    "sigmoid-online",
    "scaled-sigmoid",
    "inverse-scaled-sigmoid",
    "spatial",
]

_ROUNDING: Final = 1e-4


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """Share w of the proxy in the target (1 - w) q + w p; the rest is the model before the case.

    With n cases seen, the present one and the n_warm of the warm-up included, of N in all, and
    s the logistic function, w is

    * "ours" (our choice): from 1 at n = 1 straight down to ``floor`` at n = 1 + ``ramp``;
    * "none": 1;
    * "constant": ``constant``;
    * "sigmoid": s(n); "sigmoid-online": s(n - n_warm + 1);
    * "scaled-sigmoid": s(4 (n / N - 1/2)); "inverse-scaled-sigmoid": one minus that;
    * "spatial": the map of confidence given with each case.

    All but "ours" are the released code's. It dilutes what the user drew as well
    (``dilute_drawn``); we keep w = 1 there. The first case is never mixed.
    """

    schedule: Schedule = "ours"
    constant: float = 0.9
    floor: float = 0.7
    ramp: int = 20
    dilute_drawn: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"schedule must be one of {get_args(Schedule)}, got {self.schedule!r}")
        if not (0 <= self.constant <= 1 and 0 <= self.floor <= 1 and self.ramp >= 1):
            raise ValueError(
                "constant and floor must be in [0, 1] and ramp at least 1 case, got "
                f"{self.constant}, {self.floor} and {self.ramp}"
            )

    def share(self, *, seen: int, total: int | None, warm: int) -> float:
        """Return w, the same for all voxels; 1 for "spatial", whose map lowers it.

        Args:
            seen: n, cases seen with the present one and the warm-up, from 1.
            total: N, cases of warm-up and stream; None where nobody knows.
            warm: n_warm, cases of the warm-up.

        Raises:
            ValueError: the schedule needs N and it is None.

        Example:
            >>> round(Smoothing(schedule="sigmoid").share(seen=2, total=None, warm=0), 2)
            0.88
        """
        if self.schedule == "constant":
            return self.constant
        if self.schedule == "sigmoid":
            return _logistic(seen)
        if self.schedule == "sigmoid-online":
            return _logistic(seen - warm + 1)
        if self.schedule == "ours":
            return 1 - (1 - self.floor) * min(1.0, (seen - 1) / self.ramp)
        if self.schedule in ("none", "spatial"):
            return 1.0
        if total is None:
            raise ValueError(f"the schedule {self.schedule!r} needs the length of the stream")
        rising = _logistic(4 * (seen / total - 0.5))
        return rising if self.schedule == "scaled-sigmoid" else 1 - rising


def target(
    config: Smoothing,
    *,
    before: NDArray[np.float32],
    proxy: NDArray[np.floating] | NDArray[np.bool_],
    drawn: NDArray[np.bool_],
    seen: int,
    total: int | None,
    warm: int,
    confidence: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Return what the network learns of a case in a round, float32 [D, H, W] in [0, 1].

    Args:
        config: the schedule.
        before: q [D, H, W], probabilities by the model before any training on the case.
        proxy: p [D, H, W], the user's masks propagated, or the whole reference, in [0, 1].
        drawn: voxels of the slices the user drew, [D, H, W].
        seen: n, see :meth:`Smoothing.share`.
        total: N.
        warm: n_warm.
        confidence: w [D, H, W] in [0, 1] for the schedule "spatial".

    Raises:
        ValueError: maps of different shapes, values outside [0, 1], or no confidence where the
            schedule needs it.
    """
    q, p = _checked("before", before, drawn), _checked("proxy", proxy, drawn)
    if seen <= 1:
        return p
    share = np.full(drawn.shape, config.share(seen=seen, total=total, warm=warm), np.float32)
    if config.schedule == "spatial":
        if confidence is None:
            raise ValueError("the schedule 'spatial' needs a map of confidence")
        share = _checked("confidence", confidence, drawn)
    if not config.dilute_drawn:
        share[drawn] = 1
    mixed: NDArray[np.float32] = np.clip((1 - share) * q + share * p, 0, 1)
    return mixed


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _checked(name: str, given: NDArray[Any], drawn: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a copy in [0, 1], where a mean of probabilities can end up beside by rounding."""
    values = np.asarray(given, np.float32)
    if values.shape != drawn.shape or not (np.abs(values - 0.5) <= 0.5 + _ROUNDING).all():
        raise ValueError(f"{name} must be of shape {drawn.shape} and in [0, 1]")
    return np.clip(values, 0, 1)
