"""The attentive similarity written as in the paper, with every N x N map in memory."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from weakseg.models.affinity import Affinity


def dense_logits(query: Tensor, key: Tensor) -> Tensor:
    """Return Z, float [B, H, N, N], of queries and keys float [B, H, N, F]."""
    return query @ key.mT


def dense_affinity(
    logits: Sequence[Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
    affinity: Affinity,
    width: int,
) -> Tensor:
    """Return K, float [B, N, N], of the logits [B, H, N, N] of each block."""
    z = torch.cat(list(logits), 1)
    if affinity.scaled:
        z = z / math.sqrt(width)
    shift = 0 if bias is None else bias
    if affinity.form == "constant":
        return torch.sigmoid(shift + torch.zeros_like(z[:, 0]))
    a = z if affinity.form == "raw" else z.softmax(-1)
    if affinity.form == "row_max":
        a = a / a.amax(-1, keepdim=True)
    w = F.softplus(weight) if affinity.form == "positive" else weight
    s = a + a.mT
    return torch.sigmoid((w[:, None, None] * s).sum(1) + shift)


def block_mean_logits(query: Tensor, key: Tensor, grid: Sequence[int], r: int) -> Tensor:
    """Return logits [B, H, N/r^d, N/r^d]: each pair's mean over the r^d queries of a block."""
    z = dense_logits(query, key)
    cells = torch.arange(math.prod(grid)).reshape(*grid)
    for axis in range(len(grid)):
        cells = cells.unflatten(2 * axis, (grid[axis] // r, r))
    dims = len(grid)
    blocks = cells.permute(*range(0, 2 * dims, 2), *range(1, 2 * dims, 2)).reshape(-1, r**dims)
    return z[:, :, blocks].mean(3)


def brute_force_band(dense: Tensor, grid: Sequence[int], radius: int) -> Tensor:
    """Return the band [B, W, *s] of dense [B, N, N], entry by entry."""
    cells = [tuple(c) for c in torch.cartesian_prod(*[torch.arange(s) for s in grid]).tolist()]
    steps = [torch.arange(-radius, radius + 1)] * len(grid)
    offsets = [tuple(o) for o in torch.cartesian_prod(*steps).tolist()]
    number = {cell: index for index, cell in enumerate(cells)}
    band = torch.zeros(len(dense), len(offsets), len(cells), dtype=dense.dtype)
    for o, offset in enumerate(offsets):
        for i, cell in enumerate(cells):
            target = tuple(c + d for c, d in zip(cell, offset, strict=True))
            if target in number:
                band[:, o, i] = dense[:, i, number[target]]
    return band.reshape(len(dense), len(offsets), *grid)
