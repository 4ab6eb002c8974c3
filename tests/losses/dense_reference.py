"""Brute-force forms of the losses, float64, one Python loop per sum of the formula."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor


def cells(grid):
    return list(itertools.product(*(range(n) for n in grid)))


def in_window(a, b, radius):
    return a != b and all(abs(i - j) <= radius for i, j in zip(a, b, strict=True))


def squared(a, b):
    return sum((i - j) ** 2 for i, j in zip(a, b, strict=True))


def masked_crf_loops(probs, image, mask, radius=5, sigma_xy=6.0, sigma_intensity=0.1):
    """The double loop; probs [B, C, *S], image [B, M, *S], mask [B, *S]."""
    total, points = 0.0, cells(probs.shape[2:])
    for b in range(len(probs)):
        for i, j in itertools.product(points, points):
            if not in_window(i, j, radius):
                continue
            colour = float(((image[(b, slice(None), *i)] - image[(b, slice(None), *j)]) ** 2).sum())
            kernel = math.exp(
                -squared(i, j) / (2 * sigma_xy**2) - colour / (2 * sigma_intensity**2)
            )
            alike = float((probs[(b, slice(None), *i)] * probs[(b, slice(None), *j)]).sum())
            total += float(mask[(b, *i)]) * kernel * (1 - alike)
    return total / max(1.0, float(mask.sum()))


def crf_kernel(image, radius=5, sigma_xy=6.0, sigma_intensity=0.1) -> Tensor:
    """All k_ij, float64 [B, N, N]."""
    points = cells(image.shape[2:])
    space = spatial(points, radius, sigma_xy)
    flat = image.double().flatten(2)
    colour = (flat[:, :, :, None] - flat[:, :, None, :]).square().sum(1)
    return space * torch.exp(-colour / (2 * sigma_intensity**2))


def masked_crf_dense(probs, image, mask, **options) -> Tensor:
    """The same through N x N kernels, differentiable in probs."""
    kernel = crf_kernel(image, **options)
    flat, weight = probs.double().flatten(2), mask.double().flatten(1)
    alike = torch.einsum("bci,bcj->bij", flat, flat)
    total = (weight[:, :, None] * kernel * (1 - alike)).sum()
    return total / weight.sum().clamp(min=1)


def spatial(points, radius, sigma) -> Tensor:
    """The pair mask G, float64 [N, N]."""
    x = torch.tensor(points, dtype=torch.float64)
    steps = (x[:, None] - x[None, :]).abs()
    near = (steps.amax(-1) <= radius) & (steps.amax(-1) > 0)
    return near * torch.exp(-steps.square().sum(-1) / (2 * sigma**2))


def attentive_loops(coarse, kernel, radius=5, sigma=6.0, balanced=False):
    """The O(N^2) double sum; coarse [B, C, *s], kernel [B, N, N]."""
    total, points = 0.0, cells(coarse.shape[2:])
    flat = coarse.flatten(2)
    for b in range(len(coarse)):
        for (n, i), (m, j) in itertools.product(enumerate(points), enumerate(points)):
            if in_window(i, j, radius):
                alike = float((flat[b, :, n] * flat[b, :, m]).sum())
                k = float(kernel[b, n, m])
                cost = k * (1 - alike) + balanced * (1 - k) * alike
                total += math.exp(-squared(i, j) / (2 * sigma**2)) * cost
    return total / (len(coarse) * len(points))


def to_band(dense: Tensor, grid, radius=5) -> Tensor:
    """Gather [B, N, N] into [B, W, *grid], 0 outside the grid; differentiable."""
    points = cells(grid)
    number = {point: n for n, point in enumerate(points)}
    columns = []
    for offset in itertools.product(range(-radius, radius + 1), repeat=len(grid)):
        partner = [
            number.get(tuple(x + k for x, k in zip(p, offset, strict=True)), -1) for p in points
        ]
        index = torch.tensor(partner)
        rows = dense[:, torch.arange(len(points)), index.clamp(min=0)]
        columns.append(torch.where(index >= 0, rows, torch.zeros_like(rows)))
    return torch.stack(columns, 1).reshape(len(dense), len(columns), *grid)


def random_probs(*shape, seed=0, dtype=torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype).softmax(1)


def random_image(*shape, seed=1, dtype=torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_kernel(batch, n, seed=2) -> Tensor:
    """A symmetric similarity in (0, 1), float64 [B, N, N]."""
    half = random_image(batch, n, n, seed=seed)
    return (half + half.transpose(1, 2)) / 2


def golden() -> dict[str, Tensor]:
    """Values computed with the authors' released code, or skip."""
    root = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden"
    file = Path(os.environ.get("WEAKSEG_GOLDEN", root)) / "losses_released.npz"
    if not file.is_file():
        pytest.skip(f"no golden values at {file}")
    with np.load(file) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
