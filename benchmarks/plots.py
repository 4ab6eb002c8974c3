"""Plots of numbers: learning curves and mean ranks."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from benchmarks.scores import finished
from benchmarks.spec import Table
from benchmarks.statistics import Ranks, cliques

_COLUMNS: Final = 5
_PANEL: Final = 1.45  # inches
_CONTEXT: Final = "#c9c9c9"


def draw_curves(table: Table, done: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Draw each row's mean validation Dice over those of all others, and its training loss.

    Curves are means over folds and seeds. The losses of different rows are different sums of
    terms, so each has a scale of its own.

    Args:
        table: rows.
        done: finished runs of one split scheme.
        curves: ``curves.csv``.
    """
    rows = finished(done, [row.label for row in table.rows])
    named = curves.merge(done[["run", "row"]], on="run")
    dice = [_mean(named[named["row"] == row], "val", "dice") for row in rows]
    loss = [_mean(named[named["row"] == row], "train", "loss") for row in rows]
    lines = -(-len(rows) // _COLUMNS)
    figure = Figure(figsize=(11, 2 * lines * _PANEL + 1.5), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False).ravel()
    above.suptitle("mean Dice of the validation patients against step; grey: other rows", size=9)
    below.suptitle("training loss against step, each row on its own scale", size=9)
    for part, own, context in ((above, dice, dice), (below, loss, [])):
        panels = _panels(part, rows, sharey=bool(context))
        for index, (ax, row, curve) in enumerate(zip(panels, rows, own, strict=False)):
            for other in context:
                ax.plot(other.index, other, color=_CONTEXT, lw=0.8, zorder=1)
            ax.plot(curve.index, curve, color=_colour(index), lw=1.8, marker="o", ms=2.5, zorder=2)
            ax.set_title(row, fontsize=8, color=_colour(index))
    return figure


def _panels(part: SubFigure, rows: Sequence[str], sharey: bool) -> list[Axes]:
    """Return one axes per row; steps are written under the lowest of every column."""
    lines = -(-len(rows) // _COLUMNS)
    panels: list[Axes] = list(
        part.subplots(lines, _COLUMNS, squeeze=False, sharex=True, sharey=sharey).ravel()
    )
    for ax in panels:
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    for lowest in panels[max(len(rows) - _COLUMNS, 0) : len(rows)]:
        lowest.tick_params(labelbottom=True)
    for spare in panels[len(rows) :]:
        spare.set_axis_off()
    return panels


def _colour(index: int) -> Any:
    return colormaps["tab10"](index % 10)


def _mean(curve: pd.DataFrame, split: str, quantity: str) -> "pd.Series[float]":
    chosen = curve[(curve["split"] == split) & (curve["quantity"] == quantity)]
    return chosen.groupby("step")["value"].mean()


def draw_ranks(found: Ranks) -> Figure:
    """Draw mean ranks on a line, with bars over rows that are not told apart (Demšar, JMLR 2006).

    The better half of the rows is named on the left, the other on the right; the critical
    difference stands above the line.
    """
    mean = found.mean.sort_values(kind="stable")
    k, left = len(mean), -(-len(mean) // 2)
    bars = cliques(list(mean), found.critical)
    depth = 0.35 + 0.16 * len(bars)
    height = depth + 0.32 * left
    figure = Figure(figsize=(10, 0.62 * height + 1.6), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(1 - 0.42 * (k - 1), k + 0.42 * (k - 1)), ylim=(-height - 0.1, 1.0))
    ax.set_axis_off()
    _axis(ax, k, found)
    for index, (row, rank) in enumerate(mean.items()):
        first = index < left
        level = -depth - 0.32 * (index if first else k - 1 - index)
        end = 1 - 0.06 * (k - 1) if first else k + 0.06 * (k - 1)
        ax.plot([rank, rank, end], [0, level, level], color="#555555", lw=0.9)
        text = f"{row}  {rank:.2f}" if first else f"{rank:.2f}  {row}"
        ax.annotate(
            text, (end, level), (-4 if first else 4, 0), textcoords="offset points",
            ha="right" if first else "left", va="center", fontsize=9,
        )  # fmt: skip
    for index, (low, high) in enumerate(bars):
        level = -0.2 - 0.16 * index
        margin = 0.006 * (k - 1)
        ax.plot([low - margin, high + margin], [level, level], color="#c0392b", lw=3.2)
    return figure


def _axis(ax: Axes, k: int, found: Ranks) -> None:
    ax.plot([1, k], [0, 0], color="black", lw=1.2)
    for rank in range(1, k + 1):
        ax.plot([rank, rank], [0, 0.09], color="black", lw=1)
        ax.text(rank, 0.14, str(rank), ha="center", va="bottom", fontsize=8)
    ax.plot([1, 1 + found.critical], [0.62, 0.62], "|-", color="#c0392b", lw=1.6, ms=8)
    ax.text(
        1 + found.critical / 2, 0.7,
        f"critical difference {found.critical:.2f} ({found.patients} patients)",
        ha="center", va="bottom", fontsize=9,
    )  # fmt: skip
