"""Two decoders that teach each other by randomly mixed predictions."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from weakseg.losses.partial_ce import PartialCE
from weakseg.losses.terms import check_weight, full_precision, one_hot
from weakseg.types import Batch, Output, Share

_SMOOTH = 1e-5
Targets = Literal["hard", "soft"]


def second_head(out: Output) -> Tensor:
    """Return the logits of the second decoder.

    Raises:
        ValueError: the network has no further head of full size.
    """
    if not out.auxiliary or out.auxiliary[0].shape != out.logits.shape:
        raise ValueError(
            "two decoders are needed: a network whose first auxiliary head has the logits' shape, "
            "such as DualUNet"
        )
    return out.auxiliary[0]


@dataclass(frozen=True, kw_only=True)
class AuxiliaryPartialCE:
    """Partial cross-entropy of the second decoder."""

    weight: float = 0.5

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "auxiliary_partial_ce"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return nats summed over annotated pixels, and their number."""
        return PartialCE()(out._replace(logits=second_head(out)), batch)


@dataclass(frozen=True, kw_only=True)
class MixedPseudoLabels:
    """Dynamically mixed pseudo labels of two decoders.

    With the decoders' probabilities p1, p2 and b ~ U(0, 1), q = b p1 + (1 - b) p2 without
    gradient. "hard" (DMPLS, Luo et al., MICCAI 2022): 1/2 [Dice(p1, y) + Dice(p2, y)] with
    y = argmax q. "soft" (DMSPS, Han et al., MedIA 2024): 1/2 [CE(p1, q) + CE(p2, q)], both from
    logits; the released code feeds the second cross-entropy with probabilities. b is drawn for
    each sample (there: for each batch) from torch's generator, and the Dice sums are per sample,
    so that a batch may be divided.
    """

    weight: float = 0.5
    targets: Targets = "hard"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.targets not in get_args(Targets):
            raise ValueError(f"targets must be one of {get_args(Targets)}, got {self.targets!r}")

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "mixed_pseudo_labels"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the sum over samples and their number, or over pixels and theirs if soft."""
        heads = [full_precision(out.logits), full_precision(second_head(out))]
        logs = [head.log_softmax(dim=1) for head in heads]
        with torch.no_grad():
            mix = torch.rand(len(logs[0]), device=logs[0].device, dtype=logs[0].dtype)
            mix = mix.view(-1, *[1] * (logs[0].ndim - 1))
            target = mix * logs[0].exp() + (1 - mix) * logs[1].exp()
        if self.targets == "hard":
            hard = one_hot(target.argmax(dim=1), target)
            each = torch.stack([soft_dice(log.exp(), hard) for log in logs]).mean(0)  # [B]
        else:
            each = torch.stack([-(target * log).sum(dim=1) for log in logs]).mean(0)  # [B, *S]
        return Share(each.sum(), each.new_tensor(each.numel()))


def soft_dice(probs: Tensor, target: Tensor) -> Tensor:
    """Return 1 - (2 sum p y + 1e-5) / (sum p^2 + sum y^2 + 1e-5), mean over classes.

    The Dice loss of WSL4MIS, per sample instead of per batch.

    Args:
        probs: float [B, C, *S].
        target: float [B, C, *S], one-hot or soft.

    Returns:
        float [B].
    """
    p, y = probs.flatten(2), target.flatten(2)
    scale = p.square().sum(2) + y.square().sum(2) + _SMOOTH
    return (1 - (2 * (p * y).sum(2) + _SMOOTH) / scale).mean(1)
