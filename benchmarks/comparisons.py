"""What rows are compared by beyond their means: tests, ranks, checkpoints, seeds, time."""

import math
from typing import Final

import pandas as pd

from benchmarks.blocks import Block, Grid, Heading, Picture, Text
from benchmarks.cells import MINUS, NOTHING, Results, cell, frame, heading, signed
from benchmarks.collect import DONE
from benchmarks.scores import by_patient, complete, finished
from benchmarks.spec import Column, Table
from benchmarks.statistics import LEVEL, Paired, Ranks, cliques, correct, paired, ranks
from weakseg.results import Group, Selection, pool

CHOICES: Final[dict[Selection, str]] = {
    "last": "last step",
    "best-val": "best on validation",
    "best-test": "best on test (optimistic)",
}
MEAN_DICE: Final = Column("dice", "mean")
MEAN_HD95: Final = Column("hd95", "mean")
DEAR: Final = 4.0
"""A row that takes longer than this multiple of the plain row is marked."""

_DELTA: Final = "\N{GREEK CAPITAL LETTER DELTA}"


def labels(table: Table) -> list[str]:
    """Return the labels of a table's rows."""
    return [row.label for row in table.rows]


def comparisons(table: Table, results: Results) -> list[Block]:
    """Compare every row with each reference row of the table that has a finished run."""
    tables: list[Block] = []
    for reference in table.references:
        others = [row for row in finished(results.runs, labels(table)) if row != reference]
        found = {
            column: correct([_paired(table, results, o, reference, column) for o in others])
            for column in (MEAN_DICE, MEAN_HD95)
        }
        if any(test.n for test in found[MEAN_DICE]):
            tables += [Text(f"Against **{reference}**:"), Grid(_tested(others, found))]
    if not tables:
        return []
    return [
        Heading("Paired comparisons", 3),
        Text(
            "Wilcoxon's signed-rank test, two-sided, over patients: seeds are averaged per case, "
            "and the differences of a patient's cases are averaged. Zero differences keep their "
            "ranks (Pratt); p is exact for few patients. Holm corrects for all rows "
            "of one column. Only cases of the same fold that both rows have a value for take part, "
            f"n patients; {_DELTA} is the median difference, row {MINUS} reference: above 0 is "
            "better for Dice, worse for HD95, which leaves out cases with a missed structure. "
            "p knows of the spread over patients, not of that over trainings."
        ),
        *tables,
    ]


def _paired(table: Table, results: Results, row: str, reference: str, column: Column) -> Paired:
    selection = table.protocol.selection
    return paired(results.of(row, column, selection), results.of(reference, column, selection))


def _tested(rows: list[str], found: dict[Column, list[Paired]]) -> pd.DataFrame:
    columns: dict[str, list[str]] = {}
    for column, digits in ((MEAN_DICE, 3), (MEAN_HD95, 1)):
        tests, name = found[column], heading(column)
        columns[f"{_DELTA} {name}"] = [signed(test.median, digits) for test in tests]
        short = name.split()[0]
        columns[f"n, {short}"] = [str(test.n) if test.n else NOTHING for test in tests]
        columns[f"p, {short}"] = [_p(test.p) for test in tests]
        columns[f"p Holm, {short}"] = [_p(test.adjusted) for test in tests]
    return pd.DataFrame(columns, index=pd.Index(rows, name="row"))


def _p(value: float) -> str:
    """Write a p-value.

    Example:
        >>> _p(0.04216), _p(0.000012345), _p(1.0)
        ('0.042', '1.2e-05', '1')
    """
    return NOTHING if math.isnan(value) else f"{value:.2g}"


def ranked(table: Table, results: Results) -> Ranks | None:
    """Rank the rows that finished every run of a split scheme by mean Dice."""
    rows = complete(results.runs, labels(table))
    return ranks(by_patient(results.scores(table.protocol.selection), rows)) if rows else None


def mean_ranks(table: Table, results: Results, figure: str) -> list[Block]:
    """Show mean ranks and their critical difference; nothing where rows cannot be ranked."""
    found = ranked(table, results)
    if found is None:
        return []
    order = found.mean.sort_values(kind="stable")
    body = {"mean rank": [f"{value:.2f}" for value in order]}
    friedman = "" if math.isnan(found.p) else f" Friedman's test: p = {_p(found.p)}."
    groups = cliques(list(order), found.critical)
    bars = (
        "Bars join rows that are not told apart."
        if groups
        else "All rows are further apart than that."
    )
    return [
        Heading("Mean ranks", 3),
        Text(
            "Rank of a row within a patient by mean Dice, 1 the best, averaged over "
            f"{found.patients} patients; {len(order)} rows that finished all runs take part, ties "
            f"share their mean rank.{friedman} Mean ranks further apart than "
            f"{found.critical:.2f} differ at {100 * (1 - LEVEL):.0f} % (Nemenyi; Demšar, JMLR "
            f"2006). {bars}"
        ),
        Picture(figure, "Mean ranks with the critical difference"),
        Grid(pd.DataFrame(body, index=pd.Index(order.index, name="row"))),
    ]


