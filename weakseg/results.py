"""Files of results: fixed columns, atomic writing, equal bytes for equal values.

One line holds one measured quantity (or, per case, the scores of one class); no unit or sign
stands inside a value. Columns are fixed here and checked on writing and reading.
"""

import contextlib
import io
import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pandas as pd

Selection = Literal["last", "best-val", "best-test"]
"""Whose weights are scored: those of the last step, or of the best one on a split."""

METRICS: Final = ("dice", "hd95", "hd95_max", "assd")
"""Scores of a case; distances in mm."""

COUNTS: Final = ("missed", "spurious")
"""0 or 1 per case and class: only the reference, or only the prediction, holds the class."""

RUN_CASES: Final = ("selection", "split", "case", "patient", "group", "class", *METRICS, *COUNTS)
"""``values.csv`` of a run directory: one line per selection, case and class."""

CURVE: Final = ("step", "split", "quantity", "value")
"""``curve.csv`` of a run directory: quantities logged during training."""

RUNS: Final = (
    *("run", "row", "scheme", "fold", "seed", "profile", "data", "content", "commit", "torch"),
    *("lightning", "device", "threads", "precision", "steps", "seconds", "status"),
)
"""``runs.csv`` of a results folder: one line per run, finished or not."""

CASES: Final = ("run", *RUN_CASES)
"""``cases.csv`` of a results folder: the per-case lines of all its runs."""

CURVES: Final = ("run", *CURVE)
"""``curves.csv`` of a results folder: the learning curves of all its runs."""

VALUES: Final = ("run", "selection", "split", "class", "metric", "value", "sd", "n")
"""``values.csv`` of a results folder: mean, sample standard deviation and number of cases."""

SPENT: Final = ("boundary", "slices", "actions", "contour_mm", "user_seconds")
"""What a user gave to a case: boundary pixels, slices, actions, mm of contour, seconds."""

FULL_COST: Final = tuple(f"full_{name.removeprefix('user_')}" for name in SPENT)
"""The same of drawing the object in every axial slice."""

POSITIONS: Final = (
    *("position", "case", "initial", "pre", "post", "best", "last", "pre_hard", "proxy"),
    *("test_soft", "test_hard", "rounds", *SPENT, *FULL_COST),
    *("learn_seconds", "round_seconds", "memory_mb"),
)
"""``positions.csv`` of a stream's run directory: one line per case of the stream, from 1.

Soft Dice of the case by the first network (``initial``), by the one before the case (``pre``),
after it (``post``), the best later one before the end (``best``) and the last one (``last``); hard
Dice of ``pre`` and of the last front-end mask (``proxy``); mean over the test cases after the
position (``test_*``, empty where not evaluated); what the user spent, and what drawing every axial
slice would take (``full_*``); seconds of learning and of proposing and propagating; peak MB.
"""

ROUNDS: Final = (
    *("position", "round", "case", "front", "back", "agreement", "residual", *SPENT),
    *("pairs", "folding", "fallbacks", "round_seconds", "learn_seconds"),
)
"""``rounds.csv`` of a stream's run directory: one line per round of a case, both from 1.

Hard Dice of the front-end mask and of the network before it learns in the round, their agreement,
the mean |p - b|; what the user had spent on the case by then; registered pairs, mean share of
folded pixels, number of slices that fell back to a simpler propagation.
"""

WINDOWS: Final = ("end", "case", "patient", "soft", "hard")
"""``windows.csv`` of a stream's run directory: mean Dice of a test case over the positions of the
window that ends at ``end``."""

ALL_POSITIONS: Final = ("run", *POSITIONS)
"""``positions.csv`` of a results folder: the positions of all its runs."""

ALL_ROUNDS: Final = ("run", *ROUNDS)
"""``rounds.csv`` of a results folder: the rounds of all its runs."""

ALL_WINDOWS: Final = ("run", *WINDOWS)
"""``windows.csv`` of a results folder: the windows of all its runs."""

