"""The list of all results: one line for each split scheme of each results folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.cells import NOTHING, Results, listed, schemes_of
from benchmarks.comparisons import MEAN_DICE, labels
from benchmarks.render import markdown_table
from benchmarks.scores import complete, finished
from benchmarks.spec import Table
from weakseg.results import read_csv

_BEST: Final = 3
_COLUMNS: Final = (
    "results", "page", "data", "profile", "split", "folds", "seeds", "rows done", "best mean Dice"
)  # fmt: skip


def index(tables: Mapping[str, Table], results: Path) -> str:
    """Return ``results/README.md`` as Markdown: every results folder of every table.

    Folders of the profile ``tiny`` are left out, since its numbers mean nothing.

    Args:
        tables: the tables by name.
        results: the folder that holds one folder for each table.
    """
    blocks = [
        "# Results",
        "Rows done are those that finished every run of every fold there is. Best are the rows of "
        "highest mean Dice over the test cases, at the checkpoint that the table states, with the "
        "number; what the differences are worth is said in the tables. Results on **PHANTOM** data "
        "show that the code works and say nothing about patients.",
    ]
    for table in tables.values():
        name = table.name
        folders = sorted(path.parent for path in (results / name).glob("*/runs.csv"))
        folders = [folder for folder in folders if "-tiny" not in folder.name]
        lines = [line for folder in folders for line in _lines(table, folder)]
        if not lines:
            continue
        frame = pd.DataFrame(lines, columns=list(_COLUMNS)).set_index(_COLUMNS[0])
        blocks += [f"## {table.title}", markdown_table(frame)]
        if (results / name / "README.md").is_file():
            blocks.append(f"What they say: [{name}/README.md]({name}/README.md)")
    if (results / "propagation" / "table.md").is_file():
        blocks += [
            "## Proxy masks from a few slices",
            "Ways of propagating drawn slices: [propagation](propagation/table.md)",
        ]
    return "\n\n".join(blocks) + "\n"


def _lines(table: Table, folder: Path) -> list[list[str]]:
    frames = (read_csv(folder / f"{name}.csv") for name in ("runs", "values", "cases"))
    results = Results(*frames)
    place = f"{table.name}/{folder.name}"
    data = listed(results.runs["data"])
    return [
        [
            f"[{folder.name}]({place}/table.md)",
            f"[HTML]({place}/table.html)",
            "**PHANTOM**" if data == "phantom" else data,
            listed(results.runs["profile"]),
            scheme,
            *_extent(table, results.of_scheme(scheme)),
        ]
        for scheme in schemes_of(results.runs)
    ]


def _extent(table: Table, part: Results) -> list[str]:
    """Return folds, seeds, the number of finished rows, and the best of them."""
    done = complete(part.runs, labels(table))
    return [
        listed(part.runs["fold"]),
        listed(part.runs["seed"]),
        f"{len(done)} of {len(table.rows)}",
        _best(table, part),
    ]


def _best(table: Table, part: Results) -> str:
    rows = complete(part.runs, labels(table)) or finished(part.runs, labels(table))
    selection = table.protocol.selection
    means = {row: part.pooled(row, MEAN_DICE, selection).value for row in rows}
    known = sorted((row for row in means if means[row] == means[row]), key=lambda r: -means[r])
    return "; ".join(f"{row} {means[row]:.3f}" for row in known[:_BEST]) or NOTHING
