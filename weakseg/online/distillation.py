"""Distillation from the network before the case (Tian, Yang & Gao, MSMT, ECCV workshops 2022)."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor
from torch.nn import functional as F

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Output

Head = Literal["main", "auxiliary"]


def knowledge_distillation(
    logits: Tensor, teacher: Tensor, *, temperature: float = 1.0, masked: bool = False
) -> Tensor:
    """Mean over voxels of m BCE(s(z / T), q^(1/T)), after the released code.

    q is the teacher's probability, s the logistic function, and m = q^2 + (1 - q)^2 the teacher's
    confidence where ``masked``, else 1. q^(1/T) is not normalised again, as in the released code.

    Args:
        logits: z, float [B, 1, *S], the student's.
        teacher: float [B, 1, *S], the teacher's logits; they get no gradient.
        temperature: T, above 0.
        masked: whether voxels count by the teacher's confidence.

    Returns:
        float [], nats.

    Example:
        >>> import torch
        >>> zero = torch.zeros(1, 1, 2, 2, 2)
        >>> knowledge_distillation(zero, zero, masked=True)
        tensor(0.3466)
    """
    z, known = full_precision(logits), full_precision(teacher).detach()
    soft = (F.logsigmoid(known) / temperature).exp()
    q = known.sigmoid()
    confidence = q.square() + (1 - q).square() if masked else None
    return F.binary_cross_entropy_with_logits(z / temperature, soft, confidence)


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """:func:`knowledge_distillation` as a term, on the main head or the first auxiliary one.

    The released code's baselines, both of weight 0.4, are temperature 2 without a mask on the main
    head ("KD1", like LwF) and temperature 1 with the mask on a head of its own ("KD2").
    The teacher speaks with its main head in both cases: where a head exists for distillation only,
    it learns to say what the previous network segmented (our reading of the released code).
    """

    weight: float = 0.4
    temperature: float = 1.0
    masked: bool = True
    head: Head = "main"
    name: ClassVar[str] = "distillation"
    layers: ClassVar[tuple[str, ...]] = ()
    needs_teacher: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.head not in get_args(Head):
            raise ValueError(f"head must be one of {get_args(Head)}, got {self.head!r}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    def __call__(
        self, out: Output, target: Tensor, weight: Tensor, teacher: Output | None
    ) -> Tensor:
        """Return the term, float [], nats; see :class:`~weakseg.online.terms.OnlineTerm`.

        Raises:
            ValueError: the network has no auxiliary head and the term needs one.
        """
        if self.head == "auxiliary" and not out.auxiliary:
            raise ValueError("distillation on an auxiliary head needs a network that has one")
        logits = out.logits if self.head == "main" else out.auxiliary[0]
        if teacher is None:
            return full_precision(logits).sum() * 0
        return knowledge_distillation(
            logits, teacher.logits, temperature=self.temperature, masked=self.masked
        )