def checkpoints(table: Table, results: Results) -> list[Block]:
    """Show what each choice of the checkpoint would have shown."""
    body, gains = [], {}
    rows = finished(results.runs, labels(table))
    for row in rows:
        last, val, test = (results.pooled(row, MEAN_DICE, s) for s in CHOICES)
        shown = [cell(group, MEAN_DICE) for group in (last, val, test)]
        gains[row] = (val.value - last.value, test.value - last.value)
        body.append([*shown, *map(signed, gains[row])])
    if not rows or results.cases["selection"].nunique() < 2:
        return []
    columns = [*CHOICES.values(), f"validation {MINUS} last", f"test {MINUS} last"]
    return [
        Heading("Choice of the checkpoint: mean Dice", 3),
        Text(
            "The column best on test selects on test data: it chooses the checkpoint on the very "
            "cases it is scored on, as earlier code does, and is optimistic. It is shown for "
            f"comparison only.{_optimism(gains)}"
        ),
        Grid(frame(rows, body, columns)),
    ]


def _optimism(gains: dict[str, tuple[float, float]]) -> str:
    known = {row: pair for row, pair in gains.items() if not math.isnan(pair[1])}
    if not known:
        return ""
    val, test = (sum(pair[i] for pair in known.values()) / len(known) for i in (0, 1))
    most = max(known, key=lambda row: known[row][1])
    text = f" On average over the rows it adds {signed(test)} to the last step"
    if signed(known[most][1]) != signed(0.0):
        text += f", at most {signed(known[most][1])} ({most})"
    return f"{text}; selection on validation cases adds {signed(val)}."


def seeds(table: Table, results: Results) -> list[Block]:
    """Show mean Dice per seed and its spread over the seeds, where a row has two or more."""
    done = results.runs[results.runs["status"] == DONE]
    found = sorted(done["seed"].dropna().unique())
    if len(found) < 2:
        return []
    rows, body = finished(done, labels(table)), []
    for row in rows:
        mine = done[done["row"] == row]
        means = [_seed(table, results, mine[mine["seed"] == seed]["run"]).value for seed in found]
        known = pd.Series(means).dropna()
        spread = f"{known.std():.3f}" if len(known) > 1 else NOTHING
        shown = [NOTHING if math.isnan(mean) else f"{mean:.3f}" for mean in means]
        body.append([*shown, str(len(known)), spread])
    columns = [*(f"seed {seed:g}" for seed in found), "seeds", "sd over seeds"]
    return [
        Heading("Seeds: mean Dice", 3),
        Text(
            "Mean Dice of each seed over its test cases. Rows with fewer seeds, or fewer "
            "folds of one, rest on fewer trainings than the others."
        ),
        Grid(frame(rows, body, columns)),
    ]


def _seed(table: Table, results: Results, runs: "pd.Series[str]") -> Group:
    values = results.values[
        results.values["run"].isin(runs)
        & (results.values["selection"] == table.protocol.selection)
        & (results.values["split"] == "test")
        & (results.values["class"] == MEAN_DICE.cls)
        & (results.values["metric"] == MEAN_DICE.metric)
    ]
    groups = zip(values["value"], values["sd"], values["n"], strict=True)
    return pool(Group(float(value), float(sd), int(n)) for value, sd, n in groups)


def times(table: Table, runs: pd.DataFrame) -> list[Block]:
    """Show how long the runs of every row took, relative to the plain row on the same device."""
    done = runs[(runs["status"] == DONE) & runs["seconds"].notna()]
    if not len(done):
        return []
    rows, body = finished(done, labels(table)), []
    for row in rows:
        mine = done[done["row"] == row]
        ratio = _ratio(mine, done[done["row"] == table.plain])
        total, mean = (f"{x / 60:.1f}" for x in (mine["seconds"].sum(), mine["seconds"].mean()))
        multiple = NOTHING if math.isnan(ratio) else f"{ratio:.2f}"
        multiple += f" (above {DEAR:g})" if ratio > DEAR else ""
        body.append([str(len(mine)), total, mean, multiple])
    columns = ["runs", "total (min)", "mean (min)", f"mean / {table.plain}"]
    return [
        Heading("Time", 2),
        Text(
            f"Wall-clock time of training, evaluation and scoring, of all finished runs. The "
            f"multiple is of the mean time of {table.plain} on the same device; above {DEAR:g} it "
            "is marked. Runs that shared a machine took longer than they would have alone."
        ),
        Grid(frame(rows, body, columns)),
    ]


def _ratio(mine: pd.DataFrame, plain: pd.DataFrame) -> float:
    """Return the mean over devices of two rows' ratio of mean times; NaN where none is shared."""
    ours, theirs = (part.groupby("device")["seconds"].mean() for part in (mine, plain))
    return float((ours / theirs).mean())
