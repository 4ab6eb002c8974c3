"""The figure of test cases: image, strokes, reference and the rows' predictions."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from benchmarks.cells import NOTHING
from benchmarks.collect import case_means
from benchmarks.spec import Table
from weakseg.data import nifti
from weakseg.types import IGNORE_INDEX

Array: TypeAlias = NDArray[Any]


class Volumes(NamedTuple):
    """A case: image float, reference and scribble integer or None, each [D, H, W].

    The scribble holds ``IGNORE_INDEX`` where nobody drew.
    """

    image: Array
    reference: Array | None
    scribble: Array | None


Load: TypeAlias = Callable[[str], tuple[Array, Array | None, Array | None]]
"""Case name -> the three parts of its ``Volumes``."""

MOST: Final = 8
"""Rows in the figure."""

_CLASS_COLOURS: Final = ("#4aa8ff", "#35d07f", "#ff5a4d", "#ffc531", "#c77dff", "#8be9fd")
_BACKGROUND_STROKE: Final = "#e6c84b"
_PER_LINE: Final = 7
_MARGIN: Final = 0.22


def with_predictions(done: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Keep the runs that have a prediction in ``root``."""
    held = [any((root / run / "predictions").glob("*.nii.gz")) for run in done["run"]]
    return done[held]


def draw_cases(
    table: Table, done: pd.DataFrame, cases: pd.DataFrame, root: Path, load: Load
) -> Figure:
    """Draw the best, the median and the worst test case with the predictions of the rows.

    Cases are ranked by the mean over rows of their mean Dice at the last step; only cases that
    every row was tested on take part. Of more than ``MOST`` rows the references of the table are
    shown, and of the others the best, the worst and some at even distances between. Shown is the
    slice with the largest reference.

    Args:
        table: rows and classes.
        done: finished runs of one split scheme, by fold and seed.
        cases: ``cases.csv``.
        root: the folder with the run directories.
        load: reads a case.
    """
    scores = _scores(table, done, cases)
    ranked = scores.dropna(axis="columns", how="any").mean().sort_values(kind="stable")
    picked = (
        {"worst": 0, "median": len(ranked) // 2, "best": len(ranked) - 1} if len(ranked) else {}
    )
    chosen = {name: str(ranked.index[index]) for name, index in reversed(picked.items())}
    rows = _shown(table, scores)
    panels = 3 + len(rows)
    lines = -(-panels // _PER_LINE)
    columns = -(-panels // lines)
    height = max(len(chosen), 1) * (lines * 2.3 + 0.35) + 0.9
    figure = Figure(figsize=(columns * 1.9, height), layout="constrained")
    blocks = figure.subfigures(max(len(chosen), 1), 1, squeeze=False).ravel()
    for block, (name, case) in zip(blocks, chosen.items(), strict=False):
        block.suptitle(f"{name} case: {case}, mean Dice over rows {ranked[case]:.3f}", fontsize=10)
        axes = block.subplots(lines, columns, squeeze=False).ravel()
        predictions = _predictions(rows, done, cases, root, case)
        _draw_case(axes, table, predictions, Volumes(*load(case)))
        for row, ax in zip(rows, axes[3:], strict=False):
            value = scores[case].get(row, float("nan"))
            seeds = done.loc[done["row"] == row, "seed"].nunique()
            of = f"\nmean of {seeds} seeds, first shown" if seeds > 1 else ""
            text = f"volume Dice {value:.3f}{of}" if value == value else NOTHING
            ax.set_xlabel(text, fontsize=9 if seeds == 1 else 7.5)
    _legend(figure, table.classes)
    return figure


def _shown(table: Table, scores: pd.DataFrame) -> list[str]:
    """Return the rows to draw, in the order of the table."""
    if len(scores) <= MOST:
        return list(scores.index)
    kept = [row for row in table.references if row in scores.index]
    others = scores.drop(index=kept).mean(axis="columns").sort_values(kind="stable").index
    at = np.linspace(0, len(others) - 1, MOST - len(kept)).round().astype(int)
    kept += [str(others[index]) for index in at]
    return [row for row in scores.index if row in kept]


def _scores(table: Table, done: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice at the last step; index the labels of finished rows, columns the test cases."""
    tested = cases[(cases["selection"] == "last") & (cases["split"] == "test")]
    scores = {}
    for row in table.rows:
        runs = done.loc[done["row"] == row.label, "run"]
        if len(runs):
            means = [case_means(tested[tested["run"] == run])["dice"] for run in runs]
            scores[row.label] = pd.concat(means).groupby(level=0).mean()
    return pd.DataFrame(scores).T


def _predictions(
    rows: Sequence[str], done: pd.DataFrame, cases: pd.DataFrame, root: Path, case: str
) -> dict[str, Array | None]:
    """Read every row's prediction of a case: integer [D, H, W], None where there is no file."""
    testing = cases[(cases["case"] == case) & (cases["split"] == "test")]["run"].unique()
    found: dict[str, Array | None] = {}
    for row in rows:
        runs = done.loc[(done["row"] == row) & done["run"].isin(testing), "run"]
        files = [root / run / "predictions" / f"{case}.nii.gz" for run in runs]
        present = [file for file in files if file.is_file()]
        found[row] = nifti.read(present[0]).array if present else None
    return found


def _draw_case(
    axes: Sequence[Axes], table: Table, predictions: dict[str, Array | None], volumes: Volumes
) -> None:
    at = _slice(volumes, predictions)
    reference, scribble = (None if v is None else v[at] for v in volumes[1:])
    window = _window(reference, volumes.image.shape[1:])
    grey = _grey(volumes.image[at][window])
    blank = np.full_like(grey, 0.93)
    classes = len(table.classes)
    strokes = blank if scribble is None else _strokes(grey, scribble[window], classes)
    outline = None if reference is None else reference[window]
    _panel(axes[0], "image", grey)
    _panel(axes[1], "scribble" if scribble is not None else "no scribble", strokes)
    _panel(
        axes[2],
        "reference" if outline is not None else "no reference",
        blank if outline is None else _overlay(grey, outline, classes),
    )
    for ax, (label, prediction) in zip(axes[3:], predictions.items(), strict=False):
        if prediction is None:
            _panel(ax, label, blank)
            continue
        if prediction.shape != volumes.image.shape:
            raise ValueError(
                f"{label}: prediction {prediction.shape} does not fit the image "
                f"{volumes.image.shape}; the run belongs to other data"
            )
        _panel(ax, label, _overlay(grey, prediction[at][window], classes))
        if outline is not None:
            _contours(ax, outline, classes)
    for ax in axes[3 + len(predictions) :]:
        ax.set_axis_off()


def _slice(volumes: Volumes, predictions: dict[str, Array | None]) -> int:
    """Return the slice with the largest reference, or the largest first prediction without one."""
    known = (volumes.reference, *predictions.values())
    labels = next((v for v in known if v is not None), volumes.image[:, :0])
    return int(np.argmax((labels > 0).sum(axis=(1, 2))))


def _contours(ax: Axes, outline: Array, classes: int) -> None:
    for value in range(1, classes + 1):
        if (outline == value).any():
            ax.contour(outline == value, levels=[0.5], colors="white", linewidths=0.7)


def _panel(ax: Axes, title: str, picture: Array) -> None:
    ax.imshow(picture, interpolation="nearest")
    ax.set_title(textwrap.fill(title, 24), fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _window(reference: Array | None, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the square around the reference [H, W] with a margin; all of it where it is empty."""
    rows, columns = np.nonzero(np.zeros(shape) if reference is None else reference)
    if not len(rows):
        return slice(None), slice(None)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    half = int(np.ceil(side * (0.5 + _MARGIN)))
    middle = ((rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2)
    first = [max(0, int(m) - half) for m in middle]
    last = [min(size, int(m) + half + 1) for m, size in zip(middle, shape, strict=True)]
    return slice(first[0], last[0]), slice(first[1], last[1])


def _grey(image: Array) -> NDArray[np.float64]:
    low, high = np.percentile(image, (0.5, 99.5))
    scaled = np.clip((image - low) / max(high - low, 1e-9), 0, 1)
    return np.repeat(scaled[..., None], 3, axis=-1).astype(np.float64)


def _overlay(grey: Array, labels: Array, classes: int) -> Array:
    painted = grey.copy()
    for value in range(1, classes + 1):
        where = labels == value
        painted[where] = 0.4 * grey[where] + 0.6 * np.asarray(to_rgb(_colour(value)))
    return painted


def _strokes(grey: Array, scribble: Array, classes: int) -> Array:
    painted = 0.8 * grey
    for value in range(classes + 1):
        colour = _colour(value) if value else _BACKGROUND_STROKE
        painted[(scribble == value) & (scribble != IGNORE_INDEX)] = to_rgb(colour)
    return painted


def _colour(value: int) -> str:
    return _CLASS_COLOURS[(value - 1) % len(_CLASS_COLOURS)]


def _legend(figure: Figure, classes: Sequence[str]) -> None:
    handles: list[Patch | Line2D] = [
        Patch(color=_colour(value), label=name) for value, name in enumerate(classes, start=1)
    ]
    handles.append(Patch(color=_BACKGROUND_STROKE, label="background stroke"))
    outline = Line2D([], [], color="white", label="reference outline (white)")
    handles.append(outline)
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=True
    )
    legend.get_frame().set(facecolor="#9a9a9a", edgecolor="none")
