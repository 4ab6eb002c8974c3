"""Row softmax of an N x N map of logits, evaluated inside a window only, in O(N) memory.

A band of a grid of N cells is float [B, N, W] inside this package and [B, W, *s] outside of it:
one entry for each of the W = (2 * radius + 1) ** dims offsets, in row-major order, of the window
around a cell. Entries whose neighbour lies outside the grid hold no pair.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Grid = tuple[int, ...]

_CHUNK = {"cpu": 2**20, "cuda": 2**24}
"""Logits held at a time: 4 MB stay in a CPU's cache, 64 MB fill a GPU."""


class Window(NamedTuple):
    """Neighbours of every cell: their number int64 [N, W] and whether they exist, bool [N, W]."""

    cell: Tensor
    inside: Tensor

    def gather(self, rows: Tensor, start: int = 0) -> Tensor:
        """Return the band [B, n, W] of map rows [B, n, N] of the cells from ``start`` on."""
        index = self.cell[start : start + rows.shape[1]]
        return rows.gather(2, index.expand(len(rows), -1, -1))


def window(grid: Grid, radius: int, device: torch.device) -> Window:
    """Return the neighbours of the cells of ``grid`` up to ``radius`` cells away on each axis.

    Raises:
        ValueError: the radius is below one cell.
    """
    if radius < 1:
        raise ValueError(f"radius must be at least 1 cell, got {radius}")
    return _window(tuple(grid), radius, device)


@lru_cache(maxsize=32)
def _window(grid: Grid, radius: int, device: torch.device) -> Window:
    with torch.inference_mode(False):  # an inference tensor could not serve a later training step
        index = torch.zeros((1, 1), dtype=torch.int64, device=device)
        inside = torch.ones((1, 1), dtype=torch.bool, device=device)
        steps = torch.arange(-radius, radius + 1, device=device)
        for side in grid:
            target = torch.arange(side, device=device)[:, None] + steps  # [side, 2r+1]
            exists = (target >= 0) & (target < side)
            index = index[:, None, :, None] * side + target.clamp(0, side - 1)[:, None]
            inside = inside[:, None, :, None] & exists[:, None]
            index, inside = index.flatten(2).flatten(0, 1), inside.flatten(2).flatten(0, 1)
        return Window(index, inside)


def to_band(dense: Tensor, grid: Grid, radius: int) -> Tensor:
    """Return the band of a dense map; differentiable.

    Args:
        dense: float [B, N, N], N = prod(grid) cells in row-major order.
        grid: sides *s of the grid, two or three.
        radius: half width of the window, cells.

    Returns:
        float [B, W, *s]: entry [b, o, i] is ``dense[b, i, i + o]``, 0 where i + o is outside.

    Raises:
        ValueError: the map does not fit the grid, or the radius is below one cell.

    Example:
        >>> to_band(torch.eye(6)[None], (2, 3), 1)[0, 4]
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    cells = math.prod(grid)
    if dense.ndim != 3 or dense.shape[1:] != (cells, cells):
        raise ValueError(f"dense must be [B, {cells}, {cells}], got {tuple(dense.shape)}")
    neighbours = window(grid, radius, dense.device)
    return unflatten(neighbours.gather(dense).where(neighbours.inside, 0), grid)


def unflatten(band: Tensor, grid: Grid) -> Tensor:
    """Return a band [B, N, W] as [B, W, *s], contiguous."""
    return band.transpose(1, 2).contiguous().view(len(band), -1, *grid)


def banded_logits(
    query: Tensor, key: Tensor, grid: Grid, radius: int, *, outside: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the logits inside the window and the log-sum-exp of each whole row.

    Rows are computed in chunks, once per pass and direction; no N x N map is kept.

    Args:
        query: float32 or float64 [B, N, F].
        key: same dtype and shape.
        grid: sides *s, N = prod(s).
        radius: half width of the window, cells.
        outside: value of the entries whose neighbour does not exist.

    Returns:
        band float [B, N, W] of the logits q_i . k_j and log sum_j exp(q_i . k_j), float [B, N].

    Raises:
        ValueError: the shapes do not fit the grid, or the radius is below one cell.
    """
    if query.ndim != 3 or query.shape != key.shape or query.shape[1] != math.prod(grid):
        raise ValueError(
            f"query and key must be [B, {math.prod(grid)}, F] on the grid {tuple(grid)},"
            f" got {tuple(query.shape)} and {tuple(key.shape)}"
        )
    neighbours = window(grid, radius, query.device)
    out = _BandedLogits.apply(  # type: ignore[no-untyped-call]
        query.contiguous(), key.contiguous(), neighbours, outside
    )
    return cast(tuple[Tensor, Tensor], out)


