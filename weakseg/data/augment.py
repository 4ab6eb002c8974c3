"""Geometric augmentation of whole batches, on the device the tensors are on."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from weakseg.seeding import generator
from weakseg.types import IGNORE_INDEX


class Augmentation(Protocol):
    """Configuration of what is done to training slices; a function of (seed, draw) only."""

    def matrices(self, seed: int, draws: list[int]) -> Tensor:
        """Return float [B, 2, 2], the linear map of each draw as :func:`transform` takes it."""

    def intensity(self, image: Tensor, seed: int, draws: list[int]) -> Tensor:
        """Return the image float [B, M, S, S] with intensities changed, after its geometry."""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Right angles with a flip, else a small rotation, else nothing (WSL4MIS, AttenScribble).

    With probability ``right_angle`` a slice is turned by k * 90 degrees and flipped along one
    axis; otherwise with probability ``rotation`` it is turned by a whole angle in
    [-``degrees``, ``degrees``). Image corners become 0. Unlike the released
    code, which turns native slices with nearest neighbour and then resizes them, this turns slices
    on the network's grid and interpolates the image bilinearly.
    """

    right_angle: float = 0.5
    rotation: float = 0.5
    degrees: int = 20

    def matrices(self, seed: int, draws: list[int]) -> Tensor:
        """Return float [B, 2, 2], the transform of each draw; a function of (seed, draw) only."""
        return torch.from_numpy(np.stack([self._matrix(seed, draw) for draw in draws])).float()

    def intensity(self, image: Tensor, seed: int, draws: list[int]) -> Tensor:
        """Return the image unchanged: only the geometry is augmented."""
        return image

    def _matrix(self, seed: int, draw: int) -> np.ndarray:
        random = generator(seed, "augment", draw)
        if random.random() < self.right_angle:
            turn = _rotation(90.0 * random.integers(4))
            flip = np.diag([-1.0, 1.0]) if random.random() < 0.5 else np.diag([1.0, -1.0])
            exact: np.ndarray = np.round(turn @ flip)
            return exact
        if random.random() < self.rotation:
            return _rotation(float(random.integers(-self.degrees, self.degrees)))
        return np.eye(2)


def _rotation(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def transform(
    image: Tensor, label: Tensor, matrices: Tensor, outside: int = IGNORE_INDEX
) -> tuple[Tensor, Tensor]:
    """Apply one linear map per slice: image bilinear, label nearest neighbour.

    Args:
        image: float [B, M, S, S].
        label: uint8 or int64 [B, S, S].
        matrices: float [B, 2, 2], output to input coordinates about the centre.
        outside: label of pixels without a source.

    Returns:
        The image, 0 where it has no source, and the label, int64, ``outside`` there.
    """
    where = _places(image, matrices)
    turned = functional.grid_sample(image, where, mode="bilinear", align_corners=False)
    return turned, _nearest(label, where, outside)


def transform_label(label: Tensor, matrices: Tensor, outside: int = IGNORE_INDEX) -> Tensor:
    """Apply :func:`transform` to a label alone."""
    where = _places(label[:, None], matrices)
    return _nearest(label, where, outside)


def _places(image: Tensor, matrices: Tensor) -> Tensor:
    theta = functional.pad(matrices.to(image.device), (0, 1))
    return functional.affine_grid(theta, list(image.shape), align_corners=False)


def _nearest(label: Tensor, where: Tensor, outside: int) -> Tensor:
    shifted = (label[:, None].float() - outside).to(where.dtype)
    codes = functional.grid_sample(shifted, where, mode="nearest", align_corners=False)
    return (codes[:, 0].round() + outside).long()
