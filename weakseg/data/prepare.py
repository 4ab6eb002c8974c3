"""Turn an official download into checked files in nnU-Net's raw layout, once.

``python -m weakseg.data.prepare acdc SRC DST`` writes ``imagesTr``, ``labelsTr``,
``scribblesTr`` and, last, ``dataset.json``: where that exists the folder is complete.
``--scribbles interior`` draws strokes, once, into references that come without.
"""

import hashlib
import json
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonargparse
from rich.console import Console
from rich.progress import Progress

from weakseg.config import override
from weakseg.data import nifti, raw
from weakseg.data.contents import arrays_of, fingerprint_of, generator_of, hash_of
from weakseg.data.scribblers import SCRIBBLERS, Scribbler
from weakseg.data.sources import SOURCES
from weakseg.data.sources.source import Draw, Found, Source

Report = Callable[[int, int], None]
"""Told the number of steps done and of all steps."""


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
    fingerprint = fingerprint_of(source, src, cases)
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
            arrays = arrays_of(source, case)
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
                "sha256": hash_of(arrays),
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
    (dst / raw.INDEX).unlink(missing_ok=True)
    for folder in raw.FOLDERS:
        shutil.rmtree(dst / folder, ignore_errors=True)
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the check has shown them
            arrays = arrays_of(source, case)
        if hash_of(arrays) != details[case.name]["sha256"]:
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
        return generator_of(source)
    return "drawn" if having else "none"


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
    parser.add_argument(
        "--scribbles",
        nargs="+",
        metavar=("NAME", "FIELD=VALUE"),
        help=f"draw strokes where there are none: {', '.join(SCRIBBLERS)}, and its settings",
    )
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
                _scribbler(*asked.scribbles) if asked.scribbles else None,
            )
            message = ""
        except (ValueError, OSError) as error:
            message = f"error: {error}"
        bar.remove_task(task)
    for warning in caught:
        console.print(f"warning: {warning.message}", markup=False)
    console.print(message or f"{asked.source} is ready in {asked.dst}", markup=False)
    return 1 if message else 0


def _scribbler(name: str, *settings: str) -> Draw:
    """Return the scribbler of a name with some of its fields replaced.

    Raises:
        ValueError: no such scribbler or field, or a value that is not one.
    """
    if name not in SCRIBBLERS:
        raise ValueError(f"no scribbler {name!r}; expected one of {sorted(SCRIBBLERS)}")
    made: Scribbler = SCRIBBLERS[name]()
    for setting in settings:
        field, _, value = setting.partition("=")
        try:
            made = override(made, field, _value(value))
        except (KeyError, TypeError) as error:
            raise ValueError(f"--scribbles {name} {setting}: {error.args[0]}") from error
    return made


def _value(text: str) -> object:
    """Return the number or the tuple that a text spells, else the text."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
