"""The document of a results folder as blocks: a pure function of a table and its CSV files."""

import difflib
import math
from typing import Final

import pandas as pd

from benchmarks.blocks import Block, Grid, Heading, Items, Picture, Text
from benchmarks.cells import (
    NOTHING,
    SCHEMES,
    Results,
    cell,
    figure_name,
    grid,
    heading,
    listed,
    schemes_of,
    unique,
)
from benchmarks.collect import DONE
from benchmarks.comparisons import (
    CHOICES,
    checkpoints,
    comparisons,
    labels,
    mean_ranks,
    seeds,
    times,
)
from benchmarks.profiles import PROFILES
from benchmarks.scores import finished
from benchmarks.spec import Column, Metric, Reported, Table
from benchmarks.statistics import FEWEST, LEVEL, RESAMPLES
from benchmarks.stream_blocks import Stream, sections
from benchmarks.stream_profiles import told_grid
from weakseg.results import Selection

HD95: Final = {
    "pooled": "95th percentile of the pooled surface distances of both directions (medpy)",
    "max": "the larger of the two directed 95th percentiles (MONAI)",
}
_EMPTY: Final = {
    "skip": "a class absent from reference and prediction is not counted; absent from one of them "
    "it has Dice 0 and no distance, and counts as missed or spurious. The mean distance of a case "
    "needs all its classes; n says how many cases have one",
}
_STEPS: Final = {
    False: "optimisation steps per run",
    True: "optimisation steps of a stream with one round per case",
}
_SCORED: Final = (
    "Headline numbers: hard Dice of each test case, averaged over the window of positions that "
    "ends with the stream; distances, missed and spurious are those of the last position"
)
_RUN: Final = ("fold", "seed", "status")
_SHOWN: Final = 5
_DEFINITIONS: Final[tuple[Metric, ...]] = ("hd95", "hd95_max")
FIGURES: Final = ("cases", "curves", "ranks")
"""Kinds of figures, as their files are named."""

_STATISTICS: Final = {
    "mean": "mean K",
    "std": "sd of K",
    "same_class_correlation": "correlation with same class",
    "w": "w",
    "b": "b",
}


def contents(
    table: Table,
    runs: pd.DataFrame,
    values: pd.DataFrame,
    cases: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    stream: Stream | None = None,
) -> list[Block]:
    """Return all there is to say about the results of one profile and data set.

    Args:
        table: rows, columns and protocol.
        runs: ``runs.csv``; rows without a finished run show an en dash.
        values: ``values.csv``, for the means of single runs.
        cases: ``cases.csv``, for all that is pooled.
        curves: ``curves.csv``, for what the similarity looks like at the last step.
        stream: the further files of a table of streams.

    Raises:
        ValueError: a run belongs to no row of the table.
    """
    check_rows(table, runs)
    results = Results(runs, values, cases)
    parts = {scheme: results.of_scheme(scheme) for scheme in schemes_of(runs)}
    blocks: list[Block] = [Heading(table.title, 1), _header(table, results, parts)]
    for scheme, part in parts.items():
        blocks += _section(table, part, scheme, list(parts))
    if stream is not None:
        blocks += sections(table, results, stream)
    blocks += times(table, runs)
    if curves is not None:
        blocks += _similarity(table, runs, curves)
    return [*blocks, *_published(table, parts), *_notes(table), *_records(runs)]


def check_rows(table: Table, runs: pd.DataFrame) -> None:
    """Refuse runs of rows that the table does not have."""
    known = labels(table)
    for label in runs["row"].dropna().unique():
        if label not in known and label != "":
            near = difflib.get_close_matches(label, known, n=1)
            hint = f"; nearest is {near[0]!r}" if near else ""
            raise ValueError(f"table {table.name} has no row {label!r}{hint}")


