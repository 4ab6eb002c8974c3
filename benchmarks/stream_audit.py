"""Check the further files of a table of streams against each other and against the runs."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import pandas as pd

from benchmarks.collect import DONE
from weakseg.results import SPENT

Found = tuple[Literal["error"], str]

_SHARES: Final = {
    "positions": (
        *("initial", "pre", "post", "best", "last", "pre_hard", "proxy", "test_soft", "test_hard"),
    ),
    "rounds": ("front", "back", "agreement", "residual", "folding"),
    "windows": ("soft", "hard"),
}
_ROUNDING: Final = 2e-6  # six digits are written


def stream_findings(frames: Mapping[str, pd.DataFrame]) -> Iterator[Found]:
    """Yield what is wrong in ``positions``, ``rounds`` and ``windows`` of a results folder.

    Args:
        frames: these, ``runs`` and ``cases``.
    """
    runs, positions, rounds = (frames[name] for name in ("runs", "positions", "rounds"))
    done = runs[runs["status"] == DONE]
    for name, columns in _SHARES.items():
        yield from _of_done(name, frames[name], set(done["run"]))
        outside = (frames[name][list(columns)] < 0) | (frames[name][list(columns)] > 1)
        for run in frames[name].loc[outside.any(axis="columns"), "run"].unique():
            yield "error", f"{name}.csv, run {run}: a share outside 0 to 1"
    for run in sorted(set(done["run"]) - set(positions["run"])):
        yield "error", f"run {run} is done and has no positions"
    ordered = positions.sort_values("position").groupby("run")["position"].agg(list)
    for run, found in ordered.to_dict().items():
        if found != list(range(1, len(found) + 1)):
            yield "error", f"run {run}: its positions are not 1 to {len(found)}, each once"
    yield from _same_stream(positions.merge(done[["run", "seed"]], on="run"))
    yield from _disjoint(positions, frames["cases"])
    yield from _last_rounds(positions, rounds)
    yield from _last_windows(frames["cases"], frames["windows"])


def _of_done(name: str, lines: pd.DataFrame, done: set[str]) -> Iterator[Found]:
    for run in sorted(set(lines["run"]) - done):
        yield "error", f"{name}.csv holds run {run}, which is not done"


def _same_stream(positions: pd.DataFrame) -> Iterator[Found]:
    """All runs stream the same cases, and those of one seed in the same order."""
    sets = positions.groupby("run")["case"].agg(frozenset)
    if sets.nunique() > 1:
        yield "error", "the runs have different cases on their streams"
    ordered = positions.sort_values("position").groupby(["seed", "run"])["case"].agg(tuple)
    for seed, orders in ordered.groupby(level="seed"):
        if orders.nunique() > 1:
            yield "error", f"the runs of seed {seed} have different orders of arrival"


def _disjoint(positions: pd.DataFrame, cases: pd.DataFrame) -> Iterator[Found]:
    both = set(positions["case"]) & set(cases["case"])
    if both:
        yield "error", f"{sorted(both)} are on the stream and in the test set"


def _last_rounds(positions: pd.DataFrame, rounds: pd.DataFrame) -> Iterator[Found]:
    """Effort never falls within a case, and a position repeats what its last round says."""
    keys = ["run", "position"]
    ordered = rounds.sort_values("round")
    fell = ordered.groupby(keys)[list(SPENT)].diff().lt(0).any(axis="columns")
    for line in ordered[fell].itertuples():
        yield "error", f"run {line.run}, position {line.position}: effort falls in a round"
    last = ordered.groupby(keys).tail(1).rename(columns={"front": "proxy", "round": "rounds"})
    names = ["case", "proxy", "rounds", *SPENT]
    both = positions.merge(last[[*keys, *names]], on=keys, suffixes=("", " of round"))
    for name in names:
        for line in both[_differ(both[name], both[f"{name} of round"])].itertuples():
            where = f"run {line.run}, position {line.position}"
            yield "error", f"{where}: {name} is not that of its last round"


def _last_windows(cases: pd.DataFrame, windows: pd.DataFrame) -> Iterator[Found]:
    """The headline Dice of a test case is its mean over the last window."""
    last = windows[windows["end"] == windows.groupby("run")["end"].transform("max")]
    keys = ["run", "case", "patient"]
    both = cases.merge(last, on=keys, how="left")
    for line in both[_differ(both["dice"], both["hard"])].itertuples():
        yield "error", f"run {line.run}, {line.case}: Dice is not that of its last window"


def _differ(one: "pd.Series[float]", other: "pd.Series[float]") -> "pd.Series[bool]":
    """Tell where values differ beyond rounding; text by itself, two unknown numbers are alike."""
    if one.dtype == object:
        return one != other
    close = (one - other).abs() <= _ROUNDING * (1 + one.abs())
    return ~(close | (one.isna() & other.isna()))
