"""Weight of each voxel in the loss of a case (Tian, Chen & Gao, arXiv 2312.06072)."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.geodesic import geodesic_distance

Kind = Literal[
    "none",
    "slice-emphasis",
    "slice-only",
    "inverse-distance",
    "neighbourhood",
    "geodesic",
    "residual",
    "product",
    "point-emphasis",
    "point-only",
    "point-geodesic",
]


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Which voxels count how much; all kinds are the released code's, the default is our choice.

    * "none": 1.
    * "slice-emphasis": 1 + ``emphasis`` on the slices the user drew, 1 elsewhere.
    * "slice-only": 1 on those slices, 0 elsewhere.
    * "inverse-distance": the largest 1 / (1 + d_a) over the axes a, d_a slices away from a drawn
      one. Axes without a drawn slice do not count; in the released code they make it 1 everywhere.
    * "neighbourhood": 1 where d_a is at most ``radius`` slices on every axis with a drawn slice.
    * "geodesic": 1 / (1 + D / max D), D the geodesic distance to the drawn slices.
    * "residual": abs(p - b), proxy against network; "product": 1 - p b.
    * "point-emphasis", "point-only", "point-geodesic": the same for clicked voxels.

    Where nothing was drawn, distances know no place to prefer and the weight is 1 everywhere.
    """

    kind: Kind = "slice-emphasis"
    emphasis: float = 1.0
    radius: int = 3

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {get_args(Kind)}, got {self.kind!r}")
        if not 0 <= self.emphasis < np.inf or self.radius < 0:
            raise ValueError(
                f"emphasis must be finite and at least 0, radius at least 0 slices, "
                f"got {self.emphasis} and {self.radius}"
            )


def weights(
    config: LossWeights,
    *,
    annotation: Annotation,
    proxy: NDArray[np.floating] | NDArray[np.bool_],
    probs: NDArray[np.floating],
    image: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Return the weight of each voxel, float32 [D, H, W], at least 0.

    Args:
        config: the kind of map.
        annotation: what the user said of the case so far.
        proxy: p [D, H, W] in [0, 1].
        probs: b [D, H, W] in [0, 1], the network's prediction.
        image: [M, D, H, W].
    """
    kind = config.kind
    if kind in ("residual", "product"):
        p, b = np.asarray(proxy, np.float32), np.asarray(probs, np.float32)
        return np.abs(p - b) if kind == "residual" else 1 - p * b
    if kind in ("inverse-distance", "neighbourhood"):
        return _by_distance(config, annotation)
    source = _clicked(annotation) if kind.startswith("point") else annotation.drawn()
    if kind.endswith("emphasis"):
        return np.float32(1) + np.float32(config.emphasis) * source
    if kind.endswith("only"):
        return source.astype(np.float32)
    if kind.endswith("geodesic") and source.any():
        distance = geodesic_distance(image, source)
        return (1 / (1 + distance / max(float(distance.max()), 1e-6))).astype(np.float32)
    return np.ones(annotation.shape, np.float32)


def _by_distance(config: LossWeights, annotation: Annotation) -> NDArray[np.float32]:
    near, within = np.zeros(annotation.shape, np.float32), np.ones(annotation.shape, bool)
    for axis in annotation.axes():
        distance = annotation.distance(axis).reshape([-1 if a == axis else 1 for a in range(3)])
        near = np.maximum(near, (1 / (1 + distance)).astype(np.float32))
        within &= distance <= config.radius
    if config.kind == "neighbourhood" or not annotation.axes():
        return within.astype(np.float32)
    return near


def _clicked(annotation: Annotation) -> NDArray[np.bool_]:
    inside = np.zeros(annotation.shape, bool)
    for point in annotation.points:
        inside[point.voxel] = True
    return inside
