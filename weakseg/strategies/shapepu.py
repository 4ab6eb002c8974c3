"""ShapePU: classes' shares of the unlabelled pixels, and views that agree.

Zhang and Zhuang, MICCAI 2022.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from weakseg.config import LATER
from weakseg.losses import PartialCE
from weakseg.losses.terms import check_weight
from weakseg.models import Network
from weakseg.strategies.strategy import Companion, Task
from weakseg.strategies.views import cosine_distance, random_view
from weakseg.types import IGNORE_INDEX, Batch, Output, Share, channels_last


@dataclass(frozen=True, kw_only=True)
class ShapePU:
    """Three terms beside the partial cross-entropy of the image itself.

    ``view_ce``: partial cross-entropy of a view with a square cut out, turned and mirrored;
    ``view_consistency``: cosine distance between the prediction and that of the view, turned
    back, outside the square; ``positive_unlabelled``: see :func:`excluded`.
    """

    view_weight: float = 1.0
    consistency_weight: float = 0.05
    unlabelled_weight: float = 1.0
    iterations: int = 5
    mirror: bool = field(default=True, metadata=LATER)

    def __post_init__(self) -> None:
        for weight in (self.view_weight, self.consistency_weight, self.unlabelled_weight):
            check_weight(weight)
        if self.iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {self.iterations}")

    def build(self, network: Network, task: Task) -> "PositiveUnlabelled":
        """Return the companion; it keeps nothing from step to step."""
        return PositiveUnlabelled(self)


class PositiveUnlabelled(Companion):
    """The terms of :class:`ShapePU`."""

    def __init__(self, config: ShapePU) -> None:
        weights = {
            "view_ce": config.view_weight,
            "view_consistency": config.consistency_weight,
            "positive_unlabelled": config.unlabelled_weight,
        }
        super().__init__(weights)
        self.iterations, self.mirror = config.iterations, config.mirror

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the terms of the view and of the unlabelled pixels."""
        probs = out.logits.float().softmax(dim=1)
        view = random_view(batch.image, mirror=self.mirror)
        shown = network(channels_last(view.show(batch.image)))
        logits = view.back(shown.logits)
        seen = ~view.cut
        distance = cosine_distance(probs * seen, logits.float().softmax(dim=1) * seen)
        return {
            "view_ce": PartialCE()(Output(logits), batch._replace(label=view.hide(batch.label))),
            "view_consistency": Share(distance.sum(), distance.new_tensor(len(distance))),
            "positive_unlabelled": self.unlabelled(out.logits.float(), batch.label),
        }

    def unlabelled(self, logits: Tensor, label: Tensor) -> Share:
        """Return -ln(1 - probability of excluded classes) summed over unlabelled pixels.

        The logarithm is taken of the other classes' summed probability, from the logits: where
        an excluded class is certain, 1 - p would round to 0 and teach nothing.
        """
        unlabelled = label == IGNORE_INDEX
        unlabelled &= ~unlabelled.flatten(1).all(1).view(-1, 1, 1)  # nothing is known of those
        probs = logits.detach().softmax(dim=1)
        share = class_shares(probs, label, self.iterations)
        barred = excluded(probs, unlabelled, share)
        each = -logits.log_softmax(dim=1).masked_fill(barred, -torch.inf).logsumexp(dim=1)
        each = each * unlabelled
        return Share(each.sum(), unlabelled.sum().to(each.dtype))


@torch.no_grad()
def class_shares(probs: Tensor, label: Tensor, iterations: int) -> Tensor:
    """Estimate the classes' shares of each sample's unlabelled pixels by EM.

    The network sees annotated pixels in shares pi, so its posterior is corrected for the shares
    a of the unlabelled ones (Saerens et al., Neural Computation 2002):
    a_c <- mean_i [ a_c / pi_c p_ic / sum_k (a_k / pi_k p_ik) ], from a = pi. A class that nobody
    drew in the sample is taken to be absent.

    Args:
        probs: float [B, C, *S].
        label: int64 [B, *S] with ``IGNORE_INDEX``.
        iterations: EM steps.

    Returns:
        float [B, C]; each row adds up to 1, or to 0 where nothing is drawn.
    """
    flat, known = probs.flatten(2).clamp_min(1e-12), label.flatten(1)  # [B, C, N], [B, N]
    classes = torch.arange(probs.shape[1], device=probs.device)
    drawn = (known[:, None] == classes[:, None]).sum(2).to(probs.dtype)  # [B, C]
    prior = drawn / drawn.sum(1, keepdim=True).clamp_min(1)
    unlabelled = (known == IGNORE_INDEX)[:, None]
    count = unlabelled.sum(2).clamp_min(1)
    share = prior
    for _ in range(iterations):
        ratio = share / prior.where(prior > 0, 1)
        weighted = ratio[..., None] * flat
        posterior = weighted / weighted.sum(1, keepdim=True).clamp_min(1e-12)
        share = (posterior * unlabelled).sum(2) / count
    return share


@torch.no_grad()
def excluded(probs: Tensor, unlabelled: Tensor, share: Tensor) -> Tensor:
    """Return which foreground classes each unlabelled pixel cannot have.

    Of the N unlabelled pixels of a sample, the share a_c with the largest probability may be of
    class c, and so may those with the same probability as the last of these; the others are not.

    Args:
        probs: float [B, C, *S].
        unlabelled: bool [B, *S].
        share: float [B, C].

    Returns:
        bool [B, C, *S], false for the background and for annotated pixels.
    """
    flat = probs.flatten(2).masked_fill(~unlabelled.flatten(1)[:, None], -1.0)
    allowed = (share * unlabelled.flatten(1).sum(1, keepdim=True)).ceil().long()  # [B, C]
    descending = flat.sort(dim=2, descending=True).values
    last = descending.gather(2, (allowed - 1).clamp(0, flat.shape[2] - 1)[..., None])
    barred = ((flat < last) | (allowed == 0)[..., None]) & unlabelled.flatten(1)[:, None]
    barred[:, 0] = False
    return barred.view(probs.shape)
