"""Entropy minimisation: predictions should be sure of themselves."""

import math
from dataclasses import dataclass

from torch import Tensor

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Batch, Output, Share


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of each pixel's prediction as a share of the largest possible one.

    -sum_c p_c ln p_c / ln C (Grandvalet and Bengio, NIPS 2004; scaled as in WSL4MIS).

    Args:
        logits: float [B, C, *S].

    Returns:
        float [B, *S], from 0 (sure) to 1 (uniform).
    """
    log_p = full_precision(logits).log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1) / math.log(logits.shape[1])


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """:func:`entropy` as a term: its mean over all pixels."""

    weight: float = 0.1

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "entropy"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the sum over pixels and their number."""
        each = entropy(out.logits)
        return Share(each.sum(), each.new_tensor(each.numel()))
