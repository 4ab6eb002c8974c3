"""Figures of a results folder: segmented test cases and learning curves."""

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from benchmarks.cells import NOTHING, figure_name, schemes_of
from benchmarks.collect import DONE, case_means
from benchmarks.spec import Table
from weakseg.data import nifti
from weakseg.results import read_csv, write_bytes
from weakseg.types import IGNORE_INDEX

Array: TypeAlias = NDArray[Any]
Load: TypeAlias = Callable[[str], tuple[Array, Array, Array]]
"""Case name -> image float, reference integer, scribble integer, each [D, H, W]; the scribble
holds ``IGNORE_INDEX`` where nobody drew."""

_CLASS_COLOURS: Final = ("#4aa8ff", "#35d07f", "#ff5a4d", "#ffc531", "#c77dff", "#8be9fd")
_BACKGROUND_STROKE: Final = "#e6c84b"
_LINES: Final = ("-", "--", ":")
_PER_LINE: Final = 7
_MARGIN: Final = 0.22
_DPI: Final = 130


def draw(table: Table, root: Path, into: Path, load: Load) -> list[Path]:
    """Draw the figures of every split scheme of a collected results folder.

    The first scheme gives ``figures/cases.png`` and ``figures/curves.png``, another one
    ``figures/cases-<scheme>.png`` and ``figures/curves-<scheme>.png``.

    Args:
        table: rows and classes.
        root: the folder with the run directories.
        into: the results folder with ``runs.csv`` and ``cases.csv``.
        load: reads the image, reference and scribble of a case.

    Returns:
        The files written; none for a scheme without a finished run.
    """
    runs, cases = read_csv(into / "runs.csv"), read_csv(into / "cases.csv")
    schemes = schemes_of(runs)
    written = []
    for scheme in schemes:
        done = runs[(runs["scheme"] == scheme) & (runs["status"] == DONE)]
        done = done.sort_values(["fold", "seed"])
        if not len(done):
            continue
        for kind, figure in (
            ("cases", draw_cases(table, done, cases, root, load)),
            ("curves", draw_curves(table, done, root)),
        ):
            figure.suptitle(f"{table.title}: {_subject(done)}", fontsize=11)
            path = into / "figures" / figure_name(kind, scheme, schemes)
            buffer = io.BytesIO()
            figure.savefig(buffer, dpi=_DPI, format="png", metadata={"Software": None})
            write_bytes(path, buffer.getvalue())
            written.append(path)
    return written


