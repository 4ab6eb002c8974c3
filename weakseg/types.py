"""The tensors and records that cross package boundaries."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
from torch import Tensor

IGNORE_INDEX: Final = 255
"""Label of pixels nobody annotated; readers translate each data set's own code to it."""


class Output(NamedTuple):
    """What a network returns.

    ``logits`` is float [B, C, *S]. ``similarity`` maps the name of each attended layer to its
    banded similarity, float [B, W, *s]: entry ``[b, o, i]`` belongs to grid cell ``i`` and the
    cell at offset ``o`` of the (2 * radius + 1) ** dims window around it, in row-major order.
    ``auxiliary`` holds the logits of further heads (a second decoder, deep supervision), float
    [B, C, *s] each; ``features`` the outputs of the layers that were asked for, by name.
    """

    logits: Tensor
    similarity: Mapping[str, Tensor] = MappingProxyType({})
    auxiliary: tuple[Tensor, ...] = ()
    features: Mapping[str, Tensor] = MappingProxyType({})


class Batch(NamedTuple):
    """Slices or volumes to learn from.

    ``image`` is float [B, M, *S] in [0, 1]; ``label`` is int64 [B, *S] with
    :data:`IGNORE_INDEX` where nobody annotated; ``case`` names the B items; ``step`` is the
    optimisation step the batch belongs to. Training batches also tell which ``rows`` of the
    training slices the items are, int64 [B], and the ``matrices`` of their augmentation, float
    [B, 2, 2], so that what is known about a slice can be turned the same way.
    """

    image: Tensor
    label: Tensor
    case: list[str]
    step: int = 0
    rows: Tensor | None = None
    matrices: Tensor | None = None


class Share(NamedTuple):
    """A mean kept as numerator and denominator, float [] each.

    Sums of shares over micro-batches or devices give the mean of the whole batch exactly.
    """

    total: Tensor
    weight: Tensor

    def mean(self) -> Tensor:
        """Return total / weight; 0 with zero gradient where the weight is 0."""
        return self.total / self.weight.where(self.weight > 0, 1)


def channels_last(image: Tensor) -> Tensor:
    """Return float [B, M, H, W] in the memory format that convolutions prefer, others unchanged."""
    return image.contiguous(memory_format=torch.channels_last) if image.ndim == 4 else image


class Case(NamedTuple):
    """Files of one volume in nnU-Net's raw layout.

    ``part`` is "train", "val" or "test" where the data set comes with a split, else "".
    """

    name: str
    patient: str
    group: str
    image: Path
    reference: Path | None
    scribble: Path | None
    part: str = ""
