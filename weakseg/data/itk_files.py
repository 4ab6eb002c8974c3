"""Volumes as ITK writes them, header and voxels in one file: MetaImage (.mha) and NRRD (.nrrd).

They are read here, since SimpleITK would be 260 MB for two text headers. Geometry and values are
given as :mod:`weakseg.data.nifti` gives them; there is one statement of the axes, so a singular
one is an error.
"""

import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.data.nifti import Volume
from weakseg.data.nifti_header import MAX_VOXELS, TOLERANCE
from weakseg.data.values import label_map, repaired

ENDINGS: Final = (".mha", ".nrrd")
"""Of the files that are read here."""

_LONGEST: Final = 1 << 16  # bytes of a header
_INFLATION: Final = 1100  # deflate cannot shrink data further than 1032 : 1
_ANY_WRAPPER: Final = 47  # zlib finds out whether it is zlib or gzip

_METAIMAGE_TYPES: Final = MappingProxyType(
    {
        "MET_CHAR": "i1",
        "MET_UCHAR": "u1",
        "MET_SHORT": "i2",
        "MET_USHORT": "u2",
        "MET_INT": "i4",
        "MET_UINT": "u4",
        "MET_FLOAT": "f4",
        "MET_DOUBLE": "f8",
    }
)
_NRRD_TYPES: Final = MappingProxyType(
    {
        name: code
        for code, names in {
            "i1": "signed char/int8/int8_t",
            "u1": "uchar/unsigned char/uint8/uint8_t",
            "i2": "short/short int/signed short/signed short int/int16/int16_t",
            "u2": "ushort/unsigned short/unsigned short int/uint16/uint16_t",
            "i4": "int/signed int/int32/int32_t",
            "u4": "uint/unsigned int/uint32/uint32_t",
            "f4": "float",
            "f8": "double",
        }.items()
        for name in names.split("/")
    }
)
_NRRD_SPACES: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {
        "left-posterior-superior": (-1, -1, 1),
        "lps": (-1, -1, 1),
        "right-anterior-superior": (1, 1, 1),
        "ras": (1, 1, 1),
        "left-anterior-superior": (-1, 1, 1),
        "las": (-1, 1, 1),
    }
)


