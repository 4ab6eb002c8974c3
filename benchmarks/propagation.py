"""Proxy masks against slices drawn: ``python -m benchmarks.propagation [--data NAME=FOLDER ...]``.

No network takes part: slices lie evenly between the ends of the object, and each way of making a
proxy gets the same ones. Writes ``results/propagation``: a line per case in ``cases.csv``, what
was measured where in ``record.json``, and ``table.md``, a pure function of both.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonargparse
import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track

from benchmarks.profiles import PROFILES
from benchmarks.render import markdown_table
from benchmarks.runner import commit, cpu_name
from benchmarks.source import dataset
from benchmarks.tables import TABLES
from weakseg.data.dataset import Dataset
from weakseg.data.volumes import Volume, volumes
from weakseg.metrics import dice
from weakseg.online.annotation import Annotation
from weakseg.online.effort import boundary_pixels, full_effort
from weakseg.online.oracle import Oracle, Request
from weakseg.online.proxy import COPY, PARITY, SHAPE, Propagation, propagate
from weakseg.online.registration import Demons, SimpleITKDemons
from weakseg.results import summarise, write_text

SETS: Final = ("hippocampus", "brats2015", "nci-isbi2013")
SLICES: Final = (1, 2, 3, 5)
COLUMNS: Final = (
    "data", "mode", "axes", "slices", "case", "dice", "effort", "seconds", "folding", "fallbacks",
)  # fmt: skip


class Mode(NamedTuple):
    """One way of making a proxy mask, and where the slices are drawn."""

    config: Propagation
    axes: tuple[int, ...]
    ends: bool


MODES: Final = {
    "ours": Mode(Propagation(), (0,), True),
    "direct registration": Mode(Propagation(mode="direct"), (0,), True),
    "no shape interpolation": Mode(Propagation(shape_share=0.0), (0,), True),
    "local correlation": Mode(Propagation(register=Demons(force="lncc")), (0,), True),
    "SimpleITK demons": Mode(Propagation(register=SimpleITKDemons()), (0,), True),
    "shape interpolation": Mode(SHAPE, (0,), True),
    "copy of the nearest slice": Mode(COPY, (0,), True),
    "ours, no end marks": Mode(Propagation(), (0,), False),
    "ours, three axes": Mode(Propagation(), (0, 1, 2), True),
    "released rule, three axes": Mode(PARITY, (0, 1, 2), False),
}


def measure(volume: Volume, name: str, mode: Mode, each: int) -> dict[str, Any]:
    """Return one line of ``cases.csv``: ``each`` slices of each axis of a mode, drawn exactly."""
    annotation = evenly(volume, mode, each)
    started = time.perf_counter()
    proxy = propagate(volume.image, annotation, mode.config)
    seconds = time.perf_counter() - started
    drawn = sum(boundary_pixels(mark.mask) for mark in annotation.marks)
    return {
        "mode": name,
        "axes": len(mode.axes),
        "slices": each,
        "case": volume.name,
        "dice": dice(proxy.hard, volume.reference),
        "effort": drawn / full_effort(volume.reference, volume.spacing).boundary,
        "seconds": seconds,
        "folding": proxy.folding,
        "fallbacks": len(proxy.fallbacks),
    }


def evenly(volume: Volume, mode: Mode, each: int) -> Annotation:
    """Return exact slices that divide the object's extent along each axis into equal parts."""
    user = Oracle().meets(volume.reference, ("propagation", volume.name))
    annotation = Annotation(volume.reference.shape)
    ends = user.answer(Request(ends=mode.axes), annotation)
    if mode.ends:
        annotation = ends
    slices = []
    for axis in mode.axes:
        first, last = ends.bounds(axis)
        places = first + (last - first) * (2 * np.arange(each) + 1) / (2 * each)
        slices += [(axis, int(index)) for index in sorted(set(np.rint(places).astype(int)))]
    return user.answer(Request(tuple(slices)), annotation)


def table(frame: pd.DataFrame, record: dict[str, Any]) -> str:
    """Return the Markdown of the measured lines."""
    blocks = [
        "# Proxy masks from a few slices",
        "Dice of the proxy mask (mean ± sample standard deviation over cases, n), with slices "
        "drawn exactly and evenly within the object, and the boundary pixels drawn as a share of "
        "those of all axial slices. Seconds per case are for all slices of the last column, from "
        "nothing; folding is the share of folded pixels. No network takes part.",
        f"{record['device']}, {record['threads']} thread, torch {record['torch']}, commit "
        f"{record['commit']}. Per case: [cases.csv](cases.csv).",
    ]
    for name, part in frame.groupby("data", sort=False):
        kind = record["data"][name]
        phantom = " (**PHANTOM**)" if kind["synthetic"] else ""
        blocks += [
            f"## {name}{phantom}",
            f"{part['case'].nunique()} cases on {kind['grid']}, content {kind['content'][:12]}.",
            markdown_table(_grid(part)),
        ]
    return "\n\n".join(blocks) + "\n"


