"""Labels of a second stage from the predictions of a first one."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from weakseg.types import IGNORE_INDEX


class PseudoLabels(Protocol):
    """Frozen configuration of a rule that turns predictions into training labels."""

    def __call__(self, probs: Tensor, label: Tensor) -> Tensor:
        """Return uint8 [N, S, S], ``IGNORE_INDEX`` where the rule does not trust the prediction.

        Args:
            probs: float [N, C, S, S], predictions of the training slices.
            label: uint8 [N, S, S], what the first stage was trained on.
        """


@dataclass(frozen=True, kw_only=True)
class Confident:
    """Sure pixels of the largest component of each class (DMSPS, Han et al., MedIA 2024).

    Kept are pixels whose entropy, divided by ln C, is below ``entropy``; of each foreground class
    the largest connected component of the slice, taken before the sure pixels are chosen; and the
    annotation, which wins over the prediction.
    """

    entropy: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.entropy <= 1:
            raise ValueError(f"entropy must be above 0 and at most 1, got {self.entropy}")

    def __call__(self, probs: Tensor, label: Tensor) -> Tensor:
        """Return uint8 [N, S, S]; see :class:`PseudoLabels`."""
        uncertainty = -(probs * probs.clamp_min(1e-8).log()).sum(1) / math.log(probs.shape[1])
        predicted = probs.argmax(1)
        kept = largest_components(predicted) & (uncertainty < self.entropy)
        made = predicted.to(torch.uint8).where(kept, IGNORE_INDEX)
        return label.where(label != IGNORE_INDEX, made)


def largest_components(label: Tensor) -> Tensor:
    """Return where a slice shows the background or the largest component of a foreground class.

    Args:
        label: int64 [N, *S]; pixels of one class that touch, corners included, belong together.

    Returns:
        bool [N, *S].
    """
    planes = label.cpu().numpy()
    kept = planes == 0
    touching = np.ones((3,) * (planes.ndim - 1))
    for index, plane in enumerate(planes):
        for cls in np.unique(plane[plane > 0]):
            parts, count = ndimage.label(plane == cls, touching)
            sizes = np.bincount(parts.ravel(), minlength=count + 1)
            sizes[0] = 0
            kept[index] |= parts == sizes.argmax()
    return torch.from_numpy(kept).to(label.device)
