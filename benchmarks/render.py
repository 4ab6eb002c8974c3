"""A table and its collected CSV files -> Markdown and LaTeX, a pure function of both."""

import pandas as pd

from benchmarks.blocks import Block, Grid, Heading, Items, Picture, Text
from benchmarks.cells import NOTHING, Results, grid, listed, schemes_of
from benchmarks.comparisons import CHOICES, labels
from benchmarks.contents import HD95, check_rows, contents
from benchmarks.spec import Table
from benchmarks.stream_blocks import Stream


def render(
    table: Table,
    runs: pd.DataFrame,
    values: pd.DataFrame,
    cases: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    stream: Stream | None = None,
) -> str:
    """Render the results of one profile and data set as Markdown.

    Arguments and errors as in :func:`benchmarks.contents.contents`.
    """
    blocks = contents(table, runs, values, cases, curves, stream)
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Items(items):
            return "\n".join(f"- {item}" for item in items)
        case Picture(file, about):
            return f"![{about}](figures/{file})"
        case Grid(frame):
            return markdown_table(frame)


def to_latex(table: Table, runs: pd.DataFrame, values: pd.DataFrame, cases: pd.DataFrame) -> str:
    r"""Render the main table of every split scheme with booktabs rules.

    The document needs ``\usepackage{booktabs}``. Arguments and errors as in :func:`render`.
    """
    check_rows(table, runs)
    results = Results(runs, values, cases)
    parts = []
    for scheme in schemes_of(runs):
        part = results.of_scheme(scheme)
        text = grid(part, labels(table), table.columns, table.protocol.selection, intervals=False)
        text.index.name = None
        style = text.style.format(_latex).format_index(_latex, axis=0).format_index(_latex, axis=1)
        parts.append(
            style.to_latex(
                hrules=True,
                column_format="l" + "c" * len(table.columns),
                position="t",
                position_float="centering",
                caption=_latex(_caption(table, runs, scheme)),
                label=f"tab:{table.name}-{scheme}".replace("_", "-"),
            )
        )
    return "\n".join(parts)


def markdown_table(frame: pd.DataFrame) -> str:
    """Write a frame of text, its index the first column; line feeds become ``<br>``."""
    safe = frame.rename(index=_cell_text, columns=_cell_text).map(_cell_text)
    align = ("left", *("right" for _ in safe.columns))
    return str(safe.to_markdown(disable_numparse=True, colalign=align))


def _cell_text(text: object) -> str:
    safe = str(text).replace("\\", r"\\").replace("|", r"\|").replace("<", "&lt;")
    return safe.replace("\n", "<br>")


def _caption(table: Table, runs: pd.DataFrame, scheme: str) -> str:
    data = listed(runs["data"])
    data = "PHANTOM data" if data == "phantom" else f"{data} data"
    part = runs[runs["scheme"] == scheme]
    return (
        f"{table.title}. {data}, profile {listed(runs['profile'])}, split {scheme}, folds "
        f"{listed(part['fold'])}, seeds {listed(part['seed'])}, checkpoint: "
        f"{CHOICES[table.protocol.selection]}. HD95: {HD95['pooled']}. "
        "Mean ± standard deviation over test cases (n)."
    )


def _latex(text: object) -> str:
    r"""Escape text for LaTeX.

    Example:
        >>> _latex("50 % ± 1_000 & more")
        '50 \\% $\\pm$ 1\\_000 \\& more'
    """
    special: dict[str, str | int | None] = {char: f"\\{char}" for char in "&%$#_{}"}
    special |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    special |= {"±": r"$\pm$", NOTHING: "--", "\N{MINUS SIGN}": "$-$", "<": "$<$", ">": "$>$"}
    return str(text).translate(str.maketrans(special))