def _grid(part: pd.DataFrame) -> pd.DataFrame:
    lines = {}
    for mode, group in part.groupby("mode", sort=False):
        cells = {}
        for each, found in group.groupby("slices"):
            score = summarise(found["dice"])
            effort = found["effort"].mean()
            cells[f"{each} per axis"] = (
                f"{score.value:.3f} ± {score.sd:.3f} ({score.n})\n{100 * effort:.0f} % effort"
            )
        most = group[group["slices"] == group["slices"].max()]
        cells["seconds"] = f"{most['seconds'].median():.2f}"
        cells["folding (%)"] = f"{100 * most['folding'].mean():.2g}"
        cells["fell back"] = f"{most['fallbacks'].mean():.1f}"
        lines[mode] = cells
    return pd.DataFrame(lines).T.rename_axis("proxy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = jsonargparse.ArgumentParser(
        prog="python -m benchmarks.propagation",
        description="Dice of proxy masks against slices drawn, by way of propagation.",
    )
    parser.add_argument(
        "--data", nargs="*", default=[], metavar="NAME=FOLDER",
        help=f"real data of {', '.join(SETS)}; the others are phantoms",
    )  # fmt: skip
    parser.add_argument("--cases", type=int, default=16, help="cases of each data set")
    parser.add_argument("--profile", default="cpu", choices=sorted(PROFILES), help="sets the grid")
    parser.add_argument("--home", type=Path, default=Path(), help="folder that holds data/")
    parser.add_argument("--results", type=Path, default=Path("results"))
    asked = parser.parse_args(arguments)
    given = dict(pair.split("=", 1) for pair in asked.data)
    unknown = sorted(set(given) - set(SETS))
    if unknown:
        parser.error(f"--data knows {', '.join(SETS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    console, lines = Console(), []
    record: dict[str, Any] = {
        "commit": commit(), "device": cpu_name(), "threads": 1, "torch": torch.__version__,
        "data": {},
    }  # fmt: skip
    for name in SETS:
        source, grid, found = _cases(name, given.get(name), asked, console)
        size = " x ".join(map(str, grid.size))
        shown = f"{name}, phantom" if source.synthetic else name
        record["data"][shown] = {
            "content": source.content, "synthetic": source.synthetic, "grid": size,
        }  # fmt: skip
        for volume in track(found, shown, console=console, transient=True):
            lines += [
                {"data": shown, **measure(volume, label, mode, each)}
                for label, mode in MODES.items()
                for each in SLICES
            ]
    folder = asked.results / "propagation"
    frame = pd.DataFrame(lines)[list(COLUMNS)]
    write_text(folder / "cases.csv", frame.to_csv(index=False, float_format="%.6g"))
    write_text(folder / "record.json", json.dumps(record, indent=1) + "\n")
    rerender(asked.results)
    console.print(f"table: {folder / 'table.md'}")
    return 0


def rerender(results: Path) -> Path | None:
    """Write the table again from what was measured; None where nothing was."""
    folder = results / "propagation"
    if not (folder / "cases.csv").exists():
        return None
    write_text(folder / "table.md", _rendered(folder))
    return folder


def check(results: Path) -> Iterator[str]:
    """Yield what is wrong with a committed table: that it is not what was measured."""
    folder = results / "propagation"
    if not folder.exists():
        return
    try:
        same = (folder / "table.md").read_text(encoding="utf-8") == _rendered(folder)
    except (OSError, ValueError, KeyError) as error:
        yield f"cannot be rendered: {error!r}"
        return
    if not same:
        yield "table.md is not what cases.csv and record.json give"


def _rendered(folder: Path) -> str:
    frame = pd.read_csv(folder / "cases.csv")
    return table(frame, json.loads((folder / "record.json").read_text(encoding="utf-8")))


def _cases(
    name: str, download: str | None, asked: Any, console: Console
) -> tuple[Dataset, Any, list[Volume]]:
    """Return a data set, the grid of its table's profile, and its first cases on it."""
    (stream,) = (t for t in TABLES.values() if t.source == name and t.stream is not None)
    profile = PROFILES[asked.profile].of(stream)
    if stream.stream is None:
        raise ValueError(f"{stream.name} is no table of a stream")
    grid = profile.stream.budget(stream.stream).grid
    path = Path(download).expanduser() if download else None
    source = dataset(name, path, profile, asked.home / "data", console)
    cases = source.cases[: asked.cases]
    return source, grid, volumes(source, grid, cases, asked.home / "data" / "cache")


if __name__ == "__main__":
    sys.exit(main())
