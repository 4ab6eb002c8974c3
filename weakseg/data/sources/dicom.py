"""Series of DICOM files in one folder, read with suspicion.

Order. Slices are ordered by their position along the normal of the planes (ImagePositionPatient),
from the feet to the head; neither file names nor instance numbers matter. The distance between
slices is that of their positions; SliceThickness, which may differ from it, is not read. Rows and
columns are turned to run to the patient's left and back.

Series. One folder holds one series of axial slices: one size, one orientation, one identifier,
evenly spaced positions, none twice. Identifiers that differ in every file tell nothing (files
that were anonymised one by one) and are let be.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray

from weakseg.data.sources.source import Spacing

_LARGEST: Final = 4096  # rows or columns; a wrong header is refused before memory is asked for
_SAME: Final = 0.01  # mm between the positions of one slice stored twice
_UNEVEN: Final = 0.05  # of the distance between slices; positions in files are rounded
_TOLERANCE: Final = 1e-3  # of direction cosines, and mm of pixel spacings
_SHOWN: Final = 5

_Floats = NDArray[np.float64]


class Series(NamedTuple):
    """One series in memory.

    ``array`` is float32 [D, H, W], rescaled, running to the patient's head, back and left;
    ``spacing`` is along D, H, W in mm. Slice i came from file ``order[i]`` in the order of names,
    turned along the axes ``flips``. ``affine`` float64 [4, 4] maps indices of the array (z, y, x)
    to mm along DICOM's axes, which run to the patient's left, back and head.
    """

    array: NDArray[np.float32]
    spacing: Spacing
    order: tuple[int, ...]
    flips: tuple[int, ...]
    affine: _Floats = np.eye(4)

    def arrange(self, stack: NDArray[Any]) -> NDArray[Any]:
        """Return [D, H, W] made of one slice a file, in the order of names, as the array lies."""
        return np.ascontiguousarray(np.flip(stack[list(self.order)], self.flips))


class _Slice(NamedTuple):
    path: Path
    pixels: NDArray[np.float32]  # [H, W]
    identifier: str
    axes: _Floats  # [2, 3], along a row and along a column
    origin: _Floats  # mm, of the first pixel
    pixel: _Floats  # mm between rows, between columns

    def along(self) -> float:
        """Return the position along the normal of the plane, mm."""
        return float(np.cross(*self.axes) @ self.origin)


def by_name(folder: Path, ending: str) -> list[Path]:
    """Return the files with an ending in the order of names, numbers in them compared as such.

    Hidden files are left out.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> for name in ("IMG-10.dcm", "IMG-9.dcm", "._IMG-9.dcm", "IMG-9.png"):
        ...     (folder / name).touch()
        >>> [path.name for path in by_name(folder, ".dcm")]
        ['IMG-9.dcm', 'IMG-10.dcm']
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    chosen = (p for p in paths if p.suffix.lower() == ending and not p.name.startswith("."))
    return sorted(chosen, key=lambda p: (_parts(p.name), p.name))


def read(folder: Path, modality: Literal["CT", "MR"]) -> Series:
    """Read the series of a folder; see the module for order and axes.

    Args:
        folder: holds the ``.dcm`` files, one slice each.
        modality: what it has to be. CT has to state its rescaling to Hounsfield units.

    Raises:
        FileNotFoundError: no ``.dcm`` file.
        ValueError: a file is damaged, compressed in an unknown way or no grey slice of the
            modality, or the files are no series of even slices; the message names files and
            positions.
    """
    paths = by_name(folder, ".dcm")
    if not paths:
        raise FileNotFoundError(f"no .dcm file in {folder}")
    slices = [_slice(path, modality) for path in paths]
    _refuse_mixed(slices)
    flips = _flips(slices[0])
    sign = (-1) ** len(flips)
    order = sorted(range(len(slices)), key=lambda i: sign * slices[i].along())
    between = _distance([slices[i] for i in order], folder)
    height, width = (float(side) for side in slices[0].pixel)
    series = Series(np.empty(0, np.float32), (between, height, width), tuple(order), flips)
    array = series.arrange(np.stack([one.pixels for one in slices]))
    if array.min() == array.max():
        warnings.warn(
            f"{folder}: every voxel is {array.min()}; the image is set to zeros", stacklevel=2
        )
        array = np.zeros_like(array)
    placed = _affine([slices[i] for i in order], array.shape, flips)
    return series._replace(array=array, affine=placed)


