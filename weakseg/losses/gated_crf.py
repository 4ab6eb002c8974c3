"""Gated CRF: the masked CRF with every pixel as a centre."""

from dataclasses import dataclass

import torch

from weakseg.losses.masked_crf import crf_share
from weakseg.losses.terms import check_weight, full_precision
from weakseg.losses.window import check_window
from weakseg.types import Batch, Output, Share


@dataclass(frozen=True, kw_only=True)
class GatedCRF:
    """:func:`~weakseg.losses.masked_crf` without a mask (Obukhov et al., 2019, as in WSL4MIS).

    At full resolution, from the first step on, averaged over all pixels.
    """

    weight: float = 0.1
    radius: int = 5
    sigma_xy: float = 6.0
    sigma_intensity: float = 0.1

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_window(self.radius, sigma_xy=self.sigma_xy, sigma_intensity=self.sigma_intensity)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "gated_crf"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the loss summed over pixels, and their number."""
        return crf_share(
            full_precision(out.logits).softmax(1),
            batch.image,
            torch.ones_like(batch.label, dtype=torch.bool),
            radius=self.radius,
            sigma_xy=self.sigma_xy,
            sigma_intensity=self.sigma_intensity,
            border="inside",
        )
