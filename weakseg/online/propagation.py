"""How drawn slices become a volume: the configuration and the rules that have a name."""

from dataclasses import dataclass, field
from typing import Final, Literal

from weakseg.online.registration import Copy, Demons, Register


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """How drawn slices become a volume; the defaults are ours.

    Sec. 6.3 proposes direct registration and half the weight for shape interpolation; chains and a
    quarter did better on hippocampi: ``python -m benchmarks.propagation`` compares them.

    Attributes:
        register: brings one slice onto another.
        mode: register each slice with the drawn one itself ("direct", the released code) or
            neighbour with neighbour, composing their fields ("chained").
        fusion: "mean": the nearest drawn slice of each axis, then the mean over the axes (released
            code); "confidence": both neighbours, weighted by nearness and by how well the images
            agree, then the axes weighted by nearness (Sec. 6.3).
        shape_share: weight of shape interpolation between two drawn slices; 1 registers nothing.
    """

    register: Register = field(default_factory=Demons)
    mode: Literal["direct", "chained"] = "chained"
    fusion: Literal["mean", "confidence"] = "confidence"
    shape_share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.shape_share <= 1:
            raise ValueError(f"shape_share must lie in 0..1, got {self.shape_share}")


PARITY: Final = Propagation(mode="direct", fusion="mean", shape_share=0)
"""The released code's rule (Sec. 3.4), with demons in the place of SyN."""
COPY: Final = Propagation(register=Copy(), mode="direct", fusion="mean", shape_share=0)
"""The first trivial baseline: the nearest drawn mask, copied."""
SHAPE: Final = Propagation(register=Copy(), mode="direct", fusion="mean", shape_share=1)
"""The second trivial baseline: shape interpolation; beyond the last drawn slice, its copy."""
