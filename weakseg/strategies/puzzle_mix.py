"""Masks that mix two images so that each shows where it matters (Kim et al., ICML 2020)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor
from torch.nn import functional

_LEVELS = 3
_UNIT = 10_000
"""Capacities are whole numbers of 1 / _UNIT, coarser where costs add up to more than _MOST."""
_MOST = 2**29


@dataclass(frozen=True, kw_only=True)
class PuzzleMix:
    """Mixing masks on a coarse grid, with values 0, 1/2 and 1, by an exact graph cut.

    A block of the mask costs the saliency of what it hides, (1 - z) s0 + z s1, saliencies scaled
    to mean 1; less ``prior`` times ln p(z), p binomial in a ratio drawn from
    Beta(``alpha``, ``alpha``); and |z_i - z_j| between neighbours times ``smoothness`` plus
    ``likeness`` times how much the two images differ across the border, both scaled by
    ``blocks`` / 16. The paper then also moves blocks within each image; that step is left out: it
    would place anatomy elsewhere, and needs an optimal transport for each pair.
    """

    blocks: int = 8
    alpha: float = 0.5
    prior: float = 0.2
    smoothness: float = 1.2
    likeness: float = 0.5

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {self.blocks}")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")
        for name in ("prior", "smoothness", "likeness"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    def masks(self, saliency: Tensor, image: Tensor, partner: Tensor) -> Tensor:
        """Return float [B, 1, S, S]: the share of each image in its mixture with its partner's.

        Args:
            saliency: float [B, S, S], not negative.
            image: float [B, M, S, S].
            partner: int64 [B], which sample each one is mixed with.

        Raises:
            FloatingPointError: a saliency is not finite.
        """
        if not torch.isfinite(saliency).all():
            raise FloatingPointError("the saliency is not finite: the network has diverged")
        blocks = min(self.blocks, image.shape[-1])
        coarse = functional.adaptive_avg_pool2d(saliency[:, None], blocks)[:, 0].double().cpu()
        coarse = coarse / coarse.mean((1, 2), keepdim=True).clamp_min(1e-12)
        tone = functional.adaptive_avg_pool2d(image.float(), blocks).mean(1).double().cpu()
        ratios = torch.distributions.Beta(self.alpha, self.alpha).sample((len(image),)).double()
        found = []
        for index, other in enumerate(partner.tolist()):
            unary = self._unary(coarse[index], coarse[other], float(ratios[index]))
            edges = self._edges(tone[index], tone[other])
            found.append(cut_levels(unary, *edges).reshape(blocks, blocks) / (_LEVELS - 1))
        mask = torch.from_numpy(np.stack(found)).to(image)[:, None]
        return functional.interpolate(mask, size=image.shape[-2:], mode="nearest-exact")

    def _unary(self, own: Tensor, other: Tensor, ratio: float) -> NDArray[np.float64]:
        """Return the cost of each level of each block, float [blocks^2, 3]."""
        level = torch.linspace(0, 1, _LEVELS, dtype=torch.float64)
        hidden = (1 - level) * own.flatten()[:, None] + level * other.flatten()[:, None]
        ratio = min(max(ratio, 1e-3), 1 - 1e-3)
        chance = np.log([(1 - ratio) ** 2, 2 * ratio * (1 - ratio), ratio**2])
        cost: NDArray[np.float64] = hidden.numpy() - self.prior * chance
        return cost

    def _edges(
        self, own: Tensor, other: Tensor
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return both ends and the weight of every pair of neighbouring blocks."""
        size = own.shape[0]
        index = np.arange(size * size).reshape(size, size)
        one = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
        two = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
        a, b = own.flatten().numpy(), other.flatten().numpy()
        differ = (np.abs(a[one] - b[two]) + np.abs(b[one] - a[two])) / 2
        return one, two, (self.smoothness + self.likeness * differ) * size / 16


def cut_levels(
    unary: NDArray[np.float64],
    one: NDArray[np.int64],
    two: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Minimise sum_i unary[i, x_i] + sum_ij weight_ij |x_i - x_j| / (K - 1) exactly.

    Ishikawa's graph (PAMI 2003): a chain of K edges per node, cut where its level is.

    Args:
        unary: float [N, K], cost of each level, finite.
        one: int64 [E], first end of each pair.
        two: int64 [E], second end.
        weight: float [E], not negative, finite.

    Returns:
        int64 [N], the level of each node.
    """
    nodes, levels = unary.shape
    inner = levels - 1  # nodes of a chain between source and sink
    above = unary - unary.min(axis=1, keepdims=True)
    unit = min(_UNIT, _MOST / max(above.sum(), weight.max(initial=0), 1e-300))
    cost = np.rint(above * unit).astype(np.int64)
    between = np.rint(np.repeat(weight, inner) * unit / inner).astype(np.int64)
    chain = np.arange(nodes * inner).reshape(nodes, inner)
    reached = _source_side(
        *_ishikawa(cost, chain, (chain[one].ravel(), chain[two].ravel()), between)
    )
    found: NDArray[np.int64] = reached[chain].sum(axis=1)
    return found


def _ishikawa(
    cost: NDArray[np.int64],
    chain: NDArray[np.int64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    between: NDArray[np.int64],
) -> tuple[sparse.csr_matrix, int, int]:
    """Return the graph, its source and its sink.

    Args:
        cost: int64 [N, K], of the edges of each chain.
        chain: int64 [N, K - 1], the nodes of each chain.
        pairs: both ends of the edges between chains, int64 [P] each.
        between: int64 [P], capacities of these, both ways.
    """
    source, sink = chain.size, chain.size + 1
    ends = np.full((len(chain), 1), source), np.full((len(chain), 1), sink)
    full = np.concatenate([ends[0], chain, ends[1]], axis=1)
    back = chain[:, :-1].size  # a chain is cut once: its backward edges cost more than all others
    parts = [
        (full[:, :-1].ravel(), full[:, 1:].ravel(), cost.ravel()),
        (chain[:, 1:].ravel(), chain[:, :-1].ravel(), np.full(back, cost.sum() + 1)),
        (*pairs, between),
        (*pairs[::-1], between),
    ]
    start, end, capacity = (np.concatenate(part) for part in zip(*parts, strict=True))
    shape = (sink + 1, sink + 1)
    graph = sparse.coo_matrix((capacity.astype(np.int32), (start, end)), shape=shape)
    return graph.tocsr(), source, sink


def _source_side(graph: sparse.csr_matrix, source: int, sink: int) -> NDArray[np.bool_]:
    """Return which nodes remain with the source in the minimum cut, the fewest possible."""
    residual = (graph - maximum_flow(graph, source, sink).flow).tocsr()
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(graph.shape[0], dtype=bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return reached
