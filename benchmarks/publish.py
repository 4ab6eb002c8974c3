"""From finished runs to a folder of results: CSV files, tables, figures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collect import DONE, GATHERED, STREAMED, collect, read_records
from benchmarks.figures import draw, draw_numbers, draw_streams
from benchmarks.index import index
from benchmarks.page import page
from benchmarks.plan import runs
from benchmarks.profiles import PROFILES
from benchmarks.render import render, to_latex
from benchmarks.spec import AnyScheme, Table
from benchmarks.stream_blocks import Stream
from weakseg.data.dataset import Dataset
from weakseg.results import read_csv, write_text


def frames_of(table: Table) -> tuple[str, ...]:
    """Return the names of the CSV files of a table's results folders, ``runs`` first."""
    return ("runs", "values", *(STREAMED if table.stream else GATHERED))


def publish(
    table: Table, profile: str, data: str, source: Dataset, root: Path, results: Path
) -> Path:
    """Collect the table's runs of one profile on one content of data, render and draw them.

    Runs are found by their identity, so that tables share them; those of earlier definitions or
    of other data have other names and stay out. Runs that the folder holds already, computed
    elsewhere, stay in the table; the figure of test cases, which needs the predictions of every
    run, is then left as it is.

    Returns:
        The folder, ``results/<table>/<data>-<profile>``, followed by the content's first digits
        where that folder belongs to other data.
    """
    folder = _folder(results / table.name, f"{data}-{profile}", source.content)
    found = current(table, profile, data, source.content, records(root))
    there = {}
    if (folder / "runs.csv").exists():
        here = read_csv(folder / "runs.csv")
        finished = here[here["status"] == DONE].to_dict("records")
        there = current(table, profile, data, source.content, finished)
    done = {run for run in found if (root / run / "values.csv").exists()}
    keep = sorted(set(there) - done)
    directories = [root / run for run in found if run not in keep]
    if directories:
        gathered = STREAMED if table.stream else GATHERED
        collect(directories, folder, keep, there | found, gathered)
    if table.stream:
        draw_streams(table, root, folder)
    elif keep:
        draw_numbers(table, folder)
    else:
        draw(table.of(source.classes), root, folder, _loader(source))
    render_folder(table, folder)
    return folder


def rerender(table: Table, results: Path) -> Iterator[Path]:
    """Render each folder of a table's results from its CSV files."""
    for path in sorted((results / table.name).glob("*/values.csv")):
        render_folder(table, path.parent)
        yield path.parent


def render_folder(table: Table, folder: Path) -> None:
    """Write the table of a folder as Markdown, LaTeX and HTML."""
    for name, text in rendered(table, folder).items():
        write_text(folder / name, text)


def rendered(table: Table, folder: Path) -> dict[str, str]:
    """Return what :func:`render_folder` writes, by file name."""
    read = {name: read_csv(folder / f"{name}.csv") for name in frames_of(table)}
    frames = (read["runs"], read["values"], read["cases"])
    table = table.of(tuple(sorted(read["cases"]["class"].unique())))
    curves, stream = read.get("curves"), None
    if table.stream:
        stream = Stream(read["positions"], read["rounds"], read["windows"])
    figures, known = folder / "figures", read_records(folder)
    return {
        "table.md": render(table, *frames, curves, stream),
        "table.tex": to_latex(table, *frames),
        "table.html": page(table, *frames, curves, figures, known, stream),
    }


def write_index(tables: Mapping[str, Table], results: Path) -> Path:
    """Write the page that leads to all results."""
    path = results / "README.md"
    write_text(path, index(tables, results))
    return path


def records(root: Path) -> list[dict[str, Any]]:
    """Return the records of all runs that were begun."""
    return [json.loads(path.read_text()) for path in sorted(root.glob("*/run.json"))]


def known_runs(table: Table, root: Path) -> list[dict[str, Any]]:
    """Return the records of the runs that a table, as defined now, is made of, with its labels."""
    known = []
    for record in records(root):
        where = (record["profile"], record["data"], record["content"])
        labels = current(table, *where, [record]) if record["profile"] in PROFILES else {}
        known += [record | {"row": label} for label in labels.values()]
    return known


def current(
    table: Table, profile: str, data: str, content: str, known: Iterable[Mapping[Any, Any]]
) -> dict[str, str]:
    """Return which of the records' runs the table, as defined now, would make: label by run."""
    found: dict[str, str] = {}
    for record in known:
        place = (record["scheme"], int(record["fold"]), int(record["seed"]))
        label = expected(table, profile, data, content, *place).get(record["run"])
        if label is not None:
            found[record["run"]] = label
    return found


@lru_cache(maxsize=1024)
def expected(
    table: Table, profile: str, data: str, content: str, scheme: AnyScheme, fold: int, seed: int
) -> dict[str, str]:
    """Return the runs that the table's rows make of one fold and seed: label by run."""
    made = runs(
        table, PROFILES[profile].seeded((seed,)), table.rows, data, content, ((scheme, (fold,)),)
    )
    return {run.id: run.row for run in made}


def _folder(table: Path, name: str, content: str) -> Path:
    """Return the folder of a name, or one of its own for data that the folder is not about."""
    path = table / name / "runs.csv"
    other = path.exists() and set(read_csv(path)["content"]) != {content}
    return table / (f"{name}-{content[:8]}" if other else name)


def _loader(source: Dataset) -> Any:
    """Return a function from a case's name to its image, reference and scribble, as figures do."""
    cases = {case.name: case for case in source.cases}

    def load(name: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        image, reference, scribble, _ = source.load(cases[name])
        return image[0], reference, scribble

    return load
