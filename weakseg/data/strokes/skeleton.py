"""Strokes along the medial axis of each object."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes import centreline
from weakseg.data.strokes.drawing import Spacing2, Strokes


@dataclass(frozen=True, kw_only=True)
class Skeleton(Strokes):
    """The medial axis by thinning, without the branches that noise of the border makes.

    ``method`` is Zhang and Suen's (CACM 1984) or Lee's (CVGIP 1994); branches shorter than
    ``prune`` times the depth they start at are left out. Where less is wanted than there is, a
    part of the longest line is drawn; where more, the line is thickened.
    """

    method: centreline.Thinning = "zhang"
    prune: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in ("zhang", "lee"):
            raise ValueError(f"method must be 'zhang' or 'lee', got {self.method!r}")
        if self.prune < 0:
            raise ValueError(f"prune must not be negative, got {self.prune}")

    def lines(
        self, mask: Mask, spacing: Spacing2, length: float, rng: np.random.Generator
    ) -> Iterator[Curve]:
        """See :meth:`Strokes.lines`."""
        for line in centreline.paths(mask, self.method, self.prune):
            full = curves.length(line)
            start = rng.uniform(0, max(full - length, 0.0))
            yield curves.between(line, start, full)
            yield curves.between(line, start, 0.0)
            length = max(length - full, 0.0)
