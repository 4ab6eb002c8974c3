"""Intervals, paired tests and mean ranks, all over patients.

The independent unit is the patient: the frames of one patient are two cases of one heart, and
several seeds score the same cases. All functions are deterministic.
"""

import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from weakseg.seeding import generator

LEVEL: Final = 0.95
RESAMPLES: Final = 1999
FEWEST: Final = 5
"""Patients below which no interval is given."""

_DECIMALS: Final = 9  # differences that agree to here are ties, whatever rounding left of them


class Interval(NamedTuple):
    """Limits that hold the mean with a confidence of ``LEVEL``."""

    low: float
    high: float


class Paired(NamedTuple):
    """Outcome of a paired test: patients, median difference, p, and p after Holm's correction."""

    n: int
    median: float
    p: float
    adjusted: float = math.nan


class Ranks(NamedTuple):
    """Mean ranks over patients (1 is best), Friedman's p, and Nemenyi's critical difference."""

    mean: "pd.Series[float]"
    patients: int
    p: float
    critical: float


def interval(values: "pd.Series[float]") -> Interval | None:
    """Return the bias-corrected and accelerated bootstrap interval of a mean over cases.

    Patients are drawn with replacement together with all their cases (Efron, JASA 1987), so that
    the mean of a resample is its sum over its number of cases. Where the correction is undefined,
    as for equal values, the interval is that of the percentiles.

    Args:
        values: one per case, with a level ``patient`` in the index; NaN counts for nothing.

    Returns:
        None with fewer than ``FEWEST`` patients.
    """
    by_patient = values.dropna().groupby(level="patient")
    sums, counts = by_patient.sum(), by_patient.size()
    if len(sums) < FEWEST:
        return None
    return _bootstrap(tuple(sums), tuple(counts))


def ratio_interval(parts: "pd.Series[float]", wholes: "pd.Series[float]") -> Interval | None:
    """Return the interval of sum(parts) / sum(wholes), patients drawn as in :func:`interval`.

    Args:
        parts: one value per patient.
        wholes: of the same patients, in the same order.

    Returns:
        None with fewer than ``FEWEST`` patients.
    """
    return _bootstrap(tuple(parts), tuple(wholes)) if len(parts) >= FEWEST else None


@cache
def _bootstrap(sums: tuple[float, ...], counts: tuple[int, ...]) -> Interval:
    for method in ("BCa", "percentile"):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            found = stats.bootstrap(
                (sums, counts), _mean, paired=True, vectorized=True, n_resamples=RESAMPLES,
                confidence_level=LEVEL, method=method, rng=generator("interval", len(sums)),
            ).confidence_interval  # fmt: skip
        if not (math.isnan(found.low) or math.isnan(found.high)):
            break
    return Interval(float(found.low), float(found.high))


def _mean(sums: NDArray[Any], counts: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    return np.asarray(sums.sum(axis=axis) / counts.sum(axis=axis))


def paired(one: "pd.Series[float]", other: "pd.Series[float]") -> Paired:
    """Compare two rows by Wilcoxon's signed-rank test over patients, two-sided.

    Differences ``one - other`` are taken where both have a value, and averaged within a patient.
    Zero differences keep their ranks (Pratt, JASA 1959). The p-value is exact or by permutation for
    few patients, normal otherwise (scipy's "auto"). It is NaN without a patient, and 1 where
    all differences are zero.

    Args:
        one: one value per case, with a level ``patient`` in the index.
        other: the same of another row; indexes are matched.
    """
    differences = (one - other).dropna().groupby(level="patient").mean().round(_DECIMALS)
    if not len(differences):
        return Paired(0, math.nan, math.nan)
    p = 1.0
    if differences.any():
        p = float(stats.wilcoxon(differences.to_numpy(), zero_method="pratt").pvalue)
    return Paired(len(differences), float(differences.median()), p)


def holm(values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, Scandinavian Journal of Statistics 1979).

    The k-th smallest of m is multiplied by m - k + 1, and is no smaller than the one before it.
    NaN is no test and stays NaN.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.5])]
        [0.04, 0.09, 0.09, 0.5]
    """
    adjusted = [math.nan] * len(values)
    order = sorted((p, i) for i, p in enumerate(values) if not math.isnan(p))
    largest = 0.0
    for k, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - k)))
        adjusted[i] = largest
    return adjusted


def correct(tests: Sequence[Paired]) -> list[Paired]:
    """Return the tests of one comparison with their p-values corrected by Holm."""
    adjusted = holm([test.p for test in tests])
    return [test._replace(adjusted=p) for test, p in zip(tests, adjusted, strict=True)]


def ranks(scores: pd.DataFrame) -> Ranks | None:
    """Rank rows within every patient and average (Demšar, JMLR 2006).

    Patients without a score in some row are left out; ties share their mean rank. Two rows differ
    at 5 % where their mean ranks are further apart than q sqrt(k (k + 1) / (6 n)), for k rows and
    n patients, where q is from the studentised range over sqrt(2) (Nemenyi). p is Friedman's,
    NaN for two rows, where it is not defined.

    Args:
        scores: higher is better; one line per patient, one column per row.

    Returns:
        None where fewer than two rows or two patients can be ranked.
    """
    complete = scores.dropna().round(_DECIMALS)
    n, k = complete.shape
    if n < 2 or k < 2:
        return None
    mean = complete.rank(axis="columns", ascending=False).mean()
    p = math.nan
    if k > 2 and (complete.nunique(axis="columns") > 1).any():
        p = float(stats.friedmanchisquare(*(complete[c] for c in complete)).pvalue)
    q = stats.studentized_range.ppf(LEVEL, k, np.inf) / math.sqrt(2)
    return Ranks(mean, n, p, float(q * math.sqrt(k * (k + 1) / (6 * n))))


def cliques(mean: Sequence[float], critical: float) -> list[tuple[float, float]]:
    """Return the longest spans of mean ranks, of two rows or more, within the critical difference.

    Example:
        >>> cliques([1.0, 1.4, 2.1, 4.0], 1.2)
        [(1.0, 2.1)]
        >>> cliques([1.5, 1.5], 0.1)
        [(1.5, 1.5)]
    """
    ordered = sorted(mean)
    spans: list[tuple[float, float]] = []
    reached = 0
    for place, first in enumerate(ordered):
        last = max(i for i, other in enumerate(ordered) if other - first <= critical)
        if last > place and (not spans or last > reached):
            spans.append((first, ordered[last]))
            reached = last
    return spans
