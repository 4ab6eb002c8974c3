"""Transformer block with a convolutional feed-forward (Xie et al., SegFormer, NeurIPS 2021).

Token maps are float [B, N, F], N cells of a grid in row-major order.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_AVG_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}

Grid = tuple[int, ...]


def to_tokens(features: Tensor) -> Tensor:
    """Return tokens [B, N, F] of features [B, F, *s]; a view for channels-last features."""
    return features.flatten(2).transpose(1, 2)


def to_features(tokens: Tensor, grid: Grid) -> Tensor:
    """Return features [B, F, *s], channels last in memory, of tokens [B, N, F]; a view."""
    return tokens.transpose(1, 2).view(len(tokens), tokens.shape[2], *grid)


class QueryKey(nn.Module):
    """Queries and keys of the normalised tokens; all that a similarity needs.

    Args:
        width: token width F.
        heads: number of heads, a divisor of ``width``.
        bias: whether queries and keys (and values) have a bias.
        reduction: r; keys come from a convolution of stride r.
        dims: dimensions of the grid, 2 or 3.
        values: whether the linear map of the keys makes values as well.
    """

    def __init__(
        self, width: int, heads: int, *, bias: bool, reduction: int, dims: int, values: bool
    ) -> None:
        super().__init__()
        self.heads, self.reduction, self.dims = heads, reduction, dims
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=bias)
        self.key_value = nn.Linear(width, 2 * width if values else width, bias=bias)
        self.reduce = _CONV[dims](width, width, reduction, reduction) if reduction > 1 else None
        self.reduce_norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Return queries [B, H, N, F/H] and keys, or keys and values, [B, H | 2H, N', F/H].

        Raises:
            ValueError: a side of the grid is no multiple of the reduction.
        """
        if any(side % self.reduction for side in grid):
            raise ValueError(
                f"sides of the attention grid must be multiples of {self.reduction}, got {grid}"
            )
        x = self.norm(tokens)
        query = self.query(x)
        if self.reduce is not None and self.reduce_norm is not None:
            x = self.reduce_norm(to_tokens(self.reduce(to_features(x, grid))))
        width = query.shape[-1] // self.heads
        return (
            query.unflatten(2, (self.heads, width)).transpose(1, 2),
            self.key_value(x).unflatten(2, (-1, width)).transpose(1, 2),
        )

    def pool(self, query: Tensor, grid: Grid) -> Tensor:
        """Return the mean query of each r x r block, [B, H, N', F/H].

        Logits are linear in the query, so this averages them over blocks of queries without ever
        holding them.
        """
        if self.reduction == 1:
            return query
        pooled = _AVG_POOL[self.dims](to_features(query.flatten(0, 1), grid), self.reduction)
        return to_tokens(pooled).view(*query.shape[:2], -1, query.shape[-1])


class MixFFN(nn.Module):
    """Linear, depth-wise convolution on the grid, GELU, linear."""

    def __init__(self, width: int, ratio: int, dims: int) -> None:
        super().__init__()
        hidden = ratio * width
        self.expand = nn.Linear(width, hidden)
        self.depthwise = _CONV[dims](hidden, hidden, 3, padding=1, groups=hidden)
        self.contract = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Return tokens [B, N, F] of tokens [B, N, F]."""
        x = self.depthwise(to_features(self.expand(tokens), grid))
        return cast(Tensor, self.contract(F.gelu(to_tokens(x))))


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward, each added to its input.

    The attention weights softmax(q k^T / sqrt(F/H)) of the feature path are never materialised.
    """

    def __init__(
        self, width: int, heads: int, ffn_ratio: int, *, bias: bool, reduction: int, dims: int
    ) -> None:
        super().__init__()
        self.query_key = QueryKey(
            width, heads, bias=bias, reduction=reduction, dims=dims, values=True
        )
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.ffn = MixFFN(width, ffn_ratio, dims)

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens [B, N, F], pooled queries and keys [B, H, N', F/H]."""
        query, key_value = self.query_key(tokens, grid)
        key, value = key_value.chunk(2, dim=1)
        attended = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.project(attended.transpose(1, 2).flatten(2))
        tokens = tokens + self.ffn(self.norm(tokens), grid)
        return tokens, self.query_key.pool(query, grid), key


class SideBlock(nn.Module):
    """The part of a block that its similarity depends on, for the end of a side branch."""

    def __init__(self, width: int, heads: int, *, bias: bool, reduction: int, dims: int) -> None:
        super().__init__()
        self.query_key = QueryKey(
            width, heads, bias=bias, reduction=reduction, dims=dims, values=False
        )

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tokens as they are, pooled queries and keys [B, H, N', F/H]."""
        query, key = self.query_key(tokens, grid)
        return tokens, self.query_key.pool(query, grid), key


@torch.no_grad()
def init_released(module: nn.Module) -> None:
    """Initialise one module as SegFormer does; for ``nn.Module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, (nn.Conv2d, nn.Conv3d)):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