def draw_cases(
    table: Table, done: pd.DataFrame, cases: pd.DataFrame, root: Path, load: Load
) -> Figure:
    """Draw the best, the median and the worst test case with the prediction of every row.

    Cases are ranked by the mean over rows of their mean Dice at the last step; only cases that
    every finished row was tested on take part. Shown is the slice with the largest reference.

    Args:
        table: rows and classes.
        done: finished runs of one split scheme, by fold and seed.
        cases: ``cases.csv``.
        root: the folder with the run directories.
        load: reads image, reference and scribble of a case.
    """
    scores = _scores(table, done, cases)
    ranked = scores.dropna(axis="columns", how="any").mean().sort_values(kind="stable")
    picked = (
        {"worst": 0, "median": len(ranked) // 2, "best": len(ranked) - 1} if len(ranked) else {}
    )
    chosen = {name: str(ranked.index[index]) for name, index in reversed(picked.items())}
    panels = 3 + len(table.rows)
    lines = -(-panels // _PER_LINE)
    columns = -(-panels // lines)
    height = max(len(chosen), 1) * (lines * 2.3 + 0.35) + 0.9
    figure = Figure(figsize=(columns * 1.9, height), layout="constrained")
    blocks = figure.subfigures(max(len(chosen), 1), 1, squeeze=False).ravel()
    for block, (name, case) in zip(blocks, chosen.items(), strict=False):
        block.suptitle(f"{name} case: {case}, mean Dice over rows {ranked[case]:.3f}", fontsize=10)
        axes = block.subplots(lines, columns, squeeze=False).ravel()
        _draw_case(axes, table, _predictions(table, done, cases, root, case), load(case))
        for row, ax in zip(table.rows, axes[3:], strict=False):
            value = scores[case].get(row.label, float("nan"))
            ax.set_xlabel(f"volume Dice {value:.3f}" if value == value else NOTHING, fontsize=9)
    _legend(figure, table.classes)
    return figure


def draw_curves(table: Table, done: pd.DataFrame, root: Path) -> Figure:
    """Draw mean validation Dice of all rows in one panel, and each row's training loss below.

    Curves are means over folds and seeds. The losses of different rows are different sums of
    terms, so each has a scale of its own.
    """
    curves = [
        (index, row.label, _curve(done[done["row"] == row.label], root))
        for index, row in enumerate(table.rows)
        if (done["row"] == row.label).any()
    ]
    columns = 3
    lines = -(-max(len(curves), 1) // columns)
    figure = Figure(figsize=(10, 4.2 + 1.55 * lines), layout="constrained")
    ratios = (3.9, 1.55 * lines + 0.3)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=ratios).ravel()
    top = above.subplots()
    panels = below.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    for panel, (index, label, curve) in zip(panels, curves, strict=False):
        colour = colormaps["tab10"](index % 10)
        dice, loss = _mean(curve, "val", "dice"), _mean(curve, "train", "loss")
        style = _LINES[index % len(_LINES)]
        top.plot(dice.index, dice, style, color=colour, marker="o", ms=3, lw=1.8, label=label)
        panel.plot(loss.index, loss, color=colour, lw=1.5, marker="o", ms=2)
        panel.set_title(label, fontsize=9, color=colour)
        panel.tick_params(labelsize=8)
    for lowest in panels[max(len(curves) - columns, 0) : len(curves)]:
        lowest.tick_params(labelbottom=True)
    for spare in panels[len(curves) :]:
        spare.set_axis_off()
    for ax in (top, *panels):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    top.set(xlabel="step", ylabel="mean Dice, validation patients")
    if curves:
        top.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    below.suptitle("training loss (each row its own scale) against step", fontsize=10)
    return figure


def _subject(done: pd.DataFrame) -> str:
    first = done.iloc[0]
    data = "PHANTOM data" if first["data"] == "phantom" else f"{first['data']} data"
    folds = ", ".join(str(int(fold)) for fold in sorted(done["fold"].unique()))
    return f"{data}, profile {first['profile']}, split {first['scheme']}, folds {folds}"


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
    table: Table, done: pd.DataFrame, cases: pd.DataFrame, root: Path, case: str
) -> dict[str, Array | None]:
    """Read every row's prediction of a case: integer [D, H, W], None where there is no file."""
    testing = cases[(cases["case"] == case) & (cases["split"] == "test")]["run"].unique()
    found: dict[str, Array | None] = {}
    for row in table.rows:
        runs = done.loc[(done["row"] == row.label) & done["run"].isin(testing), "run"]
        files = [root / run / "predictions" / f"{case}.nii.gz" for run in runs]
        present = [file for file in files if file.is_file()]
        found[row.label] = nifti.read(present[0]).array if present else None
    return found


def _draw_case(
    axes: Sequence[Axes],
    table: Table,
    predictions: dict[str, Array | None],
    volumes: tuple[Array, Array, Array],
) -> None:
    image, reference, scribble = volumes
    at = int(np.argmax((reference > 0).sum(axis=(1, 2))))
    window = _window(reference[at])
    grey = _grey(image[at][window])
    outline = reference[at][window]
    classes = len(table.classes)
    _panel(axes[0], "image", grey)
    _panel(axes[1], "scribble", _strokes(grey, scribble[at][window], classes))
    _panel(axes[2], "reference", _overlay(grey, outline, classes))
    for ax, (label, prediction) in zip(axes[3:], predictions.items(), strict=False):
        if prediction is None:
            _panel(ax, label, np.full_like(grey, 0.93))
            continue
        if prediction.shape != reference.shape:
            raise ValueError(
                f"{label}: prediction {prediction.shape} does not fit the reference "
                f"{reference.shape}; the run belongs to other data"
            )
        _panel(ax, label, _overlay(grey, prediction[at][window], classes))
        for value in range(1, classes + 1):
            if (outline == value).any():
                ax.contour(outline == value, levels=[0.5], colors="white", linewidths=0.7)
    for ax in axes[3 + len(predictions) :]:
        ax.set_axis_off()


def _panel(ax: Axes, title: str, picture: Array) -> None:
    ax.imshow(picture, interpolation="nearest")
    ax.set_title(textwrap.fill(title, 24), fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _window(reference: Array) -> tuple[slice, slice]:
    """Return the square around the reference [H, W] with a margin; all of it where it is empty."""
    rows, columns = np.nonzero(reference)
    if not len(rows):
        return slice(None), slice(None)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    half = int(np.ceil(side * (0.5 + _MARGIN)))
    middle = ((rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2)
    first = [max(0, int(m) - half) for m in middle]
    last = [min(size, int(m) + half + 1) for m, size in zip(middle, reference.shape, strict=True)]
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


def _curve(runs: pd.DataFrame, root: Path) -> pd.DataFrame:
    files = [root / run / "curve.csv" for run in runs["run"]]
    frames = [read_csv(file) for file in files if file.is_file()]
    return pd.concat(frames) if frames else pd.DataFrame(columns=["step", "split", "quantity"])


def _mean(curve: pd.DataFrame, split: str, quantity: str) -> pd.Series:
    chosen = curve[(curve["split"] == split) & (curve["quantity"] == quantity)]
    if not len(chosen):
        return pd.Series(dtype=float)
    return chosen.groupby("step")["value"].mean()