def _affine(ordered: Sequence[_Slice], shape: tuple[int, ...], flips: tuple[int, ...]) -> _Floats:
    """Return where the voxels of an array lie that is made of slices and turned."""
    first, last = ordered[0], ordered[-1]
    along_row, along_column = first.axes
    affine = np.eye(4)
    affine[:3, 0] = (last.origin - first.origin) / (len(ordered) - 1)
    affine[:3, 1], affine[:3, 2] = along_column * first.pixel[0], along_row * first.pixel[1]
    affine[:3, 3] = first.origin
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
        affine[:3, axis] *= -1
    return affine


def _parts(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]+)", name)]


def _slice(path: Path, modality: str) -> _Slice:
    try:
        data = pydicom.dcmread(path)
        _refuse_unsuitable(data, modality)
        return _Slice(
            path,
            _rescaled(data, modality),
            str(data.get("SeriesInstanceUID", "")),
            _axes(data),
            _numbers(data, "ImagePositionPatient", 3),
            _positive(_numbers(data, "PixelSpacing", 2)),
        )
    except OSError:
        raise
    except Exception as error:  # damaged bytes make pydicom raise whatever they lead it to
        raise ValueError(
            f"{path}: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error


def _refuse_unsuitable(data: pydicom.Dataset, modality: str) -> None:
    for name, expected in (
        ("Modality", (modality, "", None)),
        ("SamplesPerPixel", (1,)),
        ("PhotometricInterpretation", ("MONOCHROME2",)),
        ("NumberOfFrames", (1, None)),
    ):
        if data.get(name) not in expected:
            raise ValueError(f"{name} is {data.get(name)!r}; expected {expected[0]!r}")
    for name in ("Rows", "Columns"):
        if not 1 <= int(data.get(name) or 0) <= _LARGEST:
            raise ValueError(f"{name} is {data.get(name)!r}; expected 1 to {_LARGEST}")


def _rescaled(data: pydicom.Dataset, modality: str) -> NDArray[np.float32]:
    names = ("RescaleSlope", "RescaleIntercept")
    stated = [name for name in names if data.get(name) is not None]
    if modality == "CT" and len(stated) < 2:
        raise ValueError(f"no {' or '.join(n for n in names if n not in stated)}; expected both")
    slope, intercept = (
        float(_numbers(data, name, 1)[0]) if name in stated else default
        for name, default in zip(names, (1.0, 0.0), strict=True)
    )
    try:
        stored = data.pixel_array
    except (NotImplementedError, RuntimeError) as error:
        syntax = data.file_meta.TransferSyntaxUID
        raise ValueError(
            f"cannot decode transfer syntax {syntax.name!r}; export it uncompressed"
        ) from error
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _numbers(data: pydicom.Dataset, name: str, count: int) -> _Floats:
    value = data.get(name)
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is {value!r}; expected {count} finite numbers")
    return numbers


def _positive(pixel: _Floats) -> _Floats:
    if pixel.min() <= 0:
        raise ValueError(f"PixelSpacing is {pixel.tolist()}; expected positive mm")
    return pixel


def _axes(data: pydicom.Dataset) -> _Floats:
    axes = _numbers(data, "ImageOrientationPatient", 6).reshape(2, 3)
    if np.abs(axes @ axes.T - np.eye(2)).max() > _TOLERANCE:
        raise ValueError(
            f"ImageOrientationPatient is {axes.ravel().tolist()}; expected two unit vectors at a "
            f"right angle"
        )
    return axes


def _refuse_mixed(slices: Sequence[_Slice]) -> None:
    """Make sure that all slices belong to one series.

    Raises:
        ValueError: they do not; the message tells the first file that differs, and where.
    """
    first = slices[0]
    looks: dict[str, Callable[[_Slice], Any]] = {
        "size": lambda one: one.pixels.shape,
        "ImageOrientationPatient": lambda one: one.axes.ravel().tolist(),
        "PixelSpacing": lambda one: one.pixel.tolist(),
        "SeriesInstanceUID": lambda one: one.identifier,
    }
    if len({one.identifier for one in slices}) == len(slices):
        del looks["SeriesInstanceUID"]
    for what, look in looks.items():
        others = [one for one in slices if _differ(look(one), look(first))]
        if others:
            raise ValueError(
                f"{others[0].path}: {what} is {look(others[0])}, that of {first.path.name} is "
                f"{look(first)}; expected one series, but {len(others)} of {len(slices)} files "
                f"differ, at {_listed(one.along() for one in others)} mm"
            )


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return bool(np.abs(np.subtract(one, other)).max() > _TOLERANCE)
    return bool(one != other)


def _flips(one: _Slice) -> tuple[int, ...]:
    """Return the axes of [D, H, W] to turn so that they run to the patient's back and left."""
    along_row, along_column = one.axes
    if (np.abs(along_row).argmax(), np.abs(along_column).argmax()) != (0, 1):
        raise ValueError(
            f"{one.path}: ImageOrientationPatient is {one.axes.ravel().tolist()}; expected axial "
            f"slices, whose rows run left or right and whose columns run to the back or front"
        )
    return tuple(axis for axis, value in ((1, along_column[1]), (2, along_row[0])) if value < 0)


def _distance(ordered: Sequence[_Slice], folder: Path) -> float:
    """Return the distance between neighbours, mm.

    Raises:
        ValueError: there is one slice only, or slices lie twice in one place, apart by uneven
            distances or not above each other.
    """
    if len(ordered) < 2:
        raise ValueError(f"{folder}: one slice only; expected at least two")
    places = np.array([one.along() for one in ordered])
    steps = np.abs(np.diff(places))
    twice = np.flatnonzero(steps < _SAME)
    if twice.size:
        names = ", ".join(ordered[i].path.name for i in (int(twice[0]), int(twice[0]) + 1))
        raise ValueError(
            f"{folder}: several slices at {_listed(places[twice])} mm ({names}, ...); expected one"
        )
    usual = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - usual) > _UNEVEN * usual)
    if uneven.size:
        gaps = ", ".join(
            f"{steps[i]:.2f} mm between {places[i]:.2f} and {places[i + 1]:.2f}"
            for i in uneven[:_SHOWN]
        )
        raise ValueError(f"{folder}: slices lie {usual:.2f} mm apart, but {gaps}; is one missing?")
    _refuse_shifted(ordered, folder)
    return round(float(steps.mean()), 6)


def _refuse_shifted(ordered: Sequence[_Slice], folder: Path) -> None:
    origins = np.stack([one.origin - ordered[0].origin for one in ordered])
    inplane = origins @ ordered[0].axes.T  # [D, 2], mm along a row and along a column
    shifted = np.flatnonzero(np.abs(inplane).max(axis=1) > ordered[0].pixel.max())
    if shifted.size:
        shown = _listed(ordered[i].along() for i in shifted.tolist())
        raise ValueError(
            f"{folder}: slices at {shown} mm are shifted sideways by up to "
            f"{np.abs(inplane).max():.2f} mm; expected them above each other"
        )


def _listed(places: Any) -> str:
    places = list(places)
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return ", ".join(f"{place:.2f}" for place in places[:_SHOWN]) + more
