"""Turn an official download into checked files in nnU-Net's raw layout, once.

``python -m weakseg.data.prepare acdc SRC DST`` writes ``imagesTr``, ``labelsTr``,
``scribblesTr`` and, last, ``dataset.json``: where that exists the folder is complete.
"""

import hashlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonargparse
import numpy as np
from rich.console import Console
from rich.progress import Progress

from weakseg.config import describe
from weakseg.data import nifti, raw
from weakseg.data.sources import SOURCES
from weakseg.data.sources.source import Arrays, Draw, Found, Source
from weakseg.seeding import seed_from
from weakseg.types import IGNORE_INDEX

Report = Callable[[int, int], None]
"""Told the number of steps done and of all steps."""

_FORMAT: Final = 1


def prepare(
    source_name: str,
    src: Path | str,
    dst: Path | str,
    report: Report | None = None,
    scribbles: Draw | None = None,
) -> Path:
    """Check every case of a download and write it in nnU-Net's raw layout.

    Nothing is done where ``dst`` was made from the same source files (names, sizes and times).
    Several processes may call this with one ``dst``: one of them builds it.

    Args:
        source_name: a key of :data:`weakseg.data.sources.SOURCES`.
        src: the download, in its official layout; only read.
        dst: folder to write; absent, empty or made by an earlier call.
        report: called after each step.
        scribbles: draws strokes into references that come without; None takes the source's own
            way, where it has one.

    Returns:
        ``dst``.

    Raises:
        FileNotFoundError: ``src`` holds no case; the message says what is expected.
        ValueError: unknown source, ``dst`` holds something else, strokes are to be drawn where
            all cases have them, or cases are missing files or are wrong: one line for each, and
            nothing has been written.
    """
    if source_name not in SOURCES:
        raise ValueError(f"no source {source_name!r}; expected one of {sorted(SOURCES)}")
    src, dst = Path(src), Path(dst).absolute()
    source = SOURCES[source_name](src)
    if scribbles is not None:
        source = replace(source, scribbles=scribbles)
    cases, problems = source.find(src)
    if scribbles is not None and all(case.scribble is not None for case in cases):
        raise ValueError(f"every case in {src} has strokes; expected some to draw strokes for")
    fingerprint = _fingerprint(source, src, cases)
    if not problems and raw.is_complete(dst, fingerprint):
        return dst
    with raw.locked(dst):
        if not problems and raw.is_complete(dst, fingerprint):
            return dst
        raw.refuse_foreign(dst)
        steps = _counter(report, 2 * len(cases))
        layout = f"\n{source.layout}" if problems else ""
        details = _check(source, cases, problems, steps)
        if problems:
            lines = "\n".join(f"  {problem}" for problem in problems)
            raise ValueError(f"nothing is written to {dst}, since in {src}:\n{lines}{layout}")
        _write(source, cases, details, dst, steps)
        raw.write_index(dst, _describe(source, src, cases, details, fingerprint))
    return dst


def _check(
    source: Source, cases: Sequence[Found], problems: list[str], step: Callable[[], None]
) -> dict[str, dict[str, Any]]:
    """Return what dataset.json says of each good case; the reasons of others join ``problems``."""
    details: dict[str, dict[str, Any]] = {}
    for case in cases:
        try:
            arrays = _arrays(source, case)
        except (ValueError, OSError) as error:
            problems.append(str(error))
        else:
            labels = {"reference": arrays.reference, "scribble": arrays.scribble}
            details[case.name] = {
                "patient": case.patient,
                "group": case.group,
                "frame": case.frame,
                "part": case.part,
                "lacks": [name for name, label in labels.items() if label is None],
                "spacing": list(arrays.spacing),
                "shape": list(arrays.image.shape[-3:]),
                "sha256": _hash(arrays),
            }
        step()
    return details


def _arrays(source: Source, case: Found) -> Arrays:
    """Return the arrays of a case as they are stored, with strokes where they can be drawn."""
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


