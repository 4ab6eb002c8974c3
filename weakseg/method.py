"""What is compared, and the budget it is compared under: configurations only."""

from dataclasses import dataclass, field
from typing import Literal

from weakseg.config import LATER, Optim
from weakseg.data.augment import Augment, Augmentation
from weakseg.data.grid import Grid
from weakseg.data.supervision import Supervision
from weakseg.losses import Term
from weakseg.models import Attention, Host, UNet
from weakseg.strategies import PseudoLabels, Strategy


@dataclass(frozen=True, kw_only=True)
class Method:
    """What is compared: a network, what it may see, and what it minimises."""

    network: Host = field(default_factory=UNet)
    attention: Attention | None = None
    losses: tuple[Term, ...]
    supervision: Literal["scribble", "dense"] | Supervision = "scribble"
    strategy: Strategy | None = field(default=None, metadata=LATER)
    augment: Augmentation | None = field(default=None, metadata=LATER)
    first: "FirstStage | None" = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("a method needs at least one loss term")
        if self.first is not None:
            before = self.first.method
            if before.first is not None or before.supervision != self.supervision:
                raise ValueError("a first stage has no stage before it, and the same supervision")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the host's layers whose output a term or the strategy asks for."""
        parts = (*self.losses, self.strategy)
        return tuple(dict.fromkeys(name for part in parts for name in getattr(part, "layers", ())))


@dataclass(frozen=True, kw_only=True)
class FirstStage:
    """A method trained before, whose predictions label the training slices of the second stage.

    ``share`` of the steps go to it, in whole intervals; the second stage starts from scratch.
    """

    method: Method
    pseudo_labels: PseudoLabels
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share}")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every method gets alike: grid, batch, steps, optimiser."""

    grid: Grid
    batch: int
    steps: int
    interval: int
    optim: Optim
    augment: Augmentation | None = field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.steps % self.interval:
            raise ValueError(
                f"steps must be a multiple of interval, got {self.steps} and {self.interval}"
            )
