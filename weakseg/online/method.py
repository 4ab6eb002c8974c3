"""What is compared on a stream, and the budget it is compared under: configurations only."""

from dataclasses import dataclass, field
from typing import Final, Literal

from weakseg.config import LATER, Optim
from weakseg.data.volumes import VolumeGrid
from weakseg.models import Attention, Host, LightUNet
from weakseg.online.growcut import GrowCut
from weakseg.online.guidance import Guidance
from weakseg.online.loss_weights import LossWeights
from weakseg.online.memory import Memory
from weakseg.online.oracle import FullAnnotation, Oracle
from weakseg.online.proxy import Propagation
from weakseg.online.smoothing import Smoothing
from weakseg.online.stopping import Stop
from weakseg.online.terms import OnlineTerm, WeightedBCE
from weakseg.online.volume_augment import VolumeAugment

Setting = Literal["stream", "cold", "offline", "offline-long"]
"""How cases reach the network.

``stream``: one by one, learnt from at once. ``cold``: the same, with a new network for each case.
``offline``: all cases with their full annotation from the start, as many updates as a stream in
one round makes; ``offline-long``: until the third step of the learning rate.
"""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """How one case is annotated and turned into targets, round by round (Sec. 3 of our spec).

    Args:
        user: who draws.
        axes: axes whose slices the user is asked for.
        each: new slices per axis and round.
        ends: axes whose outermost slices the user marks in the first round.
        points: clicks per round.
        guidance: which slices are asked for.
        propagation: how marks become a proxy mask: slices by registration, clicks by grow-cut.
        soft: learn from the soft proxy, else from its threshold at 0.5.
        ramped: round r of R makes floor(r / R * N) updates, else N.
        factor: multiple of the budget's N that the rounds share out.
        stop: when a case is finished.
    """

    user: Oracle | FullAnnotation = field(default_factory=Oracle)
    axes: tuple[int, ...] = (0,)
    each: int = 1
    ends: tuple[int, ...] = (0,)
    points: int = 0
    guidance: Guidance = field(default_factory=Guidance)
    propagation: Propagation | GrowCut = field(default_factory=Propagation)
    soft: bool = True
    ramped: bool = True
    stop: Stop = field(default_factory=Stop)
    factor: int = field(default=1, metadata=LATER)

    def __post_init__(self) -> None:
        if self.each * len(self.axes) < 1 and self.points < 1:
            raise ValueError("a round asks for at least one slice per axis, or for points")
        if not set(self.axes) | set(self.ends) <= {0, 1, 2}:
            raise ValueError(f"axes are 0, 1, 2 (z, y, x), got {self.axes} and {self.ends}")

    def updates(self, number: int, budget: int) -> int:
        """Return the updates of round ``number``, from 1, of a case with N = ``budget``."""
        budget = self.factor * budget
        return budget * number // self.stop.rounds if self.ramped else budget


FULL: Final = Interaction(user=FullAnnotation(), ends=(), soft=False, stop=Stop(rounds=1))
"""Every axial slice is drawn at once: the supervised stream."""


@dataclass(frozen=True, kw_only=True)
class OnlineMethod:
    """What is compared on a stream.

    ``terms`` are the loss, the first of them the segmentation loss; ``optim`` replaces the
    budget's; ``augment`` is None for none.
    """

    network: Host = field(default_factory=LightUNet)
    attention: Attention | None = None
    setting: Setting = "stream"
    interaction: Interaction = FULL
    memory: Memory = field(default_factory=Memory)
    smoothing: Smoothing = field(default_factory=Smoothing)
    loss_weights: LossWeights = field(default_factory=LossWeights)
    terms: tuple[OnlineTerm, ...] = field(default_factory=lambda: (WeightedBCE(),))
    augment: VolumeAugment | None = field(default_factory=VolumeAugment)
    optim: Optim | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a method needs at least one loss term")
        if self.memory.warm:
            raise ValueError("a stream starts without a warm-up set, so memory.warm must be 0")
        if self.setting.startswith("offline") and self.interaction.user != FullAnnotation():
            raise ValueError("offline training knows the full annotation of every case")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the network's layers whose output a term asks for."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term.layers))


def window_ends(total: int) -> tuple[int, ...]:
    """Return the ends of the five windows that tables show, 5 positions apart (code, Sec. 1.4).

    Example:
        >>> window_ends(64)
        (44, 49, 54, 59, 64)
    """
    return tuple(end for end in range(total - 20, total + 1, 5) if end > 0)


@dataclass(frozen=True, kw_only=True)
class StreamBudget:
    """What every method gets alike.

    Args:
        grid: of all volumes.
        stream: cases that arrive one by one.
        test: cases of the fixed test set.
        pool: cases that are kept apart for a warm start, as in the split of BraTS 2015.
        updates: N, optimiser steps per case (of the last round, where rounds are ramped).
        batch: volumes per step over all devices.
        optim: optimiser; its rate is constant on a stream.
        decay: updates after which offline training multiplies the rate by 0.1, again and again,
            where a case gets 150 updates; fewer or more where it gets fewer or more.
        window: positions of the running average.
        gap: positions between two evaluations on the test set.
        review: positions between two evaluations on the cases seen so far.
        split_seed: of the shuffle that fixes the test set.
    """

    grid: VolumeGrid
    stream: int
    test: int
    pool: int = 0
    updates: int = 150
    batch: int = 1
    optim: Optim
    decay: int = 4500
    window: int = 15
    gap: int = 1
    review: int = 8
    split_seed: int = 42

    def __post_init__(self) -> None:
        for name in ("stream", "test", "updates", "batch", "decay", "window", "gap", "review"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.gap > self.window:
            raise ValueError(
                f"a window of {self.window} positions needs an evaluation, got a gap of {self.gap}"
            )

    @property
    def decay_updates(self) -> int:
        """Updates between two steps of the rate of offline training."""
        return max(1, self.decay * self.updates // 150)

    @property
    def steps(self) -> int:
        """Optimiser steps of a stream with one round per case."""
        return self.stream * self.updates
