"""Displacement fields of 2D slices: warping, composing, smoothing, folding.

Only operations whose result for a pixel is the same whatever else is in the batch are used (sums of
shifted arrays, ``grid_sample``, maxima), no convolution and no matrix product: a field is the same
bit for bit however its pair is batched.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(
    image: Tensor, displacement: Tensor, padding: Literal["border", "zeros"] = "border"
) -> Tensor:
    """Return ``image(x + u(x))``, linearly interpolated; exact where the displacement is zero.

    Args:
        image: float [P, H, W].
        displacement: float [P, 2, H, W], pixels along H and W.
        padding: what lies outside: the nearest pixel or zero.

    Returns:
        float [P, H, W].
    """
    moved = sample(image[:, None], displacement, padding)[:, 0]
    return torch.where((displacement == 0).all(dim=1), image, moved)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return the field that moves by ``first`` and from there by ``second``.

    Warping by the result equals warping by ``second``, then by ``first``.

    Args:
        first: float [P, 2, H, W], pixels.
        second: float [P, 2, H, W], pixels.

    Returns:
        float [P, 2, H, W], ``first(x) + second(x + first(x))``.
    """
    return first + sample(second, first, "border")


def sample(channels: Tensor, displacement: Tensor, padding: str) -> Tensor:
    """Return float [P, C, H, W] read at ``x + u(x)``; see :func:`warp`."""
    height, width = channels.shape[-2:]
    rows = torch.arange(height, device=displacement.device)[:, None]
    columns = torch.arange(width, device=displacement.device)
    # grid_sample wants (x, y) with -1 and 1 at the centres of the outer pixels.
    x = (displacement[:, 1] + columns) * (2 / max(width - 1, 1)) - 1
    y = (displacement[:, 0] + rows) * (2 / max(height - 1, 1)) - 1
    grid = torch.stack((x, y), dim=-1)
    return F.grid_sample(channels, grid, padding_mode=padding, align_corners=True)


def gradient(image: Tensor) -> Tensor:
    """Return central differences along the last two axes, one-sided at the edges.

    Args:
        image: float [P, H, W] with H, W of at least 2.

    Returns:
        float [P, 2, H, W], per pixel.
    """
    result = image.new_empty((len(image), 2, *image.shape[1:]))
    for axis in (1, 2):
        size = image.shape[axis]
        part = result[:, axis - 1]
        inner = image.narrow(axis, 2, size - 2) - image.narrow(axis, 0, size - 2)
        part.narrow(axis, 1, size - 2).copy_(inner.mul_(0.5))
        for end, edge in ((1, 0), (size - 1, size - 1)):
            step = image.select(axis, end) - image.select(axis, end - 1)
            part.select(axis, edge).copy_(step)
    return result


def smoothed(image: Tensor, sigma: float) -> Tensor:
    """Return the Gaussian average along the last two axes, cut at two sigma.

    Args:
        image: float [P, H, W] or [P, C, H, W].
        sigma: standard deviation, pixels; 0 returns the image. Outside lies the nearest pixel.

    Returns:
        float, as given.
    """
    if sigma == 0:
        return image
    radius = math.ceil(2 * sigma)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for axis in (-2, -1):
        image = _averaged(image, axis, [weight / total for weight in weights])
    return image


def _averaged(image: Tensor, axis: int, weights: list[float]) -> Tensor:
    radius, size = len(weights) - 1, image.shape[axis]
    around = (0, 0, radius, radius) if axis == -2 else (radius, radius, 0, 0)
    wide = F.pad(image, around, mode="replicate")
    result = wide.narrow(axis, radius, size) * weights[0]
    for k in range(1, radius + 1):
        both = wide.narrow(axis, radius - k, size) + wide.narrow(axis, radius + k, size)
        result += both.mul_(weights[k])
    return result


def jacobian(displacement: Tensor) -> Tensor:
    """Return the determinant of the derivative of ``x + u(x)``.

    Args:
        displacement: float [P, 2, H, W], pixels.

    Returns:
        float [P, H, W]; 1 without deformation, 0 or less where the field folds.
    """
    rows, columns = gradient(displacement[:, 0]), gradient(displacement[:, 1])
    return (1 + rows[:, 0]) * (1 + columns[:, 1]) - rows[:, 1] * columns[:, 0]


def folding(displacement: Tensor) -> Tensor:
    """Return the share of pixels where a field folds (determinant of 0 or less, or no number).

    Args:
        displacement: float [P, 2, H, W], pixels.

    Returns:
        float [P].
    """
    folds = ~(jacobian(displacement) > 0)
    return folds.sum(dim=(1, 2)) / (folds.shape[1] * folds.shape[2])
