"""Scores per test case, seeds averaged: what cells, intervals and tests are computed from."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from benchmarks.collect import DONE, case_means
from weakseg.results import COUNTS, METRICS, Selection

CASE: Final = ("row", "fold", "patient", "case")
"""Levels of the index of scores."""

_DISTANCES: Final = tuple(metric for metric in METRICS if metric != "dice")


def per_case(runs: pd.DataFrame, cases: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """Return the scores of all rows' test cases, averaged over the seeds that scored a case.

    Class "mean" is the mean over the classes that a case counts, class "all" the sum of counts.
    A distance is averaged only where every seed has one, so that a structure missed by one seed
    cannot improve it; Dice is averaged over the seeds in which the class is counted.

    Args:
        runs: ``runs.csv`` of one split scheme; runs that are not done count for nothing.
        cases: ``cases.csv``.
        selection: the checkpoint.

    Returns:
        Index ``CASE``, columns (metric, class); NaN where a quantity is undefined.
    """
    done = runs.loc[runs["status"] == DONE, ["run", "row", "fold"]]
    tested = cases[(cases["split"] == "test") & (cases["selection"] == selection)]
    tested = tested.merge(done, on="run")
    key = ["run", *CASE]
    scores = tested.pivot(index=key, columns="class", values=[*METRICS, *COUNTS])
    means = case_means(tested, key).reindex(scores.index)
    sums = tested.groupby(key)[list(COUNTS)].sum()
    for name, frame in (("mean", means), ("all", sums)):
        for metric in frame:
            scores[(metric, name)] = frame[metric]
    return _over_seeds(scores)


def _over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    grouped = scores.groupby(level=list(CASE))
    means = grouped.mean()
    whole = grouped.count().eq(grouped.size(), axis=0)
    lenient = ~means.columns.get_level_values(0).isin(_DISTANCES)
    return means.where(whole | lenient)


def of_row(scores: pd.DataFrame, row: str, metric: str, cls: str) -> "pd.Series[float]":
    """Return a quantity of one row, indexed by fold, patient and case; empty where none is."""
    if (metric, cls) not in scores:
        return scores.iloc[:0].sum(axis="columns").droplevel(0)
    column = scores[(metric, cls)].astype(float)
    return column[column.index.get_level_values("row") == row].droplevel(0)


def by_patient(scores: pd.DataFrame, rows: Sequence[str]) -> pd.DataFrame:
    """Return mean Dice, averaged within a patient and fold: one column per row."""
    columns = {row: of_row(scores, row, "dice", "mean") for row in rows}
    return pd.DataFrame(
        {row: column.groupby(level=["fold", "patient"]).mean() for row, column in columns.items()}
    )


def finished(runs: pd.DataFrame, rows: Sequence[str]) -> list[str]:
    """Return the rows with a finished run."""
    done = set(runs.loc[runs["status"] == DONE, "row"])
    return [row for row in rows if row in done]


def complete(runs: pd.DataFrame, rows: Sequence[str]) -> list[str]:
    """Return the rows that finished every run they have, and have every fold of the scheme."""
    folds = set(runs["fold"].dropna())
    found = []
    for row in rows:
        mine = runs[runs["row"] == row]
        if len(mine) and (mine["status"] == DONE).all() and set(mine["fold"]) == folds:
            found.append(row)
    return found
