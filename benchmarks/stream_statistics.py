"""Scores of streams: what is learnt and forgotten, and what the user gives for it.

Functions take lines of ``positions.csv`` or ``rounds.csv`` of one row, of any number of runs, and
change nothing. Where they return one value per line, :func:`by_case` averages over the runs.
Scores are soft Dice unless said otherwise (spec of the released code, Sec. 1.4 and 1.6).
"""

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import trapezoid

Series: TypeAlias = "pd.Series[float]"
Measure = Literal["boundary", "slices", "actions", "contour_mm", "seconds"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
"""What the effort of a user is counted in; boundary pixels are the released code's measure."""

_STEPS: Final = 200
_ROUNDING: Final = 1e-9  # of a share that a round has just paid for


class Reach(NamedTuple):
    """Mean number of slices until a Dice is reached, cases, and the share that never reach it."""

    slices: float
    cases: int
    failures: float


def prequential(positions: pd.DataFrame) -> Series:
    """Return Dice of each case by the network before it learnt anything of it."""
    return positions["pre"]


def forgetting(positions: pd.DataFrame) -> Series:
    """Return the best Dice of a case since it was learnt, less that at the end.

    The last case of a stream has had no time to be forgotten and is left out.
    """
    earlier = _but_last(positions)
    return earlier[["post", "best"]].max(axis="columns") - earlier["last"]


def backward_transfer(positions: pd.DataFrame) -> Series:
    """Return Dice of a case at the end, less that just after it was learnt; not for the last."""
    earlier = _but_last(positions)
    return earlier["last"] - earlier["post"]


def forward_transfer(positions: pd.DataFrame) -> Series:
    """Return Dice before a case was learnt, less that of the first network; not for the first."""
    later = positions[positions["position"] > 1]
    return later["pre"] - later["initial"]


def _but_last(positions: pd.DataFrame) -> pd.DataFrame:
    last = positions.groupby("run")["position"].transform("max")
    return positions[positions["position"] < last]


def by_case(positions: pd.DataFrame, values: Series) -> Series:
    """Average values of lines over the runs of each case; cases without a value are left out.

    Returns:
        Indexed by ``patient``, as intervals want it. Cases of a stream stand for patients.
    """
    cases = positions.loc[values.index, "case"].rename("patient")
    return values.groupby(cases).mean().dropna()


def curve(positions: pd.DataFrame, score: Literal["soft", "hard"]) -> Series:
    """Return mean test Dice by position, runs averaged; positions without evaluation left out."""
    return positions.groupby("position")[f"test_{score}"].mean().dropna()


def running_mean(values: Series, window: int) -> Series:
    """Return the mean over the last ``window`` values, from the first place that has as many.

    Example:
        >>> running_mean(pd.Series([1.0, 2.0, 4.0], index=[1, 2, 3]), 2).to_dict()
        {2: 1.5, 3: 3.0}
    """
    return values.rolling(window).mean().dropna()


def area(values: Series) -> float:
    """Return the area under a curve by trapezoids over its span: its mean height.

    NaN without a value; a single value is its own mean.

    Example:
        >>> area(pd.Series([0.0, 1.0, 1.0], index=[1, 2, 4]))
        0.8333333333333334
    """
    places, heights = values.index.to_numpy(float), values.to_numpy(float)
    if len(places) < 2:
        return float(heights.mean()) if len(places) else float("nan")
    return float(trapezoid(heights, places) / (places[-1] - places[0]))


def spent(positions: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Return what the user gave to each case, and what drawing all its axial slices would take.

    Returns:
        Columns ``spent`` and ``full``, runs averaged, indexed by ``patient``.
    """
    own = "user_seconds" if measure == "seconds" else measure
    both = positions[["case", own, f"full_{measure}"]]
    both = both.set_axis(["patient", "spent", "full"], axis=1)
    return both.groupby("patient").mean().dropna()


_SLICES: Final = ["run", "position", "full_slices"]


def slices_to(positions: pd.DataFrame, rounds: pd.DataFrame, target: float) -> Reach:
    """Return how many slices the user drew until the front-end mask had a hard Dice of ``target``.

    NoS@target of interactive segmentation: a case that never gets there is a failure and counts
    with all its axial slices, so that giving up early is no gain.
    """
    slices, failed = [], 0
    every = {(run, at): n for run, at, n in positions[_SLICES].itertuples(index=False)}
    for (run, at), case in rounds.sort_values("round").groupby(["run", "position"]):
        reached = case[case["front"] >= target]["slices"]
        failed += reached.empty
        most = max(every.get((run, at), 0), case["slices"].max())
        slices.append(float(most if reached.empty else reached.iloc[0]))
    if not slices:
        return Reach(float("nan"), 0, float("nan"))
    return Reach(float(np.mean(slices)), len(slices), failed / len(slices))


def dice_at(
    positions: pd.DataFrame, rounds: pd.DataFrame, shares: NDArray[np.float64]
) -> pd.DataFrame:
    """Return hard Dice of the mask a user holds after a share of the boundary was drawn.

    Before the first round the mask is the network's prediction; then it is the front end's of the
    last round that the share pays for. Shares are of the boundary pixels of all axial slices.

    Args:
        positions: lines of a row.
        rounds: lines of the same runs.
        shares: ascending, from 0.

    Returns:
        One line per run and case, one column per share.
    """
    paid = rounds.sort_values("round").groupby(["run", "position"])
    lines = {}
    for index, case in positions.iterrows():
        if (case["run"], case["position"]) not in paid.groups:
            continue
        drawn = paid.get_group((case["run"], case["position"]))
        costs = np.append(0.0, drawn["boundary"] / max(case["full_boundary"], 1.0))
        heights = np.append(case["pre_hard"], drawn["front"])
        lines[index] = heights[np.searchsorted(costs, shares + _ROUNDING, side="right") - 1]
    return pd.DataFrame.from_dict(lines, orient="index", columns=shares)


def effort_area(positions: pd.DataFrame, rounds: pd.DataFrame) -> Series:
    """Return the area under :func:`dice_at` from a share of 0 to 1, of each line.

    1 is a perfect mask that costs nothing, 0 one that is empty until all is drawn.
    """
    middles = (np.arange(_STEPS) + 0.5) / _STEPS
    return dice_at(positions, rounds, middles).mean(axis="columns", skipna=False)
