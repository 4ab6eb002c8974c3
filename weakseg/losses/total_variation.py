"""Soft contour length: predictions should have short borders."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Batch, Output, Share

_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


def contour(probs: Tensor) -> Tensor:
    """Return the soft inner contour of a 3 x 3 opening: relu(max(min(p)) - min(p)).

    The morphological contour length of WSL4MIS (Luo et al.), where the term is called total
    variation. Its script drops the first sample where it means to drop the background class.

    Args:
        probs: float [B, C, *S], 2D or 3D.

    Returns:
        float [B, C, *S] in [0, 1].
    """
    pool = _POOL[probs.ndim - 2]
    eroded = -pool(-probs, 3, 1, 1)
    contours: Tensor = functional.relu(pool(eroded, 3, 1, 1) - eroded)
    return contours


@dataclass(frozen=True, kw_only=True)
class TotalVariation:
    """:func:`contour` as a term: its mean over pixels and foreground classes."""

    weight: float = 0.01

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "total_variation"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the sum over pixels and foreground classes, and their number."""
        each = contour(full_precision(out.logits).softmax(dim=1)[:, 1:])
        return Share(each.sum(), each.new_tensor(each.numel()))
