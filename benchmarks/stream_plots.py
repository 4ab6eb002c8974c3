"""Plots of streams: Dice along the stream, and Dice against what the user drew."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import stream_statistics as streams
from benchmarks.stream_blocks import Stream

_COLUMNS: Final = 5
_PANEL: Final = 1.7  # inches
_CONTEXT: Final = "#c9c9c9"
_SHARES: Final = np.linspace(0, 1.2, 121)


def draw_along(parts: dict[str, Stream], window: int) -> Figure:
    """Draw each row's mean hard Dice on the test cases by position, over those of all others.

    Thin: each position, orders of arrival averaged; thick: mean over the last ``window`` that were
    evaluated.

    Args:
        parts: lines of each row by label.
        window: length of the running mean.
    """
    curves = {row: streams.curve(part.positions, "hard") for row, part in parts.items()}
    figure, panels = _panels(list(parts), "cases seen", "hard Dice on the test cases")
    for index, (ax, row) in enumerate(zip(panels, parts, strict=False)):
        for other in curves.values():
            mean = streams.running_mean(other, min(window, len(other)))
            ax.plot(mean.index, mean, color=_CONTEXT, lw=0.8, zorder=1)
        curve = curves[row]
        mean = streams.running_mean(curve, min(window, len(curve)))
        ax.plot(curve.index, curve, color=_colour(index), lw=0.7, alpha=0.6, zorder=2)
        ax.plot(mean.index, mean, color=_colour(index), lw=2, marker=_dot(mean), zorder=3)
    return figure


def draw_effort(parts: dict[str, Stream]) -> Figure:
    """Draw the mean hard Dice of the mask a user holds against the share of boundary drawn.

    Rows that draw everything in one round rise at once; they have a panel only where no row has
    more rounds, and are grey in the others. A dotted line marks where a row's users stopped.

    Args:
        parts: lines of each row by label; rows with rounds.
    """
    curves = {
        row: streams.dice_at(part.positions, part.rounds, _SHARES).mean()
        for row, part in parts.items()
    }
    rows = [row for row, part in parts.items() if part.rounds["round"].max() > 1] or list(parts)
    about = "boundary drawn, share of all axial slices"
    figure, panels = _panels(rows, about, "hard Dice of the mask a user holds")
    for index, (ax, row) in enumerate(zip(panels, rows, strict=False)):
        for other in curves.values():
            ax.step(other.index, other, where="post", color=_CONTEXT, lw=0.8, zorder=1)
        spent = streams.spent(parts[row].positions, "boundary")
        mean = spent["spent"].sum() / max(spent["full"].sum(), 1.0)
        ax.step(curves[row].index, curves[row], where="post", color=_colour(index), lw=2, zorder=2)
        ax.axvline(mean, color=_colour(index), lw=1, ls=":", zorder=2)
    return figure


def _panels(rows: Sequence[str], across: str, up: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with one small axes per row, on shared scales, named by row."""
    lines = -(-len(rows) // _COLUMNS)
    columns = min(_COLUMNS, len(rows))
    figure = Figure(figsize=(max(2.3 * columns, 9), lines * _PANEL + 1.1), layout="constrained")
    panels: list[Axes] = list(
        figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    )
    for index, (ax, row) in enumerate(zip(panels, rows, strict=False)):
        ax.set_title(row, fontsize=8, color=_colour(index))
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    for lowest in panels[max(len(rows) - columns, 0) : len(rows)]:
        lowest.tick_params(labelbottom=True)
    for spare in panels[len(rows) :]:
        spare.set_axis_off()
    figure.supxlabel(across, fontsize=9)
    figure.supylabel(up, fontsize=9)
    return figure, panels


def _colour(index: int) -> Any:
    return colormaps["tab10"](index % 10)


def _dot(curve: pd.Series) -> str:
    """Return a marker where a line of one value would not be seen."""
    return "o" if len(curve) == 1 else ""
