"""Turn an official download into checked files in nnU-Net's raw layout, once.

``python -m weakseg.data.prepare acdc SRC DST`` writes ``imagesTr``, ``labelsTr``,
``scribblesTr`` and, last, ``dataset.json``: where that exists the folder is complete.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import jsonargparse
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from weakseg.data import nifti
from weakseg.data.sources import SOURCES
from weakseg.data.sources.source import Arrays, Found, Source

Report = Callable[[int, int], None]
"""Told the number of steps done and of all steps."""

_FORMAT: Final = 1
_FOLDERS: Final = ("imagesTr", "labelsTr", "scribblesTr")
_INDEX: Final = "dataset.json"


def prepare(
    source_name: str, src: Path | str, dst: Path | str, report: Report | None = None
) -> Path:
    """Check every case of a download and write it in nnU-Net's raw layout.

    Nothing is done where ``dst`` was made from the same source files (names, sizes and times).
    Several processes may call this with one ``dst``: one of them builds it.

    Args:
        source_name: a key of :data:`weakseg.data.sources.SOURCES`.
        src: the download, in its official layout; only read.
        dst: folder to write; absent, empty or made by an earlier call.
        report: called after each step.

    Returns:
        ``dst``.

    Raises:
        FileNotFoundError: ``src`` holds no case; the message says what is expected.
        ValueError: unknown source, ``dst`` holds something else, or cases are missing files or
            are wrong: one line for each, and nothing has been written.
    """
    if source_name not in SOURCES:
        raise ValueError(f"no source {source_name!r}; expected one of {sorted(SOURCES)}")
    source, src, dst = SOURCES[source_name], Path(src), Path(dst).absolute()
    cases, problems = source.find(src)
    fingerprint = _fingerprint(source, src, cases)
    if not problems and _is_complete(dst, fingerprint):
        return dst
    with _locked(dst):
        if not problems and _is_complete(dst, fingerprint):
            return dst
        _refuse_foreign(dst)
        steps = _counter(report, 2 * len(cases))
        layout = f"\n{source.layout}" if problems else ""
        details = _check(source, cases, problems, steps)
        if problems:
            lines = "\n".join(f"  {problem}" for problem in problems)
            raise ValueError(f"nothing is written to {dst}, since in {src}:\n{lines}{layout}")
        _write(source, cases, details, dst, steps)
        _write_index(dst, _describe(source, src, details, fingerprint))
    return dst


def _check(
    source: Source, cases: Sequence[Found], problems: list[str], step: Callable[[], None]
) -> dict[str, dict[str, Any]]:
    """Return what dataset.json says of each good case; the reasons of others join ``problems``."""
    details: dict[str, dict[str, Any]] = {}
    for case in cases:
        try:
            arrays = _stored(source.read(case))
        except (ValueError, OSError) as error:
            problems.append(str(error))
        else:
            details[case.name] = {
                "patient": case.patient,
                "group": case.group,
                "frame": case.frame,
                "spacing": list(arrays.spacing),
                "shape": list(arrays.image.shape),
                "sha256": _hash(arrays),
            }
        step()
    return details


def _write(
    source: Source,
    cases: Sequence[Found],
    details: dict[str, dict[str, Any]],
    dst: Path,
    step: Callable[[], None],
) -> None:
    (dst / _INDEX).unlink(missing_ok=True)
    for folder in _FOLDERS:
        shutil.rmtree(dst / folder, ignore_errors=True)
        (dst / folder).mkdir(parents=True)
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the check has shown them
            arrays = _stored(source.read(case))
        if _hash(arrays) != details[case.name]["sha256"]:
            raise ValueError(f"{case.image.parent} changed while it was read; run this again")
        for path, array in zip(_files(dst, case.name), arrays[:3], strict=True):
            nifti.write(path, array, arrays.spacing)
        step()


def _describe(
    source: Source, src: Path, details: dict[str, dict[str, Any]], fingerprint: str
) -> dict[str, Any]:
    names = ("background", *source.classes, "ignore")
    keys = ("patient", "group", "frame", "sha256")
    content = [[name, *(details[name][key] for key in keys)] for name in sorted(details)]
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
            "content": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
            "fingerprint": fingerprint,
            "cases": details,
        },
    }


def _stored(arrays: Arrays) -> Arrays:
    """Return the image as int16 where that loses nothing, else as float32."""
    image = arrays.image
    limits = np.iinfo(np.int16)
    fits = limits.min <= image.min() and image.max() <= limits.max
    if fits and (image.dtype.kind in "iu" or (image == np.rint(image)).all()):
        return arrays._replace(image=image.astype(np.int16))
    return arrays._replace(image=image.astype(np.float32))


def _hash(arrays: Arrays) -> str:
    digest = hashlib.sha256(repr(arrays.spacing).encode())
    for array in cast("tuple[NDArray[Any], ...]", arrays[:3]):
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _fingerprint(source: Source, src: Path, cases: Sequence[Found]) -> str:
    digest = hashlib.sha256(f"{source.name} {_FORMAT} {source.synthetic(src)}".encode())
    for case in cases:
        for path in (case.image, case.reference, case.scribble, case.info):
            stat = path.stat()
            record = (os.fspath(path.relative_to(src)), stat.st_size, stat.st_mtime_ns)
            digest.update(repr(record).encode())
    return digest.hexdigest()


def _files(dst: Path, name: str) -> tuple[Path, Path, Path]:
    images, labels, scribbles = (dst / folder for folder in _FOLDERS)
    ending = f"{name}.nii.gz"
    return images / f"{name}_0000.nii.gz", labels / ending, scribbles / ending


def _read_index(dst: Path) -> dict[str, Any]:
    """Return the ``weakseg`` part of dataset.json, empty where there is none."""
    try:
        own = json.loads((dst / _INDEX).read_text(encoding="utf-8"))["weakseg"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}


def _is_complete(dst: Path, fingerprint: str) -> bool:
    own = _read_index(dst)
    return own.get("fingerprint") == fingerprint and all(
        path.is_file() for name in own["cases"] for path in _files(dst, name)
    )


def _refuse_foreign(dst: Path) -> None:
    names = {path.name for path in dst.iterdir()} if dst.is_dir() else set()
    if _INDEX in names and not _read_index(dst):
        raise ValueError(f"{dst} holds another data set; expected an empty or a new folder")
    others = sorted(name for name in names - {*_FOLDERS, _INDEX} if not name.startswith("."))
    if others or (dst.exists() and not dst.is_dir()):
        raise ValueError(f"{dst} holds other files ({others[:3]}); expected an empty folder")


@contextlib.contextmanager
def _locked(dst: Path) -> Iterator[None]:
    """Hold the lock beside ``dst``; the kernel frees it when the process ends."""
    dst.parent.mkdir(parents=True, exist_ok=True)
    with (dst.parent / f".{dst.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_index(dst: Path, described: dict[str, Any]) -> None:
    temporary = dst / f".{_INDEX}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(described, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, dst / _INDEX)


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
