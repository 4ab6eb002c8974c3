"""Contrast of features with those of the network before the case.

Tian, Yang & Gao, "Multi-scale multi-task distillation for incremental 3D medical image
segmentation" (MSMT), ECCV workshops 2022, after their released code.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Output

_CELLS = 1 << 23
"""Similarities held at once: 32 MiB of float32."""


class Contrasts(NamedTuple):
    """What the anchors of one volume are compared with, unit vectors without gradient.

    ``positives`` is float [P, F] with the ``confidence`` c, float [P], of each; ``negatives`` is
    float [K, F]. The first positives are the anchors themselves, in their order.
    """

    positives: Tensor
    confidence: Tensor
    negatives: Tensor


def contrastive(anchors: Tensor, contrasts: Contrasts, temperature: float) -> Tensor:
    """Sum over anchors of the mean over their positives of the contrastive loss.

    For anchor i: -mean over j != i of c_j log(e^(s_ij / T) / (e^(s_ij / T) + sum_k e^(s_ik / T))),
    s the inner product and k the negatives; 0 where there is no other positive or no negative.
    Anchors are taken in chunks, computed anew in the backward pass, so that memory does not grow
    with their number.

    Args:
        anchors: float [A, F], unit vectors; they alone get a gradient.
        contrasts: positives, of which the first A are the anchors, and negatives.
        temperature: T, above 0.

    Returns:
        float [], nats.
    """
    total = anchors.sum() * 0
    others = len(contrasts.positives) - 1
    if others < 1 or not len(contrasts.negatives):
        return total
    step = max(1, _CELLS // (len(contrasts.positives) + len(contrasts.negatives)))
    for start in range(0, len(anchors), step):
        part: Tensor = checkpoint(
            _chunk, anchors[start : start + step], start, contrasts, temperature,
            use_reentrant=False, preserve_rng_state=False,
        )  # fmt: skip
        total = total + part
    return total / others


def _chunk(anchors: Tensor, start: int, contrasts: Contrasts, temperature: float) -> Tensor:
    """Return the sum over anchors and positives, the anchors being those from ``start`` on."""
    with torch.autocast(anchors.device.type, enabled=False):
        against = (anchors @ contrasts.negatives.T / temperature).logsumexp(1, keepdim=True)
        alike = anchors @ contrasts.positives.T / temperature  # [A, P]
    each = contrasts.confidence * F.softplus(against - alike)
    return each.sum() - each.diagonal(start).sum()


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """:func:`contrastive` at one layer as a term: mean over all anchors of the batch.

    Anchors are the network's own feature vectors at foreground voxels: the target above one half,
    resized linearly to the layer's grid, and still exactly 1 there. Positives are the other
    anchors, and the teacher's vectors at those voxels where it sees foreground too, with confidence
    c = q^2 + (1 - q)^2 of its probability q; every other vector of both is a negative. With
    ``boundary_only`` all are taken from voxels that touch, at a face, edge or corner, one on the
    other side of the target (which neighbours: our choice).
    """

    layer: str
    weight: float = 0.1
    temperature: float = 1.0
    boundary_only: bool = False
    needs_teacher: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    @property
    def name(self) -> str:
        """Name of the term in logs, one for each layer."""
        return f"contrastive_{self.layer.replace('.', '_')}"

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer whose features are contrasted."""
        return (self.layer,)

    def __call__(
        self, out: Output, target: Tensor, weight: Tensor, teacher: Output | None
    ) -> Tensor:
        """Return the term, float [], nats; 0 with zero gradient where there is no anchor.

        The weights of the voxels do not count. See :class:`~weakseg.online.terms.OnlineTerm`.
        """
        features = full_precision(out.features[self.layer])
        if teacher is None:
            return features.sum() * 0
        new = F.normalize(features, dim=1)
        old = F.normalize(full_precision(teacher.features[self.layer]).detach(), dim=1)
        inside = _resized((target > 0.5).to(new.dtype), new) > 1 - 1e-5  # [B, 1, *s]
        known = _resized(full_precision(teacher.logits).detach().sigmoid(), new)
        taken = _boundary(inside) if self.boundary_only else torch.ones_like(inside)
        total, count = features.sum() * 0, 0
        for item in zip(new, old, inside, known, taken, strict=True):
            anchors, contrasts = _arranged(*(part.flatten(1) for part in item))
            total = total + contrastive(anchors, contrasts, self.temperature)
            count += len(anchors)
        return total / max(1, count)


def _arranged(
    new: Tensor, old: Tensor, inside: Tensor, known: Tensor, taken: Tensor
) -> tuple[Tensor, Contrasts]:
    """Return anchors and contrasts of a volume's vectors [F, Q] and maps [1, Q]."""
    taken = taken[0]
    new, old, inside, known = new.T[taken], old.T[taken], inside[0, taken], known[0, taken]
    found = inside & (known > 0.5)
    anchors, fixed = new[inside], new.detach()
    confidence = known[found].square() + (1 - known[found]).square()
    return anchors, Contrasts(
        torch.cat([fixed[inside], old[found]]),
        torch.cat([confidence.new_ones(len(anchors)), confidence]),
        torch.cat([fixed[~inside], old[~found]]),
    )


def _resized(volume: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(volume, like.shape[2:], mode="trilinear", align_corners=False)


def _boundary(inside: Tensor) -> Tensor:
    """Return the voxels of [B, 1, *s] with one of the other kind among their 26 neighbours."""
    value = inside.float()
    highest, lowest = F.max_pool3d(value, 3, 1, 1), -F.max_pool3d(-value, 3, 1, 1)
    return highest > lowest
