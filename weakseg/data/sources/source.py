"""What a source of data has to offer to be prepared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float, float, float]

Draw = Callable[[NDArray[np.uint8], Spacing, int], NDArray[np.uint8]]
"""Draws strokes: (reference [D, H, W], spacing (z, y, x) in mm, seed) to uint8 [D, H, W] with
``IGNORE_INDEX`` where undrawn. One that is not a source's own is a frozen configuration."""


PHANTOM = "PHANTOM"
"""File that marks a folder as synthetic."""


def is_phantom(src: Path) -> bool:
    """Return whether a download, given by its root or a folder in it, is a phantom."""
    return any((folder / PHANTOM).exists() for folder in (src, *src.absolute().parents[:2]))


class Found(NamedTuple):
    """Files of one case in a download.

    ``image`` and ``reference`` may be folders, such as a DICOM series; every file in them belongs
    to the case. ``channels`` are the files of further channels. ``frame`` is the time point, such
    as ED or ES; ``part`` is "train", "val" or "test" where the data set comes with a split.
    """

    name: str
    patient: str
    group: str
    frame: str
    image: Path
    reference: Path | None = None
    scribble: Path | None = None
    info: Path | None = None
    part: str = ""
    channels: tuple[Path, ...] = ()


class Arrays(NamedTuple):
    """The checked arrays of one case.

    ``image`` is [D, H, W] or [M, D, H, W]; ``reference`` and ``scribble`` are uint8 [D, H, W] or
    None where there is none, the scribble with ``len(classes) + 1`` where nobody drew;
    ``spacing`` is along D, H, W in mm.
    """

    image: NDArray[Any]
    reference: NDArray[np.uint8] | None
    scribble: NDArray[np.uint8] | None
    spacing: Spacing


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set in its official layout.

    ``find`` lists the cases of a folder and, one line each, what is missing or wrong; it raises
    FileNotFoundError where the folder holds no case at all. ``read`` returns the arrays of a
    case or raises ValueError naming the file. ``synthetic`` tells phantoms. ``scribbles`` draws
    strokes, once, for cases that have a reference but no strokes.
    """

    name: str
    licence: str
    citation: str
    layout: str
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    find: Callable[[Path], tuple[list[Found], list[str]]]
    read: Callable[[Found], Arrays]
    synthetic: Callable[[Path], bool]
    scribbles: Draw | None = None