def transpose(band: Tensor, grid: Grid, radius: int) -> Tensor:
    """Return the band [B, N, W] of the transposed map; 0 where the neighbour is outside."""
    out = _Transpose.apply(band, window(grid, radius, band.device))  # type: ignore[no-untyped-call]
    return cast(Tensor, out)


def row_max(query: Tensor, key: Tensor) -> Tensor:
    """Return max_j q_i . k_j, float [B, N], of queries and keys float [B, N, F]."""
    with torch.no_grad():
        found = [logits.argmax(2) for _, logits in _chunks(query, key)]
    nearest = torch.cat(found, 1)[..., None].expand_as(query)
    return (query * key.gather(1, nearest)).sum(2)


def _chunks(query: Tensor, key: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, logits [B, n, N]); each overwrites the one before it."""
    batch, cells, _ = query.shape
    size = max(1, _CHUNK.get(query.device.type, 2**24) // max(1, batch * cells))
    buffer = query.new_empty(batch * min(size, cells) * cells)
    for start in range(0, cells, size):
        rows = slice(start, min(start + size, cells))
        logits = buffer[: batch * (rows.stop - start) * cells].view(batch, -1, cells)
        yield rows, torch.bmm(query[:, rows], key.transpose(1, 2), out=logits)


class _BandedLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, neighbours: Window, outside: float
    ) -> tuple[Tensor, Tensor]:
        batch, cells, _ = query.shape
        band = query.new_empty(batch, *neighbours.cell.shape)
        lse = query.new_empty(batch, cells)
        with torch.autocast(query.device.type, enabled=False):
            for rows, logits in _chunks(query, key):
                band[:, rows] = neighbours.gather(logits, rows.start)
                top = logits.amax(2, keepdim=True)
                total = logits.sub_(top).exp_().sum(2)
                lse[:, rows] = total.log_().add_(top[..., 0])
        band.masked_fill_(~neighbours.inside, outside)
        ctx.save_for_backward(query, key, lse)
        ctx.neighbours = neighbours
        return band, lse

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_band: Tensor, grad_lse: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        query, key, lse = ctx.saved_tensors
        grad_band = grad_band.where(ctx.neighbours.inside, 0)
        grad_query, grad_key = torch.empty_like(query), torch.zeros_like(key)
        with torch.autocast(query.device.type, enabled=False):
            for rows, logits in _chunks(query, key):
                grad = logits.sub_(lse[:, rows, None]).exp_().mul_(grad_lse[:, rows, None])
                index = ctx.neighbours.cell[rows].expand(len(query), -1, -1)
                grad.scatter_add_(2, index, grad_band[:, rows])
                grad_query[:, rows] = torch.bmm(grad, key)
                grad_key.baddbmm_(grad.transpose(1, 2), query[:, rows])
        return grad_query, grad_key, None, None


class _Transpose(torch.autograd.Function):
    """Entry (i, o) goes to (i + o, -o): a permutation of pairs and its own inverse and adjoint."""

    @staticmethod
    def forward(ctx: Any, band: Tensor, neighbours: Window) -> Tensor:
        ctx.neighbours = neighbours
        return _transposed(band, neighbours)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _transposed(grad, ctx.neighbours), None


def _transposed(band: Tensor, neighbours: Window) -> Tensor:
    size = band.shape[2]
    back = torch.arange(size - 1, -1, -1, device=band.device)
    source = neighbours.cell * size + back  # [N, W], entry (i + o, -o)
    return band.flatten(1)[:, source].where(neighbours.inside, 0)
