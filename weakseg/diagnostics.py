"""What a run reports about itself while it trains, on the network's grid."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from weakseg.models import Network
from weakseg.models.similarity import window


def grid_dice(prediction: Tensor, reference: Tensor, classes: int) -> Tensor:
    """Return the Dice of each foreground class over a whole volume.

    Args:
        prediction: int64 [Z, *S].
        reference: int64 [Z, *S].
        classes: number of foreground classes.

    Returns:
        float [classes]; NaN where both hold nothing of the class.
    """
    found = functional.one_hot(prediction.flatten(), classes + 1)[:, 1:].float()
    true = functional.one_hot(reference.flatten(), classes + 1)[:, 1:].float()
    return 2 * (found * true).sum(0) / (found.sum(0) + true.sum(0))


def similarity_statistics(similarity: Mapping[str, Tensor], label: Tensor) -> dict[str, float]:
    """Return mean and spread of K and its correlation with "both cells have the same label".

    Args:
        similarity: layer -> float [B, W, *s].
        label: int64 [B, *S], the reference.
    """
    rows: dict[str, float] = {}
    for layer, band in similarity.items():
        grid = band.shape[2:]
        coarse = functional.interpolate(label[:, None].float(), size=grid, mode="nearest-exact")
        label_of = coarse.flatten(1).long()  # [B, N]
        cell, inside = window(tuple(grid), _radius(band), band.device)
        inside = inside & (cell != torch.arange(len(cell), device=cell.device)[:, None])
        same = label_of[:, cell] == label_of[:, :, None]  # [B, N, W]
        k = band.flatten(2).transpose(1, 2)[:, inside].flatten().double()
        s = same[:, inside].flatten().double()
        rows[f"{layer}/mean"], rows[f"{layer}/std"] = k.mean().item(), k.std().item()
        correlation = torch.corrcoef(torch.stack([k, s]))[0, 1].item()
        rows[f"{layer}/same_class_correlation"] = correlation
    return rows


def similarity_parameters(network: Network) -> dict[str, float]:
    """Return w (mean over maps) and b of each attended layer's similarity."""
    if network.attention is None:
        return {}
    rows = {}
    for layer, attended in network.attention.modules_by_name.items():
        for name, value in (("w", attended.projection.weight), ("b", attended.projection.bias)):
            if value is not None:
                rows[f"{layer}/{name}"] = value.detach().mean().item()
    return rows


def _radius(band: Tensor) -> int:
    side = round(math.pow(band.shape[1], 1 / (band.ndim - 2)))
    return (side - 1) // 2
