"""What a source of data has to offer to be prepared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray


class Found(NamedTuple):
    """Files of one case in a download; ``frame`` is its time point, such as ED or ES."""

    name: str
    patient: str
    group: str
    frame: str
    image: Path
    reference: Path
    scribble: Path
    info: Path


class Arrays(NamedTuple):
    """The checked arrays of one case.

    ``image`` is [D, H, W], ``reference`` and ``scribble`` are uint8 [D, H, W], the scribble with
    ``len(classes) + 1`` where nobody drew; ``spacing`` is along D, H, W in mm.
    """

    image: NDArray[Any]
    reference: NDArray[Any]
    scribble: NDArray[Any]
    spacing: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set in its official layout.

    ``find`` lists the cases of a folder and, one line each, what is missing or wrong; it raises
    FileNotFoundError where the folder holds no case at all. ``read`` returns the arrays of a
    case or raises ValueError naming the file. ``synthetic`` tells phantoms.
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
