"""Optimiser steps on a working set: which sample when, how augmented, at which rate."""

from collections.abc import Sequence

import torch
from torch import Tensor

from weakseg.online.memory import Sample
from weakseg.seeding import Key, generator


def draws(size: int, count: int, key: Key) -> list[int]:
    """Return ``count`` indices below ``size``: shuffled epochs without replacement.

    Example:
        >>> sorted(draws(3, 6, (0, "example")))
        [0, 0, 1, 1, 2, 2]
    """
    order: list[int] = []
    while len(order) < count:
        epoch = len(order) // size
        order += generator(*key, "order", epoch).permutation(size).tolist()
    return order[:count]


def stacked(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return images [N, M, D, H, W], targets and weights [N, 1, D, H, W] on a device."""
    image = torch.stack([torch.tensor(sample.image) for sample in samples])
    target = torch.stack([torch.tensor(sample.target)[None] for sample in samples])
    weight = torch.stack([torch.tensor(sample.weight)[None] for sample in samples])
    return image.to(device), target.to(device), weight.to(device)
