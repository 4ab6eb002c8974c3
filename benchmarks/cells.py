"""Pooled numbers of a table's rows, and their text: what Markdown and LaTeX share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from benchmarks.collect import DONE
from benchmarks.spec import Column, Metric, Selection, Table
from weakseg.results import Group, pool

NOTHING: Final = "–"  # noqa: RUF001 (the en dash is what a table shows where nothing ran)
SCHEMES: Final = {
    "five_fold": "Five folds by patient number, as in earlier work. The numbers follow the disease "
    "groups, so each usual fold tests one disease group unseen in training.",
    "stratified": "Five folds balanced over the disease groups: every group is both in training "
    "and in test.",
    "maag_35": "Fixed lists of Valvano et al. (IEEE TMI 2021): 35 patients for training, 15 for "
    "validation, 15 for test.",
    "maag_70": "Fixed lists of Valvano et al. (IEEE TMI 2021): 70 patients for training, 15 for "
    "validation, 15 for test.",
}
"""Split schemes in the order of their sections, with what to know about them."""

_NAMES: Final[dict[Metric, str]] = {
    "dice": "Dice",
    "hd95": "HD95",
    "hd95_max": "HD95 max",
    "assd": "ASSD",
    "missed": "missed",
    "spurious": "spurious",
}
_DIGITS: Final[dict[Metric, int]] = {"dice": 3, "assd": 2}


@dataclass(frozen=True)
class Results:
    """What was collected: ``runs``, ``values``, ``cases`` are frames of ``weakseg.results``."""

    runs: pd.DataFrame
    values: pd.DataFrame
    cases: pd.DataFrame

    def of_scheme(self, scheme: str) -> "Results":
        """Keep the runs of one split scheme."""
        runs = self.runs[self.runs["scheme"] == scheme]
        values, cases = (f[f["run"].isin(runs["run"])] for f in (self.values, self.cases))
        return Results(runs, values, cases)

    def pooled(self, row: str, column: Column, selection: Selection) -> Group:
        """Pool a quantity over the finished runs of a row; (NaN, NaN, 0) where none is.

        Counts are added up: value and n are sums over the runs.
        """
        done = self.runs[(self.runs["row"] == row) & (self.runs["status"] == DONE)]
        lines = self.values[
            self.values["run"].isin(done["run"])
            & (self.values["selection"] == selection)
            & (self.values["split"] == "test")
            & (self.values["class"] == column.cls)
            & (self.values["metric"] == column.metric)
        ]
        groups = [
            Group(float(value), float(sd), int(n))
            for value, sd, n in zip(lines["value"], lines["sd"], lines["n"], strict=True)
        ]
        if column.is_count and groups:
            total = sum(group.value for group in groups)
            return Group(total, math.nan, sum(group.n for group in groups))
        return pool(groups)

    def test_cases(self, selection: Selection) -> pd.DataFrame:
        """Return the distinct test cases: columns case, patient, group."""
        tested = (self.cases["split"] == "test") & (self.cases["selection"] == selection)
        return self.cases[tested][["case", "patient", "group"]].drop_duplicates()


def heading(column: Column) -> str:
    """Name a column: quantity and class.

    Example:
        >>> heading(Column("hd95", "mean")), heading(Column("missed", "all"))
        ('HD95 mean (mm)', 'missed')
    """
    name = _NAMES[column.metric]
    if column.is_count:
        return name if column.cls == "all" else f"{name} {column.cls}"
    unit = "" if column.metric == "dice" else " (mm)"
    return f"{name} {column.cls}{unit}"


def cell(group: Group, column: Column) -> str:
    """Write ``mean ± sd (n)``, a count as a number, an en dash where nothing ran.

    Example:
        >>> cell(Group(0.81234, 0.05, 40), Column("dice", "LV"))
        '0.812 ± 0.050 (40)'
    """
    if group.n == 0:
        return NOTHING
    if column.is_count:
        return str(round(group.value))
    digits = _DIGITS.get(column.metric, 1)
    spread = "" if math.isnan(group.sd) else f" ± {group.sd:.{digits}f}"
    return f"{group.value:.{digits}f}{spread} ({group.n})"


def difference(one: Group, other: Group) -> str:
    """Write ``one - other`` of two mean Dice scores with its sign."""
    if not (one.n and other.n):
        return NOTHING
    return f"{one.value - other.value:+.3f}"


def grid(table: Table, results: Results, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Return the text of all rows of the table, indexed by label, at the table's selection."""
    selection = table.protocol.selection
    body = [
        [cell(results.pooled(row.label, column, selection), column) for column in columns]
        for row in table.rows
    ]
    labels = pd.Index([row.label for row in table.rows], name="row")
    return pd.DataFrame(body, index=labels, columns=[heading(column) for column in columns])


def schemes_of(runs: pd.DataFrame) -> list[str]:
    """Return the split schemes of the runs in the order of their sections."""
    found = unique(runs["scheme"])
    known = [scheme for scheme in SCHEMES if scheme in found]
    return known + [scheme for scheme in found if scheme not in known]


def figure_name(kind: str, scheme: str, schemes: Sequence[str]) -> str:
    """Name a figure of a split scheme: the first scheme has the plain name."""
    return f"{kind}.png" if scheme == schemes[0] else f"{kind}-{scheme}.png"


def unique(column: Iterable[object]) -> list[str]:
    """Return the distinct values that are not missing, sorted, as text."""
    present = {value for value in pd.Series(list(column), dtype="object").dropna() if value != ""}
    return [_plain(value) for value in sorted(present, key=lambda v: (str(type(v)), v))]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def listed(column: Iterable[object]) -> str:
    """Return the distinct values in one line."""
    return ", ".join(unique(column)) or NOTHING
