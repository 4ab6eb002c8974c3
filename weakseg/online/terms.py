"""What every loss term of the online learner looks like, and the two that need a target only."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args

from torch import Tensor
from torch.nn import functional as F

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Output

Form = Literal["squares", "sums"]

_SMOOTH = 1e-5


class OnlineTerm(Protocol):
    """One summand of the learner's objective; whoever adds the terms applies ``weight``."""

    @property
    def name(self) -> str:
        """Snake-case name, unique within an objective."""

    @property
    def weight(self) -> float:
        """Factor of the term in the objective."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the host's submodules whose output the term needs as features."""

    @property
    def needs_teacher(self) -> bool:
        """Whether the term compares with the network before the case."""

    def __call__(
        self, out: Output, target: Tensor, weight: Tensor, teacher: Output | None
    ) -> Tensor:
        """Return the term, float [], without its factor.

        Args:
            out: what the network says of a batch, logits float [B, 1, *S].
            target: float [B, 1, *S] in [0, 1].
            weight: of each voxel, float [B, 1, *S], at least 0.
            teacher: what the network before the case says of the batch; None while no case has
                been learned, where terms that need it are 0 with zero gradient.
        """


@dataclass(frozen=True, kw_only=True)
class WeightedBCE:
    """Binary cross-entropy times the weight of the voxel (released code of MSMT).

    The sum over voxels is divided by their number, not by the sum of the weights.
    """

    weight: float = 1.0
    name: ClassVar[str] = "weighted_bce"
    layers: ClassVar[tuple[str, ...]] = ()
    needs_teacher: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def __call__(
        self, out: Output, target: Tensor, weight: Tensor, teacher: Output | None
    ) -> Tensor:
        """Return the term, float [], nats; see :class:`OnlineTerm`."""
        return F.binary_cross_entropy_with_logits(
            full_precision(out.logits), full_precision(target), full_precision(weight)
        )


@dataclass(frozen=True, kw_only=True)
class WeightedDice:
    """One minus the soft Dice of each case, each voxel counted by its weight w.

    With ``form`` "squares" it is 1 - 2 sum(w b y) / sum(w (b^2 + y^2)) (Milletari et al., 3DV 2016;
    our choice), which is least at b = y for soft targets too. With "sums", the released code's
    option, the denominator is sum(w (b + y)), and a soft target is best met by a hard prediction.
    """

    weight: float = 1.0
    form: Form = "squares"
    name: ClassVar[str] = "weighted_dice"
    layers: ClassVar[tuple[str, ...]] = ()
    needs_teacher: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {get_args(Form)}, got {self.form!r}")

    def __call__(
        self, out: Output, target: Tensor, weight: Tensor, teacher: Output | None
    ) -> Tensor:
        """Return the term, float [], in [0, 1], mean over the batch; see :class:`OnlineTerm`."""
        b = full_precision(out.logits).sigmoid().flatten(1)  # [B, Q]
        y, w = full_precision(target).flatten(1), full_precision(weight).flatten(1)
        size = b.square() + y.square() if self.form == "squares" else b + y
        overlap = 2 * (w * b * y).sum(1) + _SMOOTH
        return 1 - (overlap / ((w * size).sum(1) + _SMOOTH)).mean()
