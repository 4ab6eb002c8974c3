"""What a method may keep and compute beside the network: the one mechanism for all of them.

A strategy is the frozen configuration that stands in a table's row; the companion it builds is the
module that lives through one run. The run owns it as a submodule, so that everything registered in
it (a teacher's weights, running pseudo-labels, a memory, an auxiliary path) is moved to the device,
trained where it asks for a gradient, saved in checkpoints and resumed bit by bit.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from weakseg.models import Network
from weakseg.types import Batch, Output, Share, channels_last


class Task(NamedTuple):
    """What a strategy is built for.

    ``steps`` of the whole run, ``batch`` slices per step over all devices, ``modalities`` of the
    image, ``classes`` with the background, ``slices`` to train on of ``size`` (H, W) pixels.
    """

    steps: int
    batch: int
    modalities: int
    classes: int
    slices: int
    size: tuple[int, int]


class TrainingSlices(Protocol):
    """All training slices as they are, without augmentation, on the run's device."""

    image: Tensor
    """float [N, M, S, S] in [0, 1]."""
    label: Tensor
    """uint8 [N, S, S], ``IGNORE_INDEX`` where nothing is known."""


class Companion(nn.Module):
    """State and extra terms of one run; the hooks do nothing unless overridden.

    Args:
        weights: factor of each extra term in the objective, by name.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    def before_step(self, network: Network, step: int, slices: TrainingSlices) -> None:
        """Prepare step ``step``; called before its forward pass, outside of its random numbers."""

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return one share per name of ``weights``.

        Args:
            network: in training mode; may be called again. Each pass with BatchNorm also moves
                its running statistics, views and mixtures included, as in the papers' codes.
            out: what it returned for ``batch``.
            batch: the augmented slices of this step.
        """
        raise NotImplementedError

    def after_step(self, network: Network, step: int) -> None:
        """Follow the update of step ``step``."""


class Strategy(Protocol):
    """Frozen configuration of a companion.

    Where it has ``layers``, a tuple of names of the host's submodules, their outputs are in
    ``Output.features``.
    """

    def build(self, network: Network, task: Task) -> Companion:
        """Return the companion; its initial values are drawn from torch's seeded generator."""


@torch.no_grad()
def predict_slices(network: Network, image: Tensor, batch: int) -> Tensor:
    """Return class probabilities float [N, C, S, S] of slices, in evaluation mode.

    All heads of full size are averaged. The network is left as it was found.
    """
    training = network.training
    network.eval()
    parts = []
    for part in torch.split(image, batch):
        out = network(channels_last(part))
        heads = [head for head in (out.logits, *out.auxiliary) if head.shape == out.logits.shape]
        parts.append(torch.stack([head.float().softmax(1) for head in heads]).mean(0))
    network.train(training)
    return torch.cat(parts)
