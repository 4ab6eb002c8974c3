"""Cross-entropy where somebody annotated."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import IGNORE_INDEX, Batch, Output, Share


def partial_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy over annotated pixels only (Tang et al., CVPR 2018).

    Args:
        logits: float [B, C, *S], unnormalised class scores.
        label: int64 [B, *S], class index, or ``IGNORE_INDEX`` where nobody drew.

    Returns:
        float [], nats, mean over the annotated pixels of the batch; 0 with zero gradient
        where the batch holds none.

    Raises:
        ValueError: batch or spatial shapes of the two arguments differ.

    Example:
        >>> import torch
        >>> label = torch.full((1, 2, 2), IGNORE_INDEX)
        >>> label[0, 0, 0] = 2
        >>> partial_cross_entropy(torch.zeros(1, 4, 2, 2), label)
        tensor(1.3863)
    """
    return _share(logits, label).mean()


def _share(logits: Tensor, label: Tensor) -> Share:
    if (logits.shape[0], *logits.shape[2:]) != tuple(label.shape):
        raise ValueError(
            f"logits [B, C, *S] and label [B, *S] must agree in B and *S, "
            f"got {tuple(logits.shape)} and {tuple(label.shape)}"
        )
    logits = full_precision(logits)
    total = functional.cross_entropy(logits, label, ignore_index=IGNORE_INDEX, reduction="sum")
    return Share(total, (label != IGNORE_INDEX).sum().to(total.dtype))


@dataclass(frozen=True, kw_only=True)
class PartialCE:
    """:func:`partial_cross_entropy` as a term; on dense labels it is plain cross-entropy."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "partial_ce"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return nats summed over annotated pixels, and their number."""
        return _share(out.logits, batch.label)
