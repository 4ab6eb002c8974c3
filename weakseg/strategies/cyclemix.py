"""CycleMix: mixed images, and predictions that mix alike (Zhang and Zhuang, CVPR 2022)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from weakseg.config import LATER
from weakseg.losses.terms import check_weight, one_hot
from weakseg.models import Network
from weakseg.strategies.pseudo_labels import largest_components
from weakseg.strategies.puzzle_mix import PuzzleMix
from weakseg.strategies.strategy import Companion, Task
from weakseg.strategies.views import cosine_distance, random_view
from weakseg.types import IGNORE_INDEX, Batch, Output, Share, channels_last


@dataclass(frozen=True, kw_only=True)
class CycleMix:
    """Three terms beside the partial cross-entropy of the image itself.

    Images are mixed in pairs by :class:`PuzzleMix`, by the saliency of the partial cross-entropy;
    a square is cut out and the mixture is turned. ``mixed_ce``: partial cross-entropy of the
    mixture with both images' annotations, each weighed by its share; ``mix_consistency``: cosine
    distance between the prediction of the mixture, turned back, and the mixed predictions;
    ``shape``: cosine distance between the prediction and the one-hot of the largest component of
    each class. Saliency takes a forward and a backward pass of its own.
    """

    mixed_weight: float = 1.0
    consistency_weight: float = 0.1
    shape_weight: float = 0.1
    mix: PuzzleMix = field(default_factory=PuzzleMix)
    mirror: bool = field(default=True, metadata=LATER)

    def __post_init__(self) -> None:
        for weight in (self.mixed_weight, self.consistency_weight, self.shape_weight):
            check_weight(weight)

    def build(self, network: Network, task: Task) -> "Mixer":
        """Return the companion; it keeps nothing from step to step."""
        return Mixer(self)


class Mixer(Companion):
    """The terms of :class:`CycleMix`."""

    def __init__(self, config: CycleMix) -> None:
        weights = {
            "mixed_ce": config.mixed_weight,
            "mix_consistency": config.consistency_weight,
            "shape": config.shape_weight,
        }
        super().__init__(weights)
        self.mix, self.mirror = config.mix, config.mirror

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the terms of the mixtures and of the shapes."""
        probs = out.logits.float().softmax(dim=1)
        partner = torch.randperm(len(probs)).to(probs.device)
        mask = self.mix.masks(saliency(network, batch), batch.image, partner)
        view = random_view(batch.image, mirror=self.mirror)
        mixture = mask * batch.image + (1 - mask) * batch.image[partner]
        logits = view.back(network(channels_last(view.show(mixture))).logits).float()
        label = view.hide(batch.label), view.hide(batch.label[partner])
        seen = ~view.cut
        mixed = mask * probs + (1 - mask) * probs[partner]
        distance = cosine_distance(logits.softmax(dim=1) * seen, mixed * seen)
        return {
            "mixed_ce": mixed_cross_entropy(logits, label[0], label[1], mask[:, 0]),
            "mix_consistency": Share(distance.sum(), distance.new_tensor(len(distance))),
            "shape": _shape(probs),
        }


def saliency(network: Network, batch: Batch) -> Tensor:
    """Return the size of the gradient of the partial cross-entropy at each pixel, float [B, *S]."""
    image = batch.image.detach().clone().requires_grad_()
    logits = network(channels_last(image)).logits.float()
    loss = functional.cross_entropy(logits, batch.label, ignore_index=IGNORE_INDEX, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, image)
    return gradient.float().square().mean(dim=1).sqrt()


def mixed_cross_entropy(logits: Tensor, one: Tensor, other: Tensor, share: Tensor) -> Share:
    """Cross-entropy with two annotations: share * CE(one) + (1 - share) * CE(other).

    Args:
        logits: float [B, C, *S].
        one: int64 [B, *S] with ``IGNORE_INDEX``.
        other: int64 [B, *S] with ``IGNORE_INDEX``.
        share: float [B, *S] in [0, 1], of ``one``.

    Returns:
        The weighted sum over annotated pixels, and the sum of their weights.
    """
    total, weight = logits.new_zeros(()), logits.new_zeros(())
    for label, part in ((one, share), (other, 1 - share)):
        each = functional.cross_entropy(logits, label, ignore_index=IGNORE_INDEX, reduction="none")
        total = total + (part * each).sum()
        weight = weight + (part * (label != IGNORE_INDEX)).sum()
    return Share(total, weight)


def _shape(probs: Tensor) -> Share:
    predicted = probs.argmax(dim=1)
    predicted = predicted.where(largest_components(predicted), 0)
    distance = cosine_distance(probs, one_hot(predicted, probs))
    return Share(distance.sum(), distance.new_tensor(len(distance)))
