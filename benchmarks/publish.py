"""From finished runs to a folder of results: CSV files, tables, figures."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collect import collect
from benchmarks.figures import draw
from benchmarks.plan import runs
from benchmarks.profiles import PROFILES, Profile
from benchmarks.render import render, to_latex
from benchmarks.spec import Table
from weakseg.data.dataset import Dataset
from weakseg.data.splits import Scheme
from weakseg.results import read_csv, write_text


def publish(
    table: Table, profile: str, data: str, source: Dataset, root: Path, results: Path
) -> Path:
    """Collect the table's runs of one profile on one content of data, render and draw them.

    Runs of earlier definitions or of other data have other names and stay out.

    Returns:
        The folder, ``results/<table>/<data>-<profile>``.
    """
    folder = results / table.name / f"{data}-{profile}"
    directories = [root / run for run in _current(table, profile, data, source.content, root)]
    collect(directories, folder)
    _render(table, folder)
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


def _current(table: Table, profile: str, data: str, content: str, root: Path) -> list[str]:
    """Names of the runs that the table, as it is defined now, would make or has made."""
    found = []
    for record in known_runs(table.name, root):
        plan = ((record["scheme"], (record["fold"],)),)
        narrowed = _narrow(PROFILES[profile], plan, record["seed"])
        expected = runs(table, narrowed, table.rows, data, content)
        labels = [run.row for run in expected if run.id == record["run"]]
        if not labels:
            continue
        if record["row"] not in labels:
            _relabel(root / record["run"] / "run.json", record, labels[0])
        found.append(record["run"])
    return found


def _relabel(path: Path, record: dict[str, Any], label: str) -> None:
    """Give a run the label that its row has now; a label is no part of its identity."""
    write_text(path, json.dumps(record | {"row": label}, indent=1))


def _narrow(
    profile: Profile, plan: tuple[tuple[Scheme, tuple[int, ...]], ...], seed: int
) -> Profile:
    return replace(profile, plan=plan, seeds=(seed,))


def _render(table: Table, folder: Path) -> None:
    frames = [read_csv(folder / f"{name}.csv") for name in ("runs", "values", "cases", "curves")]
    write_text(folder / "table.md", render(table, *frames))
    write_text(folder / "table.tex", to_latex(table, *frames[:3]))
