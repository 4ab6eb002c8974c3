"""What all generators of scribbles share: how much ink each class of each slice gets."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes import hand
from weakseg.data.strokes.background import around
from weakseg.data.strokes.pen import Pen
from weakseg.seeding import generator
from weakseg.types import IGNORE_INDEX

Spacing2 = tuple[float, float]
"""Size of a pixel along y and x, mm."""

GROWTH: Final = 0.7
"""Exponent of a stroke's length over the area of its object; on ACDC experts' is 0.58 to 0.76."""

_EDGE: Final = 2  # pixels around an object
_PIXELS_PER_LENGTH: Final = 1.15  # of a thin line: 4 / pi where it is straight, less in turns
_TOUCHING: Final = np.ones((3, 3))


@dataclass(frozen=True, kw_only=True)
class Strokes(ABC):
    """A generator of scribbles for a dense reference of any number of classes.

    How much is labelled: ``coverage`` is the share of a class's voxels, in the slices where it
    gets strokes; it is reached on average, and slices scatter around it with a standard deviation
    of ``spread`` of the logarithm. A tuple has one share per class from 1 on. Longer strokes go
    into larger objects, not in proportion but with :data:`GROWTH`. ``background`` is the share of
    background. A share of 0 leaves a class out.

    Where: ``class_coverage`` is the share of the slices with a class that get strokes of it, for
    all or per class from 1 on; with ``selection`` "chance" it is each slice's probability. A class
    chosen in a slice has at least one pixel there. ``background_coverage`` is the same for
    background. The loops of background run about ``margin`` mm outside the organs; where a
    slice has none, a zigzag takes their place.

    With what: a pen of ``width`` pixels, or mm with ``unit`` "mm". Only voxels of the class itself
    are labelled.

    The same configuration and seed draw the same; strokes of one class in one slice do not
    depend on the order in which slices or classes are drawn.
    """

    coverage: float | tuple[float, ...] = 0.1
    background: float = 0.0066
    class_coverage: float | tuple[float, ...] = 1.0
    background_coverage: float = 1.0
    selection: Literal["share", "chance"] = "share"
    width: float = 1.0
    unit: Literal["px", "mm"] = "px"
    margin: float = 19.0
    spread: float = 0.33
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("coverage", "background", "class_coverage", "background_coverage"):
            value = getattr(self, name)
            shares = value if isinstance(value, tuple) else (value,)
            if not shares or not all(0 <= share <= 1 for share in shares):
                raise ValueError(f"{name} must be between 0 and 1, got {value}")
        if self.selection not in ("share", "chance"):
            raise ValueError(f"selection must be 'share' or 'chance', got {self.selection!r}")
        if self.unit not in ("px", "mm"):
            raise ValueError(f"unit must be 'px' or 'mm', got {self.unit!r}")
        if self.width <= 0 or self.margin <= 0 or self.spread < 0:
            raise ValueError(
                "width and margin must be positive and spread not negative, got "
                f"{self.width}, {self.margin}, {self.spread}"
            )

    def __call__(
        self, reference: NDArray[np.uint8], spacing: tuple[float, float, float], seed: int
    ) -> NDArray[np.uint8]:
        """Draw strokes into every slice of a reference.

        Args:
            reference: uint8 [D, H, W], 0 for background.
            spacing: voxel size (z, y, x), mm.
            seed: the strokes are a function of this and of the other arguments only.

        Returns:
            uint8 [D, H, W], the reference's class under a stroke, ``IGNORE_INDEX`` elsewhere.

        Raises:
            ValueError: the reference is no volume of classes, or has a class for which there is
                no coverage.
        """
        if reference.ndim != 3 or reference.size == 0 or reference.max() >= IGNORE_INDEX:
            raise ValueError(
                f"reference must be [D, H, W] of classes below {IGNORE_INDEX}, got "
                f"{reference.shape} up to {reference.max(initial=0)}"
            )
        scribble = np.full(reference.shape, IGNORE_INDEX, np.uint8)
        for cls in np.unique(reference).tolist():
            key = ("strokes", type(self).__name__, self.seed, seed, cls)
            for z, wanted in self._wanted(reference == cls, cls, key):
                rng = generator(*key, z)
                if cls == 0:
                    drawn = self._behind(reference, z, wanted, spacing[1:], rng)
                else:
                    drawn = self._object(reference[z] == cls, wanted, spacing[1:], rng)
                scribble[z][drawn] = cls
        return scribble

    @abstractmethod
    def lines(
        self, mask: Mask, spacing: Spacing2, length: float, rng: np.random.Generator
    ) -> Iterator[Curve]:
        """Yield curves through one object, best first, each as long as is wanted or shorter.

        Args:
            mask: bool [H, W], a connected object with at least a pixel of free space around.
            spacing: along y and x, mm.
            length: of the line that is wanted, pixels.
            rng: source of randomness.
        """

    def paper(self, mask: Mask, spacing: Spacing2) -> Mask:
        """Return where in an object there may be ink: everywhere."""
        return mask

    def _share(self, value: float | tuple[float, ...], cls: int) -> float:
        if not isinstance(value, tuple):
            return value
        if cls > len(value):
            raise ValueError(f"the reference has class {cls}; expected at most {len(value)}")
        return value[cls - 1]

    def _wanted(
        self, mask: NDArray[np.bool_], cls: int, key: tuple[int | str, ...]
    ) -> list[tuple[int, float]]:
        """Return (slice, number of pixels) for the slices in which a class gets strokes."""
        share = self.background if cls == 0 else self._share(self.coverage, cls)
        often = self.background_coverage if cls == 0 else self._share(self.class_coverage, cls)
        if share == 0:
            return []
        areas = np.count_nonzero(mask, axis=(1, 2))
        lot = {int(z): generator(*key, int(z), "slice").random() for z in np.flatnonzero(areas)}
        if self.selection == "chance":
            chosen = [z for z, drawn in lot.items() if drawn < often]
        else:
            # Rounded up as often as makes the share right on average.
            count = int(often * len(lot) + generator(*key, "slices").random())
            chosen = sorted(sorted(lot, key=lot.__getitem__)[:count])
        grown = areas[chosen].astype(np.float64) ** GROWTH
        scale = share * areas[chosen].sum() / max(float(grown.sum()), 1.0)
        return [
            (z, scale * size * hand.jitter(self.spread, generator(*key, z, "length")))
            for z, size in zip(chosen, grown.tolist(), strict=True)
        ]

    def _pen(self, spacing: Spacing2) -> Pen:
        y, x = spacing if self.unit == "mm" else (1.0, 1.0)
        return Pen(reach=(max(self.width / y, 1.0) / 2, max(self.width / x, 1.0) / 2))

    def _length(self, wanted: float, pen: Pen) -> float:
        """Return how long a line makes so many pixels."""
        return wanted / (2 * float(np.mean(pen.reach))) / _PIXELS_PER_LENGTH

    def _object(
        self, mask: Mask, wanted: float, spacing: Spacing2, rng: np.random.Generator
    ) -> Mask:
        """Draw into the connected parts of a class in a slice, at least a pixel in the largest."""
        pen = self._pen(spacing)
        parts, count = ndimage.label(mask, _TOUCHING)
        areas = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        shares = wanted * areas**GROWTH / (areas**GROWTH).sum()
        pixels = np.floor(shares + rng.random(count)).astype(int)
        if not pixels.any():
            pixels[int(areas.argmax())] = 1
        drawn = np.zeros_like(mask)
        for index, box in enumerate(ndimage.find_objects(parts)):
            part = np.pad(parts[box] == index + 1, _EDGE)
            if pixels[index]:
                lines = self.lines(part, spacing, self._length(pixels[index], pen), rng)
                ink = pen.draw(lines, self.paper(part, spacing), int(pixels[index]))
                drawn[box] |= ink[_EDGE:-_EDGE, _EDGE:-_EDGE]
        return drawn

    def _behind(
        self,
        reference: NDArray[np.uint8],
        z: int,
        wanted: float,
        spacing: Spacing2,
        rng: np.random.Generator,
    ) -> Mask:
        """Draw the background of a slice."""
        pen = self._pen(spacing)
        organs = reference[z] > 0
        _, y, x = np.nonzero(reference)
        middle = (y.mean(), x.mean()) if len(y) else np.array(organs.shape) / 2.0
        length = self._length(wanted, pen)
        lines = around(organs, np.array(middle), spacing, length, self.margin, rng)
        return pen.draw(lines, ~organs, max(1, round(wanted)))
