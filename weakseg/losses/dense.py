"""Losses that need every pixel annotated."""

from dataclasses import dataclass

import torch

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import IGNORE_INDEX, Batch, Output, Share


@dataclass(frozen=True, kw_only=True)
class Dice:
    """Soft Dice loss per sample, averaged over all classes, background included (MONAI's).

    1 - (2 sum p y + 1e-5) / (sum p + sum y + 1e-5), sums over the pixels of one sample, so that
    the term does not depend on how a batch is divided.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "dice"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the loss summed over samples, and their number.

        Raises:
            ValueError: shapes differ, or a pixel is not annotated (the latter is checked on the
                CPU only: elsewhere it would stall the device each step).
        """
        # MONAI takes seconds to import; runs on scribbles alone do without it.
        from monai.losses.dice import DiceLoss

        logits, label = full_precision(out.logits), batch.label
        if (logits.shape[0], *logits.shape[2:]) != tuple(label.shape):
            raise ValueError(
                f"logits [B, C, *S] and label [B, *S] must agree in B and *S, "
                f"got {tuple(logits.shape)} and {tuple(label.shape)}"
            )
        if label.device.type == "cpu" and bool((label == IGNORE_INDEX).any()):
            missing = int((label == IGNORE_INDEX).sum())
            raise ValueError(f"Dice needs dense labels, got {missing} pixels without annotation")
        loss = DiceLoss(to_onehot_y=True, softmax=True, reduction="none")
        per_class: torch.Tensor = loss(logits, label[:, None])  # [B, C, 1, ...]
        return Share(per_class.flatten(1).mean(1).sum(), logits.new_tensor(float(len(logits))))
