"""Minimum spanning trees on the pixel grid, and exact filtering along them."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from torch import Tensor
from torch.autograd.function import once_differentiable


class Forest(NamedTuple):
    """One spanning tree per sample; node k of sample b has the number b * N + k.

    ``order`` lists all nodes so that each follows its parent, int64 [B * N]; ``parent`` is the
    parent of every node, its own number at a root, int64 [B * N].
    """

    order: Tensor
    parent: Tensor


@torch.no_grad()
def minimum_spanning_forest(features: Tensor) -> Forest:
    """Return the trees whose edges join neighbouring pixels of least squared distance.

    Args:
        features: float [B, F, *S]; neighbours share a side.
    """
    batch, space = len(features), tuple(features.shape[2:])
    one, other = _neighbours(space)
    nodes = int(np.prod(space))
    flat = features.detach().flatten(2).double().cpu().numpy()
    orders, parents = [], []
    for index in range(batch):
        distance = np.square(flat[index][:, one] - flat[index][:, other]).sum(0)
        # A constant keeps edges of distance 0 in the sparse graph, and the order of the others.
        graph = sparse.coo_matrix((distance + 1.0, (one, other)), shape=(nodes, nodes))
        tree = csgraph.minimum_spanning_tree(graph.tocsr())
        order, parent = csgraph.breadth_first_order(tree, 0, directed=False)
        parent[0] = 0
        orders.append(order.astype(np.int64) + index * nodes)
        parents.append(parent.astype(np.int64) + index * nodes)
    device = features.device
    return Forest(*(torch.from_numpy(np.concatenate(p)).to(device) for p in (orders, parents)))


def edge_weights(features: Tensor, forest: Forest, sigma: float) -> Tensor:
    """Return exp(-|x_i - x_parent|^2 / sigma) of every node, 0 at roots, float [B * N].

    Args:
        features: float [B, F, *S].
        forest: trees on these pixels.
        sigma: in squared units of the features.
    """
    nodes = features.flatten(2).transpose(1, 2).flatten(0, 1)  # [B * N, F]
    distance = (nodes - nodes[forest.parent]).square().sum(1)
    root = forest.parent == torch.arange(len(forest.parent), device=forest.parent.device)
    return torch.exp(-distance / sigma).masked_fill(root, 0.0)


def tree_filter(values: Tensor, weights: Tensor, forest: Forest) -> Tensor:
    """Average values along the trees: sum_j s_ij x_j / sum_j s_ij.

    s_ij is the product of the edge weights on the path from i to j. With A[parent, child] = w,
    the sums are (I - A^T)^-1 (1 - w^2) (I - A)^-1 x: up to the root, and down again. Both
    systems are triangular, so the result and its gradients are exact and linear in time. They
    are solved on the CPU.

    Args:
        values: float [B, C, *S].
        weights: float [B * N], of the edge to the parent, in [0, 1].
        forest: trees on these pixels.

    Returns:
        float [B, C, *S].
    """
    with_ones = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    rows = with_ones.flatten(2).transpose(1, 2).flatten(0, 1)  # [B * N, C + 1]
    sums: Tensor = _TreeSums.apply(rows, weights, forest)  # type: ignore[no-untyped-call]
    means = sums[:, :-1] / sums[:, -1:]
    per_sample = means.reshape(len(values), -1, means.shape[1])
    return per_sample.transpose(1, 2).reshape(values.shape)


class _TreeSums(torch.autograd.Function):
    """sum_j s_ij x_j for every node of a forest."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, forest: Forest) -> Tensor:
        order = forest.order.cpu().numpy()
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        parent = place[forest.parent.cpu().numpy()[order]]
        w = weights.detach().double().cpu().numpy()[order]
        solver = _triangular(parent, w)
        up = solver.solve(_ordered(rows, order))
        down = solver.solve((1 - w**2)[:, None] * up, "T")
        ctx.known = order, parent, w, solver, up, down
        return _unordered(down, order, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        order, parent, w, solver, up, down = ctx.known
        passed = solver.solve(_ordered(gradient, order))
        source = solver.solve((1 - w**2)[:, None] * passed, "T")
        slope = (passed * down[parent] - 2 * w[:, None] * passed * up + source[parent] * up).sum(1)
        slope[parent == np.arange(len(parent))] = 0.0
        by_node = np.empty_like(slope)
        by_node[order] = slope
        return _unordered(source, order, gradient), torch.from_numpy(by_node).to(gradient), None


def _triangular(parent: NDArray[np.int64], w: NDArray[np.float64]) -> Any:
    """Factorise I - A, upper triangular since parents come before their children."""
    nodes = np.arange(len(parent))
    child = parent != nodes
    matrix = sparse.coo_matrix(
        (
            np.concatenate([np.ones(len(nodes)), -w[child]]),
            (np.concatenate([nodes, parent[child]]), np.concatenate([nodes, nodes[child]])),
        )
    )
    return splu(matrix.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0)


def _ordered(rows: Tensor, order: NDArray[np.int64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = rows.detach().double().cpu().numpy()[order]
    return values


def _unordered(values: NDArray[np.float64], order: NDArray[np.int64], like: Tensor) -> Tensor:
    by_node = np.empty_like(values)
    by_node[order] = values
    return torch.from_numpy(by_node).to(like)


@lru_cache(maxsize=8)
def _neighbours(space: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both ends of every edge between pixels that share a side."""
    index = np.arange(int(np.prod(space))).reshape(space)
    pairs = [
        (np.delete(index, -1, axis).ravel(), np.delete(index, 0, axis).ravel())
        for axis in range(len(space))
    ]
    one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    return one, other
