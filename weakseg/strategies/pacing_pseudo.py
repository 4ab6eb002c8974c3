"""PacingPseudo: two views, entropy, an auxiliary path and a memory of classes.

Yang et al., Expert Systems with Applications 2024.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from weakseg.losses import Entropy, PartialCE
from weakseg.losses.terms import check_weight
from weakseg.models import Network
from weakseg.strategies.strategy import Companion, Task
from weakseg.types import IGNORE_INDEX, Batch, Output, Share, channels_last


@dataclass(frozen=True, kw_only=True)
class PacingPseudo:
    """Four terms beside the partial cross-entropy of the weak view, which is the batch itself.

    ``entropy`` of the weak view's prediction and ``consistency``, the cross-entropy of the strong
    view (contrast, brightness, gamma, noise) with the weak view's prediction, learnt from on both
    sides, grow as exp(-8 (1 - t / T)) until T, ``pace`` of the run (80 of 400 epochs).
    ``auxiliary_ce``: partial cross-entropy of a small head on the features of ``layer``.
    ``memory_ce``: annotated pixels' features should be most like the memory of their own class, by
    cosine similarity over ``temperature``. Of the memory only the idea is the paper's: its form
    (running means of annotated pixels' features by class), its weight and the head's shape are
    ours. Several devices share the first one's memory.
    """

    layer: str = "decoder.2"
    pace: float = 0.2
    auxiliary_weight: float = 0.01
    memory_weight: float = 0.01
    momentum: float = 0.9
    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_weight(self.auxiliary_weight)
        check_weight(self.memory_weight)
        if not 0 < self.pace <= 1:
            raise ValueError(f"pace must be above 0 and at most 1, got {self.pace}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose features the strategy needs."""
        return (self.layer,)

    def build(self, network: Network, task: Task) -> "Pacer":
        """Return the companion with an empty memory."""
        return Pacer(self, _width(network, task, self.layer), task)


class Pacer(Companion):
    """The auxiliary path and the memory of :class:`PacingPseudo`."""

    memory: Tensor
    known: Tensor

    def __init__(self, config: PacingPseudo, width: int, task: Task) -> None:
        weights = {
            "entropy": 1.0,
            "consistency": 1.0,
            "auxiliary_ce": config.auxiliary_weight,
            "memory_ce": config.memory_weight,
        }
        super().__init__(weights)
        self.config, self.steps = config, task.steps
        self.path = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.01),
            nn.Conv2d(width, task.classes, 1),
        )
        self.register_buffer("memory", torch.zeros(task.classes, width))
        self.register_buffer("known", torch.zeros(task.classes, dtype=torch.bool))

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the terms of both views, of the path and of the memory."""
        pace = math.exp(-8 * (1 - min(1.0, batch.step / (self.config.pace * self.steps))))
        entropy = Entropy()(out, batch)
        strong = network(channels_last(strong_view(batch.image))).logits.float()
        agree = -(out.logits.float().softmax(1) * strong.log_softmax(1)).sum(1)
        features = out.features[self.config.layer]
        size = out.logits.shape[2:]
        path = functional.interpolate(
            self.path(features).float(), size=size, mode="bilinear", align_corners=False
        )
        return {
            "entropy": Share(pace * math.log(out.logits.shape[1]) * entropy.total, entropy.weight),
            "consistency": Share(pace * agree.sum(), agree.new_tensor(agree.numel())),
            "auxiliary_ce": PartialCE()(Output(path), batch),
            "memory_ce": self._remember(features, batch.label),
        }

    def _remember(self, features: Tensor, label: Tensor) -> Share:
        """Update the memory with annotated pixels' features and compare these with it."""
        full = functional.interpolate(
            features.float(), size=label.shape[1:], mode="bilinear", align_corners=False
        )
        annotated = label != IGNORE_INDEX
        each, classes = full.movedim(1, -1)[annotated], label[annotated]  # [P, F], [P]
        self._update(each.detach(), classes)
        with torch.autocast(each.device.type, enabled=False):  # half precision is too coarse here
            ways = functional.normalize(each, dim=1), functional.normalize(self.memory, dim=1)
            likeness = ways[0] @ ways[1].T  # [P, C]
        likeness = (likeness / self.config.temperature).masked_fill(~self.known, -1e4)
        total = functional.cross_entropy(likeness, classes, reduction="sum")
        return Share(total, total.new_tensor(len(classes)))

    @torch.no_grad()
    def _update(self, each: Tensor, classes: Tensor) -> None:
        for cls in torch.unique(classes).tolist():
            mean = each[classes == cls].mean(0)
            keep = self.config.momentum if self.known[cls] else 0.0
            self.memory[cls] = keep * self.memory[cls] + (1 - keep) * mean
            self.known[cls] = True


@torch.no_grad()
def strong_view(image: Tensor) -> Tensor:
    """Return the image float [B, M, S, S] with other brightness, contrast, gamma, and noise."""

    def draw(low: float, high: float) -> Tensor:
        return torch.empty(len(image), 1, 1, 1).uniform_(low, high).to(image)

    mean = image.mean((2, 3), keepdim=True)
    changed = (image - mean) * draw(0.5, 1.5) + mean + draw(-0.2, 0.2)
    changed = changed.clamp(0, 1) ** draw(0.7, 1.5)
    return (changed + 0.1 * draw(0, 1) * torch.randn_like(image)).clamp(0, 1)


def _width(network: Network, task: Task, layer: str) -> int:
    """Return the number of channels of a layer, leaving the network as it is."""
    training = network.training
    image = torch.zeros(1, task.modalities, *task.size, device=next(network.parameters()).device)
    with torch.no_grad():
        width = int(network.eval()(image).features[layer].shape[1])
    network.train(training)
    return width
