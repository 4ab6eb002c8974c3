"""Pairs of grid cells inside a square window, one slice per offset."""

import itertools
import math
from collections.abc import Iterator
from types import EllipsisType
from typing import NamedTuple

Index = tuple[EllipsisType | slice, ...]


class Pairs(NamedTuple):
    """All pairs (i, i + offset) of a grid: ``x[here]`` holds i, ``x[there]`` its partner."""

    offset: tuple[int, ...]
    here: Index
    there: Index

    def log_gaussian(self, sigma: float) -> float:
        """Return -|offset|^2 / (2 sigma^2)."""
        return -sum(k * k for k in self.offset) / (2 * sigma * sigma)

    def gaussian(self, sigma: float) -> float:
        """Return exp(-|offset|^2 / (2 sigma^2))."""
        return math.exp(self.log_gaussian(sigma))


def half_window(radius: int, shape: tuple[int, ...]) -> Iterator[Pairs]:
    """Yield every unordered pair of distinct cells at most ``radius`` apart along each axis, once.

    Args:
        radius: half width of the window in cells.
        shape: size of the grid; offsets that do not fit into it are left out.

    Example:
        >>> sum(1 for _ in half_window(5, (64, 64)))
        60
    """
    centre = (0,) * len(shape)
    for offset in itertools.product(range(-radius, radius + 1), repeat=len(shape)):
        if offset > centre and all(abs(k) < n for k, n in zip(offset, shape, strict=True)):
            here = [slice(max(0, -k), n - max(0, k)) for k, n in zip(offset, shape, strict=True)]
            there = [slice(max(0, k), n - max(0, -k)) for k, n in zip(offset, shape, strict=True)]
            yield Pairs(offset, (..., *here), (..., *there))


def band_index(offset: tuple[int, ...], radius: int) -> int:
    """Return the place of an offset in the row-major order of the whole window.

    Example:
        >>> band_index((0, 0), 5), band_index((-5, -5), 5), band_index((0, 1), 5)
        (60, 0, 61)
    """
    index = 0
    for k in offset:
        index = index * (2 * radius + 1) + k + radius
    return index


def check_window(radius: int, **sigmas: float) -> None:
    """Raise ValueError unless the radius is at least 1 cell and every sigma is positive."""
    if radius < 1:
        raise ValueError(f"radius must be at least 1, got {radius}")
    for name, sigma in sigmas.items():
        if not sigma > 0:
            raise ValueError(f"{name} must be positive, got {sigma}")
