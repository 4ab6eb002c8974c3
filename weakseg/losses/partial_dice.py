"""Dice where somebody annotated."""

from dataclasses import dataclass

from torch import Tensor

from weakseg.losses.terms import check_weight, full_precision, one_hot
from weakseg.types import IGNORE_INDEX, Batch, Output, Share

_SMOOTH = 1e-5


def partial_dice(probs: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Soft Dice loss of each sample and class over annotated pixels only.

    1 - (2 sum_i p_i y_i + 1e-5) / (sum_i p_i + sum_i y_i + 1e-5), sums over the annotated pixels
    of the sample: nnU-Net's loss with an ignore label, per sample instead of per batch, and only
    for the classes that are drawn in it, since elsewhere the smallest probability would cost 1.

    Args:
        probs: float [B, C, *S].
        label: int64 [B, *S] with ``IGNORE_INDEX`` where nobody drew.

    Returns:
        The loss, float [B, C], 0 where the class is not drawn, and where it is, bool [B, C].
    """
    known = label != IGNORE_INDEX
    target = (one_hot(label.where(known, 0), probs) * known[:, None]).flatten(2)  # [B, C, N]
    masked = (probs * known[:, None]).flatten(2)
    overlap = (masked * target).sum(2)
    loss = 1 - (2 * overlap + _SMOOTH) / (masked.sum(2) + target.sum(2) + _SMOOTH)
    present = target.sum(2) > 0
    return loss.where(present, 0.0), present


@dataclass(frozen=True, kw_only=True)
class PartialDice:
    """:func:`partial_dice` as a term: its mean over the classes drawn in each sample."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "partial_dice"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the sum over samples and drawn classes, and the number of such pairs."""
        loss, present = partial_dice(full_precision(out.logits).softmax(dim=1), batch.label)
        return Share(loss.sum(), present.sum().to(loss.dtype))