class _Header(NamedTuple):
    """What is used of a header, in file order (x, y, z); see :class:`nifti.Volume`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    packed: bool
    affine: NDArray[np.float64]
    oriented: bool


def read(path: Path | str) -> Volume:
    """Read an image of ``.mha`` or ``.nrrd``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or is no volume of numbers; the message names it.
    """
    volume = _load(Path(path))
    return volume._replace(array=repaired(volume.array, Path(path)))


def read_labels(path: Path | str, codes: Iterable[int]) -> Volume:
    """Read a label map of ``.mha`` or ``.nrrd``, uint8.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as for :func:`read`, or a value is not among ``codes``.
    """
    volume = _load(Path(path))
    return volume._replace(array=label_map(volume.array, codes, Path(path)))


def _load(path: Path) -> Volume:
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path}: expected a file ending in {' or '.join(ENDINGS)}")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    data = path.read_bytes()
    end, parse = _READERS[path.suffix]
    found = end.search(data, 0, _LONGEST)
    if found is None:
        raise ValueError(f"{path}: no {path.suffix} header; copy or download it again")
    try:
        header = parse(data[: found.end()].decode("latin-1").splitlines())
        lengths = _lengths(header)
        voxels = _voxels(header, memoryview(data)[found.end() :])
    except KeyError as error:
        raise ValueError(f"{path}: the header has no {error}") from error
    except (ValueError, OverflowError, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error
    x, y, z = lengths.tolist()
    return Volume(voxels, (z, y, x), header.affine, header.oriented)


def _lengths(header: _Header) -> NDArray[np.float64]:
    """Return the voxel size along x, y and z after all of the header has been checked."""
    if len(header.shape) != 3 or min(header.shape) < 1 or math.prod(header.shape) > MAX_VOXELS:
        raise ValueError(f"sizes are {header.shape}; expected a volume of three dimensions")
    lengths = np.linalg.norm(header.affine[:3, :3], axis=0)
    if not np.isfinite(header.affine).all() or not ((lengths > TOLERANCE) & (lengths < 1e4)).all():
        raise ValueError(f"voxel sizes are {lengths.tolist()} mm; expected positive numbers")
    if abs(np.linalg.det(header.affine[:3, :3] / lengths)) < TOLERANCE:
        raise ValueError(f"axes {header.affine[:3, :3].tolist()} are singular")
    return np.asarray(lengths)


def _voxels(header: _Header, stored: memoryview) -> NDArray[Any]:
    """Return [D, H, W] in native byte order."""
    need = math.prod(header.shape) * header.dtype.itemsize
    if need > len(stored) * (_INFLATION if header.packed else 1):
        raise ValueError(
            f"the header claims {header.shape} voxels, {need} bytes, which {len(stored)} bytes "
            f"cannot hold; it is truncated or damaged"
        )
    data: bytes | memoryview = stored[:need]
    if header.packed:
        unpacker = zlib.decompressobj(_ANY_WRAPPER)
        data = unpacker.decompress(stored, need + 1)
        if not unpacker.eof or len(data) != need:
            raise ValueError(f"{len(data)} of {need} bytes; it is truncated or damaged")
    array = np.frombuffer(data, header.dtype).reshape(header.shape[::-1])
    return array.astype(header.dtype.newbyteorder("="))


def _metaimage(lines: Sequence[str]) -> _Header:
    pairs = (line.partition("=") for line in lines)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    _expect(fields, "NDims", "3")
    _expect(fields, "ElementDataFile", "LOCAL")
    _expect(fields, "BinaryData", "True", default="True")
    _expect(fields, "ElementNumberOfChannels", "1", default="1")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    affine = np.eye(4)
    directions = _numbers(fields.get("TransformMatrix", "1 0 0 0 1 0 0 0 1"), 9).reshape(3, 3)
    affine[:3, :3] = directions.T * _numbers(fields["ElementSpacing"], 3)
    affine[:3, 3] = _numbers(fields.get("Offset", fields.get("Position", "0 0 0")), 3)
    return _Header(
        shape=tuple(int(n) for n in fields["DimSize"].split()),
        dtype=_dtype(_METAIMAGE_TYPES, fields["ElementType"], big == "True"),
        packed=fields.get("CompressedData", "False") == "True",
        affine=np.diag([*_NRRD_SPACES["lps"], 1]) @ affine,
        oriented="TransformMatrix" in fields,
    )


def _nrrd(lines: Sequence[str]) -> _Header:
    pairs = (line.partition(":") for line in lines[1:] if not line.startswith("#"))
    fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
    _expect(fields, "dimension", "3")
    for field in ("data file", "datafile", "byte skip", "line skip"):
        _expect(fields, field, "0", default="0")
    encoding = fields["encoding"].lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ValueError(f"encoding is {encoding!r}; expected raw or gzip")
    affine = np.eye(4)
    oriented = "space directions" in fields
    if oriented:
        directions = re.findall(r"\(([^)]*)\)", fields["space directions"])
        rows = [_numbers(direction.replace(",", " "), 3) for direction in directions]
        origin = fields.get("space origin", "(0,0,0)").strip("()").replace(",", " ")
        affine[:3, :3] = np.stack(rows, axis=1)
        affine[:3, 3] = _numbers(origin, 3)
        space = fields["space"].lower()
        if space not in _NRRD_SPACES:
            raise ValueError(f"space is {space!r}; expected one of {list(_NRRD_SPACES)}")
        affine = np.diag([*_NRRD_SPACES[space], 1]) @ affine
    else:
        np.fill_diagonal(affine[:3, :3], _numbers(fields["spacings"], 3))
    return _Header(
        shape=tuple(int(n) for n in fields["sizes"].split()),
        dtype=_dtype(_NRRD_TYPES, fields["type"].lower(), fields.get("endian") == "big"),
        packed=encoding != "raw",
        affine=affine,
        oriented=oriented,
    )


def _expect(fields: Mapping[str, str], name: str, value: str, default: str | None = None) -> None:
    found = fields[name] if default is None else fields.get(name, default)
    if found != value:
        raise ValueError(f"{name} is {found!r}; expected {value!r}")


def _dtype(types: Mapping[str, str], name: str, big: bool) -> np.dtype[Any]:
    if name not in types:
        raise ValueError(f"voxels are of type {name!r}; expected one of {sorted(types)}")
    return np.dtype((">" if big else "<") + types[name])


def _numbers(text: str, count: int) -> NDArray[np.float64]:
    numbers = np.array([float(part) for part in text.split()])
    if numbers.shape != (count,):
        raise ValueError(f"{text!r} in the header; expected {count} numbers")
    return numbers


_READERS: Final[Mapping[str, tuple[re.Pattern[bytes], Callable[[Sequence[str]], _Header]]]] = (
    MappingProxyType(
        {
            ".mha": (
                re.compile(rb"\AObjectType.*?^ElementDataFile[^\n]*\n", re.M | re.S),
                _metaimage,
            ),
            ".nrrd": (re.compile(rb"\ANRRD000.*?\n\r?\n", re.S), _nrrd),
        }
    )
)
"""How the header ends and how it is read, by the ending of the file."""
