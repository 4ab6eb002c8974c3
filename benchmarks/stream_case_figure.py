"""The figure of one case of a stream, round by round: drawn slices, proxy, prediction, residual."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from weakseg.metrics import dice

Array: TypeAlias = NDArray[Any]

_DRAWN: Final = "#ffc531"
_MASK: Final = "#4aa8ff"
_RESIDUAL: Final = "#ff5a4d"
_VIEWS: Final = {"slice": 0, "across": 1}
"""Name of a view and the axis that it looks along: z, then y."""


class Round(NamedTuple):
    """What a round left, each [D, H, W]: drawn voxels, and proxy, prediction, residual in [0, 1].

    ``residual`` is what guided the user to the round's slices, NaN where nothing did.
    """

    drawn: Array
    proxy: Array
    prediction: Array
    residual: Array


def read_rounds(path: Path) -> tuple[Array, Array, list[Round]]:
    """Return image [D, H, W], reference [D, H, W] and the rounds of a ``case.npz``.

    Raises:
        ValueError: the file lacks an array.
    """
    with np.load(path) as kept:
        arrays: Mapping[str, Array] = dict(kept)
    count = sum(name.startswith("drawn_") for name in arrays)
    try:
        rounds = [
            Round(*(arrays[f"{name}_{number}"] for name in Round._fields))
            for number in range(1, count + 1)
        ]
        return arrays["image"][0], arrays["reference"], rounds
    except KeyError as error:
        raise ValueError(f"{path}: no array {error}; compute the run again") from error


def draw_case(path: Path, row: str) -> Figure:
    """Draw the ``case.npz`` of a row, a line a round, in the plane of the slices and across them.

    Shown are the two planes that hold most of the reference, which is outlined in white. Drawn
    slices are marked in yellow.
    """
    image, reference, rounds = read_rounds(path)
    names = ("drawn", "front end", "network after", "residual before")
    columns = len(names) * len(_VIEWS)
    figure = Figure(figsize=(1.5 * columns, 1.6 * len(rounds) + 0.9), layout="constrained")
    axes = figure.subplots(len(rounds), columns, squeeze=False)
    for number, (line, done) in enumerate(zip(axes, rounds, strict=True), start=1):
        scores = (
            "",
            *(f"Dice {dice(m > 0.5, reference):.3f}" for m in (done.proxy, done.prediction)),
        )
        for place, (view, axis) in enumerate(_VIEWS.items()):
            part = line[place * len(names) : (place + 1) * len(names)]
            _view(part, axis, image, reference, done)
            for ax, name, score in zip(part, names, (*scores, ""), strict=True):
                if number == 1:
                    ax.set_title(f"{name}, {view}", fontsize=8)
                if not place:
                    ax.set_xlabel(score, fontsize=8)
        line[0].set_ylabel(f"round {number}", fontsize=9)
    figure.supylabel(row, fontsize=10)
    return figure


def _view(axes: Array, axis: int, image: Array, reference: Array, done: Round) -> None:
    """Draw the four panels of a round in the plane along ``axis`` with most of the reference."""
    others = tuple(other for other in range(3) if other != axis)
    at = int(np.argmax(reference.sum(axis=others)))
    grey, outline = _grey(image.take(at, axis)), reference.take(at, axis)
    drawn, proxy, prediction, residual = (part.take(at, axis) for part in done)
    known = np.nan_to_num(residual)
    painted = (
        _painted(grey, 0.5 * drawn, _DRAWN),
        _painted(grey, 0.6 * proxy, _MASK),
        _painted(grey, 0.6 * prediction, _MASK),
        _painted(grey, known, _RESIDUAL),
    )
    for ax, picture in zip(axes, painted, strict=True):
        _panel(ax, picture, outline)


def _panel(ax: Axes, picture: Array, outline: Array) -> None:
    ax.imshow(picture, interpolation="nearest", aspect="auto")
    if outline.any() and not outline.all():
        ax.contour(outline, levels=[0.5], colors="white", linewidths=0.7)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _grey(plane: Array) -> Array:
    low, high = np.percentile(plane, (0.5, 99.5))
    scaled: Array = np.clip((plane.astype(np.float64) - low) / max(high - low, 1e-9), 0, 1)
    return np.repeat(scaled[..., None], 3, axis=-1)


def _painted(grey: Array, share: Array, colour: str) -> Array:
    """Return a picture with a colour laid over it, as opaque as ``share`` [H, W] says."""
    opaque = np.clip(share.astype(np.float64), 0, 1)[..., None]
    painted: Array = (1 - opaque) * grey + opaque * np.asarray(to_rgb(colour))
    return painted
