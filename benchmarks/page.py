"""A results folder as one HTML page that needs nothing else: figures and run records inline."""

import base64
import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.blocks import Block, Grid, Heading, Items, Picture, Text
from benchmarks.cells import NOTHING
from benchmarks.contents import contents
from benchmarks.spec import Table
from benchmarks.stream_blocks import Stream
from weakseg.results import RUNS

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?(?=$|\n| [±(])")
_STRONG: Final = re.compile(r"\*\*(.+?)\*\*")
_LINK: Final = re.compile(r"\[([^]]+)\]\(([\w./-]+)\)")


def page(
    table: Table,
    runs: pd.DataFrame,
    values: pd.DataFrame,
    cases: pd.DataFrame,
    curves: pd.DataFrame | None,
    figures: Path,
    records: Mapping[str, Mapping[str, Any]] | None = None,
    stream: Stream | None = None,
) -> str:
    """Render the results of one profile and data set as a self-contained HTML page.

    Args:
        table: rows, columns and protocol.
        runs: ``runs.csv``.
        values: ``values.csv``.
        cases: ``cases.csv``.
        curves: ``curves.csv``.
        figures: folder with the PNG files; one that is missing is left out.
        records: run name -> its resolved configuration, shown as JSON where it is given.
        stream: the further files of a table of streams.

    Raises:
        ValueError: a run belongs to no row of the table.
    """
    blocks = contents(table, runs, values, cases, curves, stream)[1:]
    parts = [_part(block, figures) for block in blocks]
    environment = Environment(
        loader=PackageLoader("benchmarks", ""), autoescape=True, undefined=StrictUndefined
    )
    return (
        environment.get_template("page.html.jinja").render(
            title=table.title,
            phantom=bool((runs["data"] == "phantom").any()),
            blocks=[part for part in parts if part],
            runs=_runs(runs),
            records=_records(runs, records or {}),
        )
        + "\n"
    )


def _part(block: Block, figures: Path) -> dict[str, Any]:
    """Return what the template needs of a block; nothing of a figure without a file."""
    match block:
        case Heading(text, level):
            return {"kind": "heading", "text": text, "level": level, "id": _anchor(text)}
        case Text(text):
            return {"kind": "text", "text": _marked(text)}
        case Items(items):
            return {"kind": "items", "lines": [_marked(item) for item in items]}
        case Picture(file, about):
            path = figures / file
            return _picture(path.read_bytes(), about) if path.is_file() else {}
        case Grid(frame):
            return _table(frame, "table")


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _marked(text: str) -> Markup:
    """Escape text, and set its strong parts and links as Markdown has them.

    Example:
        >>> str(_marked("**a < b**, see [c](c.csv)"))
        '<strong>a &lt; b</strong>, see <a href="c.csv">c</a>'
    """
    safe = str(escape(text))
    linked = _LINK.sub(r'<a href="\2">\1</a>', safe)
    return Markup(_STRONG.sub(r"<strong>\1</strong>", linked))


def _picture(data: bytes, about: str) -> dict[str, Any]:
    size = struct.unpack(">II", data[16:24])  # width and height of a PNG file's header
    return {
        "kind": "picture", "text": about, "size": size, "data": base64.b64encode(data).decode()
    }  # fmt: skip


def _table(frame: pd.DataFrame, about: str) -> dict[str, Any]:
    """Return the table's text by column; columns of numbers sort by them, others by their text."""
    columns = {str(frame.index.name): [str(label) for label in frame.index]}
    columns |= {str(name): [str(text) for text in frame[name]] for name in frame}
    words = [not all(_number(text) is not None for text in column) for column in columns.values()]
    cells = [
        [_cell(text, numeric=not word) for text in column]
        for column, word in zip(columns.values(), words, strict=True)
    ]
    lines = list(zip(*cells, strict=True))
    return {
        "kind": "table", "about": about, "columns": list(columns), "lines": lines, "words": words
    }  # fmt: skip


def _number(text: str) -> str | None:
    """Return the number that a text begins with, nothing for a dash, None for words.

    Example:
        >>> _number("0.876 ± 0.049 (40)"), _number("–"), _number("2 mm"), _number("70/15/15")
        ('0.876', '', None, None)
    """  # noqa: RUF002
    if text in ("", NOTHING):
        return ""
    found = _NUMBER.match(text)
    return found.group() if found else None


def _cell(text: str, numeric: bool) -> dict[str, str]:
    """Return a cell's first line, its second, and what it sorts by: nothing for a dash."""
    first, _, small = text.partition("\n")
    key = _number(text) or "" if numeric or first == NOTHING else first
    return {"text": first, "small": small, "key": key}


def _runs(runs: pd.DataFrame) -> dict[str, Any]:
    shown = runs[list(RUNS)].astype("object").where(runs[list(RUNS)].notna(), NOTHING)
    for name in ("content", "commit"):
        shown[name] = shown[name].astype(str).str.slice(0, 12)
    ordered = shown.sort_values(["scheme", "fold", "seed", "row"], key=lambda c: c.astype(str))
    text = ordered.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
    return _table(text.set_index("run"), "runs")


def _records(runs: pd.DataFrame, records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    found = []
    for run in runs.sort_values(["row", "scheme", "fold", "seed"]).to_dict("records"):
        record = records.get(run["run"])
        if record is not None:
            fold, seed = (f"{run[name]:g}" for name in ("fold", "seed"))
            title = f"{run['row']}, {run['scheme']}, fold {fold}, seed {seed}"
            text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
            found.append({"title": f"{title} ({run['run']})", "text": text})
    return found