_SCHEMAS: Final = (
    *(RUN_CASES, CURVE, RUNS, CASES, CURVES, VALUES),
    *(POSITIONS, ROUNDS, WINDOWS, ALL_POSITIONS, ALL_ROUNDS, ALL_WINDOWS),
)
_NUMBERS: Final = (
    {"fold", "seed", "threads", "steps", "seconds", "step", "value", "sd", "n", *METRICS, *COUNTS}
    | {*POSITIONS, *ROUNDS, *WINDOWS}
) - {"case", "patient"}


class Group(NamedTuple):
    """Mean, sample standard deviation (n - 1 in the denominator; NaN for n < 2) and size."""

    value: float
    sd: float
    n: int


def summarise(scores: Iterable[float]) -> Group:
    """Return mean, sample standard deviation and number of the scores that are not NaN.

    Example:
        >>> summarise([1.0, 3.0, float("nan")])
        Group(value=2.0, sd=1.4142135623730951, n=2)
    """
    counted = [float(score) for score in scores if not math.isnan(score)]
    return pool(Group(score, math.nan, 1) for score in counted)


def pool(groups: Iterable[Group]) -> Group:
    """Merge groups of cases into the mean and standard deviation of all their cases, exactly.

    The squared deviations of the union are those within each group plus n_i (m_i - m)^2 between
    them. Groups of no case count for nothing; without any case the result is (NaN, NaN, 0).

    Example:
        >>> pool([Group(2.0, 2.0**0.5, 2), Group(5.0, float("nan"), 1)])
        Group(value=3.0, sd=2.0, n=3)
    """
    counted = [group for group in groups if group.n > 0]
    n = sum(group.n for group in counted)
    if n == 0:
        return Group(math.nan, math.nan, 0)
    mean = math.fsum(group.n * group.value for group in counted) / n
    within = math.fsum((group.n - 1) * group.sd**2 for group in counted if group.n > 1)
    between = math.fsum(group.n * (group.value - mean) ** 2 for group in counted)
    sd = math.sqrt((within + between) / (n - 1)) if n > 1 else math.nan
    return Group(mean, sd, n)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame of one of the fixed schemas, sorted, six significant digits, atomically.

    Args:
        path: the file; its folder is made where it is missing.
        frame: the columns of one of the schemas above, in any order.

    Raises:
        ValueError: the columns belong to no schema.
    """
    write_text(path, _to_text(frame, str(path)))


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of one of the fixed schemas as it would be read after it was written."""
    return _read(_to_text(frame, "the frame"), "the frame")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a file of one of the fixed schemas; names stay text, empty numbers become NaN.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the columns belong to no schema (a file of another version, or a damaged one).
    """
    return _read(path.read_text(encoding="utf-8"), str(path))


def _to_text(frame: pd.DataFrame, where: str) -> str:
    columns = _schema(frame.columns, where)
    ordered = frame[columns].sort_values(columns, kind="stable", na_position="last")
    return str(ordered.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _read(content: str, where: str) -> pd.DataFrame:
    columns = _schema(pd.read_csv(io.StringIO(content), nrows=0).columns, where)
    text = [column for column in columns if column not in _NUMBERS]
    return pd.read_csv(
        io.StringIO(content),
        dtype=dict.fromkeys(text, "object"),
        keep_default_na=False,
        na_values={column: [""] for column in columns if column in _NUMBERS},
    )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is, at any moment, the old one or the new one.

    The content goes to a temporary file beside ``path``, reaches the disk, and takes the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _schema(columns: Iterable[str], where: str) -> list[str]:
    found = list(columns)
    for schema in _SCHEMAS:
        if sorted(schema) == sorted(found):
            return list(schema)
    nearest = max(_SCHEMAS, key=lambda schema: len(set(schema) & set(found)))
    missing = sorted(set(nearest) - set(found))
    unknown = sorted(set(found) - set(nearest))
    raise ValueError(
        f"{where}: these columns are no results schema of this version; nearest is "
        f"{','.join(nearest)} (missing {missing}, unknown {unknown})"
    )
