"""Labels of a second stage from the predictions of a first one."""

from typing import Protocol

from torch import Tensor


class PseudoLabels(Protocol):
    """Frozen configuration of a rule that turns predictions into training labels."""

    def __call__(self, probs: Tensor, label: Tensor) -> Tensor:
        """Return uint8 [N, S, S], ``IGNORE_INDEX`` where the rule does not trust the prediction.

        Args:
            probs: float [N, C, S, S], predictions of the training slices.
            label: uint8 [N, S, S], what the first stage was trained on.
        """