def _write(
    source: Source,
    cases: Sequence[Found],
    details: dict[str, dict[str, Any]],
    dst: Path,
    step: Callable[[], None],
) -> None:
    (dst / raw.INDEX).unlink(missing_ok=True)
    for folder in raw.FOLDERS:
        shutil.rmtree(dst / folder, ignore_errors=True)
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the check has shown them
            arrays = _arrays(source, case)
        if _hash(arrays) != details[case.name]["sha256"]:
            raise ValueError(f"{case.image.parent} changed while it was read; run this again")
        channels = arrays.image if arrays.image.ndim == 4 else arrays.image[None]
        labels = (label for label in (arrays.reference, arrays.scribble) if label is not None)
        files = raw.files(dst, case.name, len(channels), details[case.name]["lacks"])
        for path, array in zip(files.all(), (*channels, *labels), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            nifti.write(path, array, arrays.spacing)
        step()


def _describe(
    source: Source,
    src: Path,
    cases: Sequence[Found],
    details: dict[str, dict[str, Any]],
    fingerprint: str,
) -> dict[str, Any]:
    names = ("background", *source.classes, "ignore")
    content = [[name, *_identity(details[name])] for name in sorted(details)]
    return {
        "channel_names": {str(i): name for i, name in enumerate(source.channels)},
        "labels": {name: i for i, name in enumerate(names)},
        "numTraining": len(details),
        "file_ending": ".nii.gz",
        "weakseg": {
            "source": source.name,
            "licence": source.licence,
            "citation": source.citation,
            "synthetic": source.synthetic(src),
            "scribbles": _strokes(source, cases, details),
            "content": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
            "fingerprint": fingerprint,
            "cases": details,
        },
    }


def _identity(detail: dict[str, Any]) -> list[str]:
    """Return what of a case is hashed; a part only where there is one."""
    keys = ("patient", "group", "frame", "sha256", *(["part"] if detail["part"] else []))
    return [detail[key] for key in keys]


def _strokes(source: Source, cases: Sequence[Found], details: dict[str, dict[str, Any]]) -> Any:
    """Return who drew: "none", "drawn" with the data, or what drew where there were none."""
    having = [case for case in cases if "scribble" not in details[case.name]["lacks"]]
    if any(case.scribble is None for case in having):
        return _generator(source)
    return "drawn" if having else "none"


def _generator(source: Source) -> Any:
    """Return a plain description of what draws strokes."""
    return getattr(source.scribbles, "__name__", None) or describe(source.scribbles)


def _hash(arrays: Arrays) -> str:
    digest = hashlib.sha256(repr(arrays.spacing).encode())
    for array in arrays[:3]:
        if array is None:
            digest.update(b"none")
        else:
            digest.update(f"{array.dtype.name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _fingerprint(source: Source, src: Path, cases: Sequence[Found]) -> str:
    digest = hashlib.sha256(f"{source.name} {_FORMAT} {source.synthetic(src)}".encode())
    if source.scribbles is not None:
        digest.update(json.dumps(_generator(source), sort_keys=True).encode())
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


def _counter(report: Report | None, total: int) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if report is not None:
            report(done, total)

    return step


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 after an error that concerns the data."""
    parser = jsonargparse.ArgumentParser(
        prog="python -m weakseg.data.prepare",
        description="Check an official download and write it in nnU-Net's raw layout.",
    )
    parser.add_argument("source", choices=sorted(SOURCES), help="which data set it is")
    parser.add_argument("src", help="the download in its official layout; only read")
    parser.add_argument("dst", help="folder to write; absent, empty or written by this command")
    asked = parser.parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with warnings.catch_warnings(record=True) as caught, Progress(console=console) as bar:
        warnings.simplefilter("always")
        task = bar.add_task("prepare", total=None)
        try:
            prepare(
                asked.source,
                asked.src,
                asked.dst,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
            message = ""
        except (ValueError, OSError) as error:
            message = f"error: {error}"
        bar.remove_task(task)
    for warning in caught:
        console.print(f"warning: {warning.message}", markup=False)
    console.print(message or f"{asked.source} is ready in {asked.dst}", markup=False)
    return 1 if message else 0


if __name__ == "__main__":
    sys.exit(main())
