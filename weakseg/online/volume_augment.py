"""Flips and rotations of whole volumes with their targets and weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from weakseg.seeding import Key, generator

_PLANES = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, kw_only=True)
class VolumeAugment:
    """A flip of each axis with probability ``flip``, then a rotation in the plane of two axes.

    The plane is one of three at random, the angle a whole number within +-``degrees``, in voxels
    of the grid, as in the released code of MSMT (Tian et al., ECCV workshops 2022). There a case
    keeps one transform for life, its weights get another one than its target, and all are read off
    by nearest neighbour. Here a transform is drawn anew for each (case, update), is the same for
    all three, and is linear, so that soft targets stay soft and hard ones do not jump by half a
    voxel. Volumes are reflected at their faces, so that no voxel is without a target.
    """

    flip: float = 0.5
    degrees: float = 22.5

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1 or not 0 <= self.degrees <= 180:
            raise ValueError(
                f"flip must be in [0, 1], degrees in [0, 180], got {self.flip} and {self.degrees}"
            )

    def __call__(
        self, image: Tensor, target: Tensor, weight: Tensor, keys: Sequence[Key]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three, one geometry for each case of the batch.

        Args:
            image: float [B, M, D, H, W].
            target: float [B, 1, D, H, W].
            weight: float [B, 1, D, H, W].
            keys: (seed, case, update) or alike of each case, all that its transform depends on.

        Raises:
            ValueError: as many keys as cases are needed.
        """
        if len(keys) != len(image):
            raise ValueError(f"expected a key for each of {len(image)} cases, got {len(keys)}")
        together = torch.cat([image, target, weight], dim=1)
        moved = torch.stack([self._moved(v, key) for v, key in zip(together, keys, strict=True)])
        modalities = image.shape[1]
        return moved[:, :modalities], moved[:, modalities : modalities + 1], moved[:, -1:]

    def _moved(self, volume: Tensor, key: Key) -> Tensor:
        """Return one case, float [M + 2, D, H, W], flipped and turned."""
        random = generator(*key, "augment")
        flipped = [axis + 1 for axis in range(3) if random.random() < self.flip]
        largest = int(self.degrees)
        plane = _PLANES[random.integers(3)]
        angle = int(random.integers(-largest, largest + 1))
        return rotated(volume.flip(flipped), plane, angle)


def rotated(volume: Tensor, plane: tuple[int, int], degrees: float) -> Tensor:
    """Turn a volume about its centre in the plane of two axes, in voxels.

    Args:
        volume: float [F, D, H, W].
        plane: two of the axes 0, 1, 2; a positive angle turns the first towards the second.
        degrees: angle.

    Returns:
        float [F, D, H, W], linear between voxels and reflected at the faces; the volume itself
        for an angle of 0.
    """
    if degrees == 0:
        return volume
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.eye(3)
    a, b = plane
    turn[a, a] = turn[b, b] = cos
    turn[a, b], turn[b, a] = sin, -sin
    sides = np.array(volume.shape[1:], float)
    # Places are asked for in halves of each side, x first.
    scaled = (turn * sides[None, :] / sides[:, None])[::-1, ::-1]
    theta = F.pad(torch.from_numpy(scaled.copy()).to(volume), (0, 1))[None]
    places = F.affine_grid(theta, [1, *volume.shape], align_corners=False)
    turned = F.grid_sample(
        volume[None], places, "bilinear", padding_mode="reflection", align_corners=False
    )[0]
    # The weights of eight neighbours sum to one only within rounding.
    over = (1, 2, 3)
    return turned.clamp(volume.amin(over, keepdim=True), volume.amax(over, keepdim=True))
