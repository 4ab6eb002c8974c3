"""Gated CRF: the masked CRF with every pixel as a centre."""

from dataclasses import dataclass

import torch
from torch import Tensor

from weakseg.losses.masked_crf import MaskedCRF
from weakseg.types import Batch


@dataclass(frozen=True, kw_only=True)
class GatedCRF(MaskedCRF):
    """:class:`MaskedCRF` without its mask (Obukhov et al., 2019, as in WSL4MIS).

    At full resolution, from the first step on, averaged over all pixels.
    """

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "gated_crf"

    def centres(self, batch: Batch) -> Tensor:
        """Return bool [B, *S], all pixels."""
        return torch.ones_like(batch.label, dtype=torch.bool)