def _header(table: Table, results: Results, parts: dict[str, Results]) -> Block:
    runs, protocol = results.runs, table.protocol
    extents = [f"{s}, {_extent(part, protocol.selection)}" for s, part in parts.items()]
    data = listed(runs["data"])
    if data == "phantom":
        data = "**PHANTOM** (synthetic images: these numbers say nothing about patients)"
    lines = (
        f"Data: {data}; content {', '.join(c[:12] for c in unique(runs['content'])) or NOTHING}",
        f"Profile: {listed(runs['profile'])}; {listed(runs['steps'])} {_STEPS[bool(table.stream)]}",
        f"Split: {'; '.join(extents)}",
        _SCORED
        if table.stream
        else f"Checkpoint of the headline numbers: {CHOICES[protocol.selection]}",
        f"Empty masks: {_EMPTY[protocol.empty]}",
        f"HD95: {HD95['pooled']}; all distances in mm, per volume",
        f"Interpolation: {protocol.interpolation}{_grids(table, runs)}",
        "Cells: mean ± sample standard deviation over test cases (n cases with a value) of all "
        "folds, seeds averaged per case; a distance needs a value from every seed. Missed and "
        f"spurious are numbers of structures per seed. {NOTHING} where nothing ran",
        f"Intervals, in brackets: {100 * LEVEL:.0f} % of the mean, BCa bootstrap over patients "
        f"with all their cases, {RESAMPLES} resamples; none below {FEWEST} patients",
    )
    return Items(lines)


def _grids(table: Table, runs: pd.DataFrame) -> str:
    """Say of a table of streams which grids its profiles use, and what these looked at."""
    if table.stream is None:
        return ""
    names = [name for name in unique(runs["profile"]) if name in PROFILES]
    grids = [PROFILES[name].stream.budget(table.stream).grid for name in names]
    return "".join(f"; {told_grid(grid)}" for grid in grids)


def _extent(part: Results, selection: Selection) -> str:
    tested = part.test_cases(selection)
    patients = f"{tested['patient'].nunique()} patients" if len(tested) else "none yet"
    return (
        f"folds {listed(part.runs['fold'])}, seeds {listed(part.runs['seed'])}, "
        f"{len(tested)} test cases ({patients})"
    )


def _section(table: Table, results: Results, scheme: str, schemes: list[str]) -> list[Block]:
    selection = table.protocol.selection
    groups = results.test_cases(selection).groupby("group")["case"].size()
    tested = ", ".join(f"{name} {size}" for name, size in groups.items() if name)
    per_group = f" Test cases per group: {tested}." if tested else ""
    cases, curves, mean = (figure_name(kind, scheme, schemes) for kind in FIGURES)
    pictures = [
        Picture(cases, "Best, median and worst test case"),
        Picture(curves, "Learning curves"),
    ]
    done = table.stream is None and (results.runs["status"] == DONE).any()
    return [
        Heading("Test cases" if table.stream else f"Split {scheme}", 2),
        Text(f"{SCHEMES.get(scheme, '')} Here: {_extent(results, selection)}.{per_group}"),
        Grid(grid(results, labels(table), table.columns, selection)),
        *_unfinished(table, results.runs),
        *(pictures if done else ()),
        *comparisons(table, results),
        *mean_ranks(table, results, mean),
        *checkpoints(table, results),
        *_distances(table, results),
        *seeds(table, results),
    ]


def _distances(table: Table, results: Results) -> list[Block]:
    rows = finished(results.runs, labels(table))
    means = (*table.classes, "mean") if len(table.classes) > 1 else ("mean",)
    if not rows:
        return []
    columns = [Column(metric, cls) for metric in _DEFINITIONS for cls in means]
    return [
        Heading("HD95 in both definitions (mm)", 3),
        Text(
            f"HD95: {HD95['pooled']}. HD95 max: {HD95['max']}. Missed structures have no distance."
        ),
        Grid(grid(results, rows, columns, table.protocol.selection)),
    ]


