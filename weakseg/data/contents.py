"""What is stored of a case, and the hashes that tell whether it changed."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from weakseg.config import describe
from weakseg.data.sources.source import Arrays, Found, Source
from weakseg.seeding import seed_from
from weakseg.types import IGNORE_INDEX

_FORMAT: Final = 1


def arrays_of(source: Source, case: Found) -> Arrays:
    """Return the arrays of a case as they are stored, with strokes where they can be drawn.

    Raises:
        ValueError: a file is damaged, the case has no label at all, or another number of
            channels than its source.
    """
    arrays = source.read(case)
    image = arrays.image if arrays.image.ndim == 4 else arrays.image[None]
    if len(image) != len(source.channels):
        raise ValueError(f"{case.image}: {len(image)} channels; expected {source.channels}")
    if arrays.scribble is None and arrays.reference is None:
        raise ValueError(f"{case.image}: neither a reference nor strokes; expected one of them")
    if arrays.scribble is None and arrays.reference is not None and source.scribbles is not None:
        seed = seed_from("strokes", case.name)
        drawn = source.scribbles(arrays.reference, arrays.spacing, seed)
        code = np.uint8(len(source.classes) + 1)
        arrays = arrays._replace(scribble=np.where(drawn == IGNORE_INDEX, code, drawn))
    return _compact(arrays._replace(image=image[0] if len(image) == 1 else image))


def _compact(arrays: Arrays) -> Arrays:
    """Return the image as int16 where that loses nothing, else as float32."""
    image = arrays.image
    limits = np.iinfo(np.int16)
    fits = limits.min <= image.min() and image.max() <= limits.max
    if fits and (image.dtype.kind in "iu" or (image == np.rint(image)).all()):
        return arrays._replace(image=image.astype(np.int16))
    return arrays._replace(image=image.astype(np.float32))


def hash_of(arrays: Arrays) -> str:
    """Return a hash of values, types, shapes and spacing; an absent label counts as such."""
    digest = hashlib.sha256(repr(arrays.spacing).encode())
    for array in arrays[:3]:
        if array is None:
            digest.update(b"none")
        else:
            digest.update(f"{array.dtype.name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def generator_of(source: Source) -> Any:
    """Return a plain description of what draws strokes."""
    return getattr(source.scribbles, "__name__", None) or describe(source.scribbles)


def fingerprint_of(source: Source, src: Path, cases: Sequence[Found]) -> str:
    """Return a hash of what a prepared folder was made from: names, sizes and times of files."""
    digest = hashlib.sha256(f"{source.name} {_FORMAT} {source.synthetic(src)}".encode())
    if source.scribbles is not None:
        digest.update(json.dumps(generator_of(source), sort_keys=True).encode())
    for case in cases:
        for path in _files(case):
            stat = path.stat()
            record = (os.fspath(path.relative_to(src)), stat.st_size, stat.st_mtime_ns)
            digest.update(repr(record).encode())
    return digest.hexdigest()


def _files(case: Found) -> list[Path]:
    """Return every file of a case, those in its folders included."""
    given = (case.image, *case.channels, case.reference, case.scribble, case.info)
    found: list[Path] = []
    for path in given:
        if path is not None:
            found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return found
