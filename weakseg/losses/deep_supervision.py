"""The same loss on every head of a network."""

from dataclasses import dataclass, field

from torch.nn import functional

from weakseg.losses.partial_ce import PartialCE
from weakseg.losses.terms import Term, check_weight
from weakseg.types import Batch, Output, Share

_MODE = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, kw_only=True)
class DeepSupervision:
    """A term on the main head and on all auxiliary ones (Isensee et al., Nature Methods 2021).

    The heads count 1, ``decay``, ``decay``^2, ..., divided by their sum. Smaller heads are
    interpolated to full size. ``term`` carries no weight of its own: it is set here.
    """

    weight: float = 1.0
    term: Term = field(default_factory=PartialCE)
    decay: float = 0.5

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.term.weight != 1:
            raise ValueError(
                f"set the weight of DeepSupervision, not of its term, got {self.term.weight}"
            )
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, got {self.decay}")

    @property
    def name(self) -> str:
        """Name of the term that is applied."""
        return self.term.name

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose features the term needs."""
        layers: tuple[str, ...] = getattr(self.term, "layers", ())
        return layers

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the weighted mean over the heads of the term's share."""
        size, mode = out.logits.shape[2:], _MODE[out.logits.ndim - 2]
        heads = [out.logits] + [
            head
            if head.shape[2:] == size
            else functional.interpolate(head, size=size, mode=mode, align_corners=False)
            for head in out.auxiliary
        ]
        factors = [self.decay**i for i in range(len(heads))]
        shares = [self.term(out._replace(logits=head, auxiliary=()), batch) for head in heads]
        parts = [f / sum(factors) * share.total for f, share in zip(factors, shares, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return Share(total, shares[0].weight)
