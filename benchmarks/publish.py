"""From finished runs to a folder of results: CSV files, tables, figures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collect import DONE, collect
from benchmarks.figures import draw
from benchmarks.plan import runs
from benchmarks.profiles import PROFILES
from benchmarks.render import render, to_latex
from benchmarks.spec import Table
from weakseg.data.dataset import Dataset
from weakseg.results import read_csv, write_text


def publish(
    table: Table, profile: str, data: str, source: Dataset, root: Path, results: Path
) -> Path:
    """Collect the table's runs of one profile on one content of data, render and draw them.

    Runs of earlier definitions or of other data have other names and stay out. Runs that the
    folder holds already, computed elsewhere, stay in the table; the figures, which need the
    predictions of every run, are then left as they are.

    Returns:
        The folder, ``results/<table>/<data>-<profile>``, followed by the content's first digits
        where that folder belongs to other data.
    """
    folder = _folder(results / table.name, f"{data}-{profile}", source.content)
    found = _current(table, profile, data, source.content, known_runs(table.name, root))
    for run, label in found.items():
        _relabel(root / run / "run.json", label)
    here = read_csv(folder / "runs.csv") if (folder / "runs.csv").exists() else None
    there = {}
    if here is not None:
        labels = [row.label for row in table.rows]
        finished = here[(here["status"] == DONE) & here["row"].isin(labels)].to_dict("records")
        there = _current(table, profile, data, source.content, finished)
    done = {run for run in found if (root / run / "values.csv").exists()}
    keep = sorted(set(there) - done)
    directories = [root / run for run in found if run not in keep]
    if directories:
        collect(directories, folder, keep)
    _render(table, folder)
    if keep:
        return folder
    cases = {case.name: case for case in source.cases}

    def load(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image, reference, scribble, _ = source.load(cases[name])
        if reference is None or scribble is None:
            raise ValueError(f"{name} has no reference or no scribble to draw")
        return image[0], reference, scribble

    draw(table, root, folder, load)
    return folder


def rerender(table: Table, results: Path) -> Iterator[Path]:
    """Render each folder of results from its CSV files."""
    for path in sorted((results / table.name).glob("*/values.csv")):
        _render(table, path.parent)
        yield path.parent


def known_runs(table: str, root: Path) -> list[dict[str, Any]]:
    """Return the records of a table's runs."""
    records = [json.loads(path.read_text()) for path in sorted(root.glob("*/run.json"))]
    return [record for record in records if record["table"] == table]


def _folder(table: Path, name: str, content: str) -> Path:
    """Return the folder of a name, or one of its own for data that the folder is not about."""
    path = table / name / "runs.csv"
    other = path.exists() and set(read_csv(path)["content"]) != {content}
    return table / (f"{name}-{content[:8]}" if other else name)


def _current(
    table: Table, profile: str, data: str, content: str, records: Iterable[Mapping[Any, Any]]
) -> dict[str, str]:
    """Return the records' runs that the table, as defined now, would make, with their labels."""
    found: dict[str, str] = {}
    for record in records:
        plan = ((record["scheme"], (int(record["fold"]),)),)
        seeded = replace(PROFILES[profile], seeds=(int(record["seed"]),))
        expected = runs(table, seeded, table.rows, data, content, plan)
        labels = [run.row for run in expected if run.id == record["run"]]
        if labels:
            same = record["row"] in labels
            found[record["run"]] = record["row"] if same else labels[0]
    return found


def _relabel(path: Path, label: str) -> None:
    """Give a run the label that its row has now; a label is no part of its identity."""
    record = json.loads(path.read_text())
    if record["row"] != label:
        write_text(path, json.dumps(record | {"row": label}, indent=1))


def _render(table: Table, folder: Path) -> None:
    frames = [read_csv(folder / f"{name}.csv") for name in ("runs", "values", "cases", "curves")]
    write_text(folder / "table.md", render(table, *frames))
    write_text(folder / "table.tex", to_latex(table, *frames[:3]))
