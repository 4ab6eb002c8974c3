"""Numbers of a table's rows, and their text: what Markdown, HTML and LaTeX share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from benchmarks.scores import of_row, per_case
from benchmarks.spec import Column, Metric
from benchmarks.statistics import Interval, interval
from weakseg.results import Group, Selection, summarise

NOTHING: Final = "–"  # noqa: RUF001 (the en dash is what a table shows where nothing ran)
MINUS: Final = "\N{MINUS SIGN}"
SCHEMES: Final = {
    "five_fold": "Five folds by patient number, as in earlier work. The numbers follow the disease "
    "groups, so each usual fold tests one disease group unseen in training.",
    "stratified": "Five folds balanced over the groups of patients, where the data have any: every "
    "group is both in training and in test.",
    "maag_35": "Fixed lists of Valvano et al. (IEEE TMI 2021): 35 patients for training, 15 for "
    "validation, 15 for test.",
    "maag_70": "Fixed lists of Valvano et al. (IEEE TMI 2021): 70 patients for training, 15 for "
    "validation, 15 for test.",
    "official": "The parts that were published with the data; where there is none for validation, "
    "a tenth of the training patients.",
    "chaos": "Folds by patient over the public part, since the references of the official test "
    "part are not public.",
    "stream": "Cases arrive one by one. Their names are shuffled with a fixed seed, which decides "
    "on the test cases; the others are shuffled again with the seed of the run, which is the order "
    "of their arrival.",
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
    _scores: dict[Selection, pd.DataFrame] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    def of_scheme(self, scheme: str) -> "Results":
        """Keep the runs of one split scheme."""
        runs = self.runs[self.runs["scheme"] == scheme]
        values, cases = (f[f["run"].isin(runs["run"])] for f in (self.values, self.cases))
        return Results(runs, values, cases)

    def scores(self, selection: Selection) -> pd.DataFrame:
        """Return the scores of all rows' test cases, see :func:`benchmarks.scores.per_case`."""
        if selection not in self._scores:
            self._scores[selection] = per_case(self.runs, self.cases, selection)
        return self._scores[selection]

    def of(self, row: str, column: Column, selection: Selection) -> "pd.Series[float]":
        """Return a quantity of a row, one value per test case; empty where nothing ran."""
        return of_row(self.scores(selection), row, column.metric, column.cls)

    def pooled(self, row: str, column: Column, selection: Selection) -> Group:
        """Pool a quantity over a row's test cases, seeds averaged; (NaN, NaN, 0) where none is.

        Counts are added up: value is the sum over the cases, n their number.
        """
        values = self.of(row, column, selection)
        if column.is_count and len(values):
            return Group(float(values.sum()), math.nan, len(values))
        return summarise(values)

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
        >>> cell(Group(1.5, float("nan"), 40), Column("missed", "all"))
        '1.5'
    """
    if group.n == 0:
        return NOTHING
    if column.is_count:
        return f"{round(group.value, 1):.10g}"
    digits = _DIGITS.get(column.metric, 1)
    spread = "" if math.isnan(group.sd) else f" ± {group.sd:.{digits}f}"
    return f"{group.value:.{digits}f}{spread} ({group.n})"


def limits(found: Interval | None, column: Column) -> str:
    """Write an interval, nothing where there is none.

    Example:
        >>> limits(Interval(0.7954, 0.8312), Column("dice", "LV"))
        '[0.795, 0.831]'
    """
    if found is None:
        return ""
    digits = _DIGITS.get(column.metric, 1)
    return f"[{found.low:.{digits}f}, {found.high:.{digits}f}]"


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign, an en dash where it is not known.

    Example:
        >>> signed(-0.00001), signed(float("nan"))
        ('+0.000', '–')
    """  # noqa: RUF002
    if math.isnan(value):
        return NOTHING
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def grid(
    results: Results,
    rows: Sequence[str],
    columns: Sequence[Column],
    selection: Selection,
    intervals: bool = True,
) -> pd.DataFrame:
    """Return the text of the cells of rows, indexed by label.

    Args:
        results: of one split scheme.
        rows: labels.
        columns: what to show.
        selection: the checkpoint.
        intervals: write the interval of a mean in a second line of its cell.
    """

    def text(label: str, column: Column) -> str:
        shown = cell(results.pooled(label, column, selection), column)
        if not intervals or column.is_count:
            return shown
        found = interval(results.of(label, column, selection))
        return "\n".join(part for part in (shown, limits(found, column)) if part)

    body = [[text(row, column) for column in columns] for row in rows]
    return frame(rows, body, [heading(column) for column in columns])


def frame(
    rows: Sequence[str], body: Sequence[Sequence[str]], columns: Sequence[str]
) -> pd.DataFrame:
    """Return the text of a table, indexed by the labels of its rows."""
    return pd.DataFrame(body, index=pd.Index(rows, name="row"), columns=list(columns))


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
