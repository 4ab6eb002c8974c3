"""Mumford-Shah functional: classes of even intensity with short borders."""

from dataclasses import dataclass

import torch
from torch import Tensor

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Batch, Output, Share


def mumford_shah(probs: Tensor, image: Tensor) -> Tensor:
    """Return the functional of each sample, summed over pixels (Kim and Ye, IEEE TIP 2020).

    sum_c sum_i p_ic |I_i - m_c|^2 + sum over axes and classes of |differences of p|, with
    m_c = sum_i p_ic I_i / sum_i p_ic.

    Args:
        probs: float [B, C, *S].
        image: float [B, M, *S]; squared differences are averaged over the modalities.

    Returns:
        float [B].
    """
    space = tuple(range(2, probs.ndim))
    within = torch.zeros(len(probs), dtype=probs.dtype, device=probs.device)
    for channel in image.to(probs.dtype).split(1, dim=1):  # type: ignore[no-untyped-call]
        mass = probs.sum(space, keepdim=True).clamp_min(1e-8)
        mean = (channel * probs).sum(space, keepdim=True) / mass
        within = within + (probs * (channel - mean).square()).flatten(1).sum(1)
    borders = [probs.diff(dim=axis).abs().flatten(1).sum(1) for axis in space]
    return within / image.shape[1] + torch.stack(borders).sum(0)


@dataclass(frozen=True, kw_only=True)
class MumfordShah:
    """:func:`mumford_shah` as a term, per pixel.

    WSL4MIS sums over batch and pixels and weighs the sum by 1e-6. At its size, 12 images of
    256 x 256 pixels, that is 0.79 times the mean per pixel; here the mean is weighed, so that the
    weight does not depend on the size.
    """

    weight: float = 0.79

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "mumford_shah"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the functional summed over samples, and the number of pixels."""
        total = mumford_shah(full_precision(out.logits).softmax(dim=1), batch.image).sum()
        return Share(total, total.new_tensor(batch.label.numel()))
