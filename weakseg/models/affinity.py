"""Attentive similarity: from queries and keys to a symmetric affinity in (0, 1).

Tian, Yang and Gao, AttenScribble, J. Vis. Commun. Image Represent. 110 (2025) 104476.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weakseg.models.similarity import (
    Grid,
    banded_logits,
    row_max,
    transpose,
    unflatten,
    window,
)

Form = Literal["released", "constant", "row_max", "no_bias", "positive", "raw"]


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """How the affinity K is made of the logits Z = q k^T of all blocks and heads.

    ``released`` is K = sigmoid(sum_h w_h (A_h + A_h^T) + b), A_h the softmax over the rows of the
    unscaled logits, and leaves w and b free. The other forms change one thing each:
    ``constant`` ignores the attention, K = sigmoid(b); ``row_max`` divides each row of A by its
    largest entry; ``no_bias`` has b = 0; ``positive`` replaces w by softplus(w); ``raw`` takes Z
    for A, which is the affinity head of AFA (Ru et al., CVPR 2022). ``scaled`` divides the logits
    by the root of the head's width, as the feature path does.
    """

    form: Form = "released"
    scaled: bool = False

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {get_args(Form)}, got {self.form!r}")


class Projection(nn.Module):
    """The scalar map of the stacked attention maps, with the framework's default init.

    ``weight`` is float [maps], None where the affinity is constant; ``bias`` is float [1], None
    where there is none. Statistics read them here.
    """

    def __init__(self, maps: int, affinity: Affinity) -> None:
        super().__init__()
        self.affinity = affinity
        bound = 1 / math.sqrt(maps)
        weight = nn.Parameter(torch.empty(maps).uniform_(-bound, bound))
        bias = nn.Parameter(torch.empty(1).uniform_(-bound, bound))
        self.weight = None if affinity.form == "constant" else weight
        self.bias = None if affinity.form == "no_bias" else bias

    def forward(self, pairs: Sequence[tuple[Tensor, Tensor]], grid: Grid, radius: int) -> Tensor:
        """Return the banded affinity, computed in float32 at least, also under autocast.

        Args:
            pairs: queries and keys of each block, float [B, H, N, F].
            grid: sides *s, N = prod(s).
            radius: half width of the window, cells.

        Returns:
            float [B, W, *s], symmetric, in (0, 1), and 0 where the neighbour is outside the grid.
        """
        query = pairs[0][0]
        inside = window(grid, radius, query.device).inside
        with torch.autocast(query.device.type, enabled=False):
            logit = self._logit(pairs, grid, radius)
            return unflatten(logit.sigmoid().where(inside, 0), grid)

    def _logit(self, pairs: Sequence[tuple[Tensor, Tensor]], grid: Grid, radius: int) -> Tensor:
        query = _full(pairs[0][0])
        bias = query.new_zeros(1) if self.bias is None else self.bias.to(query.dtype)
        if self.weight is None:
            size = (2 * radius + 1) ** len(grid)
            return bias.expand(len(query), query.shape[2], size)
        weight = self.weight.to(query.dtype)
        weight = F.softplus(weight) if self.affinity.form == "positive" else weight
        maps = torch.cat([self._maps(q, k, grid, radius) for q, k in pairs], 1)  # [B, L*H, N, W]
        mixed = torch.einsum("bhnw,h->bnw", maps, weight)
        return mixed + transpose(mixed, grid, radius) + bias

    def _maps(self, query: Tensor, key: Tensor, grid: Grid, radius: int) -> Tensor:
        """Return the band of A of each head, float [B, H, N, W]."""
        batch, form = len(query), self.affinity.form
        query, key = _full(query).flatten(0, 1), _full(key).flatten(0, 1)
        if self.affinity.scaled:
            query = query / math.sqrt(query.shape[-1])
        outside = 0.0 if form == "raw" else -math.inf
        band, lse = banded_logits(query, key, grid, radius, outside=outside)
        if form != "raw":
            top = row_max(query, key) if form == "row_max" else lse
            band = (band - top[..., None]).exp()
        return band.view(batch, -1, *band.shape[1:])


def _full(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