def _unfinished(table: Table, runs: pd.DataFrame) -> list[Block]:
    wanted = sorted(set(zip(runs["fold"], runs["seed"], strict=True)))
    lines, never = [], []
    for row in table.rows:
        mine = runs[runs["row"] == row.label]
        status = {(f, s): t for f, s, t in zip(*(mine[c] for c in _RUN), strict=True)}
        absent = [
            f"fold {fold}, seed {seed}: {status.get((fold, seed), 'not run')}"
            for fold, seed in wanted
            if status.get((fold, seed)) != DONE
        ]
        if not len(mine):
            never.append(row.label)
        elif absent:
            done = len(wanted) - len(absent)
            shown = absent[:_SHOWN] + (["and so on"] if len(absent) > _SHOWN else [])
            lines.append(f"{row.label}: {done} of {len(wanted)} runs done ({'; '.join(shown)})")
    if never:
        lines.append(f"Not run: {'; '.join(never)}")
    if not lines:
        return []
    note = "Incomplete rows; what they show rests on fewer runs than the others:"
    return [Text(note), Items(tuple(lines))]


def _similarity(table: Table, runs: pd.DataFrame, curves: pd.DataFrame) -> list[Block]:
    """Show what the attention's similarity has become: means over runs and validation cases."""
    last = curves[curves["step"] == curves.groupby("run")["step"].transform("max")]
    last = last[last["quantity"].str.startswith("similarity/")].merge(runs[["run", "row"]])
    if not len(last):
        return []
    last["quantity"] = last["quantity"].str.rpartition("/")[2].map(_STATISTICS)
    shown = last.pivot_table(index="row", columns="quantity", values="value", aggfunc="mean")
    order = [row.label for row in table.rows if row.label in shown.index]
    text = shown.reindex(order)[[c for c in _STATISTICS.values() if c in shown]]
    return [
        Heading("Similarity at the last step", 2),
        Text(
            "K over all pairs inside the window, on validation cases, mean over all runs of a row; "
            "w and b are the learned weight and bias of K = sigmoid(w S + b). A correlation near 0 "
            "means that K does not tell pairs of one class from pairs of two."
        ),
        Grid(text.map(lambda value: NOTHING if math.isnan(value) else f"{value:.4g}")),
    ]


def _published(table: Table, parts: dict[str, Results]) -> list[Block]:
    lines = [
        [row.label, heading(reported.column), _reported(reported)]
        + [_ours(table, part, row.label, reported) for part in parts.values()]
        + [reported.protocol, reported.source]
        for row in table.rows
        for reported in row.reported
    ]
    if not lines:
        return []
    ours = [f"ours, {scheme}" for scheme in parts]
    columns = ["row", "quantity", "published", *ours, "their protocol", "source"]
    frame = pd.DataFrame(lines, columns=columns).set_index("row")
    return [
        Heading("Published numbers", 2),
        Text("For orientation: they were measured under their own protocols."),
        Grid(frame),
    ]


def _reported(reported: Reported) -> str:
    digits = 3 if reported.column.metric == "dice" else 2
    spread = "" if reported.spread is None else f" ± {reported.spread:.{digits}f}"
    return f"{reported.value:.{digits}f}{spread}"


def _ours(table: Table, results: Results, label: str, reported: Reported) -> str:
    group = results.pooled(label, reported.column, table.protocol.selection)
    return cell(group, reported.column)


def _notes(table: Table) -> list[Block]:
    notes = tuple(f"{row.label}: {row.note}" for row in table.rows if row.note)
    return [Heading("Rows", 2), Items(notes)] if notes else []


def _records(runs: pd.DataFrame) -> list[Block]:
    states = runs["status"].value_counts().sort_index()
    seconds = float(pd.to_numeric(runs["seconds"]).sum())
    lines = (
        f"Runs: {', '.join(f'{n} {status}' for status, n in states.items())}; one line each in "
        "[runs.csv](runs.csv)",
        "Numbers: [values.csv](values.csv), per case [cases.csv](cases.csv)",
        f"Total time of the runs: {_duration(seconds)}",
        f"Devices: {listed(runs['device'])}; precision {listed(runs['precision'])}; "
        f"torch {listed(runs['torch'])}; lightning {listed(runs['lightning'])}; "
        f"commit {', '.join(c[:12] for c in unique(runs['commit'])) or NOTHING}",
    )
    return [Heading("Run records", 2), Items(lines)]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
