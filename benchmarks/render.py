"""A table and its collected CSV files -> Markdown and LaTeX, a pure function of both."""

import difflib
import math
from typing import Final

import pandas as pd

from benchmarks.cells import (
    NOTHING,
    SCHEMES,
    Results,
    cell,
    difference,
    figure_name,
    grid,
    heading,
    listed,
    schemes_of,
    unique,
)
from benchmarks.collect import DONE
from benchmarks.spec import Column, Reported, Selection, Table

_SELECTIONS: Final[dict[Selection, str]] = {
    "last": "last step",
    "best-val": "best on validation",
    "best-test": "best on test (optimistic)",
}
_EMPTY: Final = {
    "skip": "a class absent from reference and prediction is not counted; absent from one of them "
    "it has Dice 0 and no distance, and counts as missed or spurious. The mean distance of a case "
    "needs all its classes; n says how many cases have one",
}
_RUN: Final = ("fold", "seed", "status")
_STATISTICS: Final = {
    "mean": "mean K",
    "std": "sd of K",
    "same_class_correlation": "correlation with same class",
    "w": "w",
    "b": "b",
}
_HD95: Final = {
    "pooled": "95th percentile of the pooled surface distances of both directions (medpy)",
    "max": "the larger of the two directed 95th percentiles (MONAI)",
}


def render(
    table: Table,
    runs: pd.DataFrame,
    values: pd.DataFrame,
    cases: pd.DataFrame,
    curves: pd.DataFrame | None = None,
) -> str:
    """Render the results of one profile and data set as Markdown.

    Args:
        table: rows, columns and protocol.
        runs: ``runs.csv``; rows without a finished run show an en dash.
        values: ``values.csv``; pooled over folds and seeds by the exact group formula.
        cases: ``cases.csv``.
        curves: ``curves.csv``, for what the similarity looks like at the last step.

    Raises:
        ValueError: a run belongs to no row of the table.
    """
    results = Results(runs, values, cases)
    _check(table, runs)
    blocks = [f"# {table.title}", *_header(table, results)]
    for scheme in schemes_of(runs):
        figures = _figures(runs, scheme)
        blocks += _section(table, results.of_scheme(scheme), scheme, figures)
    if curves is not None:
        blocks += _similarity(table, runs, curves)
    blocks += [*_published(table, results), *_notes(table), *_records(runs)]
    return "\n\n".join(blocks) + "\n"


def to_latex(table: Table, runs: pd.DataFrame, values: pd.DataFrame, cases: pd.DataFrame) -> str:
    r"""Render the main table of every split scheme with booktabs rules.

    The document needs ``\usepackage{booktabs}``. Arguments and errors as in :func:`render`.
    """
    _check(table, runs)
    results = Results(runs, values, cases)
    parts = []
    for scheme in schemes_of(runs):
        text = grid(table, results.of_scheme(scheme), table.columns)
        text.index.name = None
        style = text.style.format(_latex).format_index(_latex, axis=0).format_index(_latex, axis=1)
        parts.append(
            style.to_latex(
                hrules=True,
                column_format="l" + "c" * len(table.columns),
                position="t",
                position_float="centering",
                caption=_latex(_caption(table, runs, scheme)),
                label=f"tab:{table.name}-{scheme}".replace("_", "-"),
            )
        )
    return "\n".join(parts)


def _similarity(table: Table, runs: pd.DataFrame, curves: pd.DataFrame) -> list[str]:
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
        "## Similarity at the last step",
        "K over all pairs inside the window, on validation cases, mean over all runs of a row; w "
        "and b are the learned weight and bias of K = sigmoid(w S + b). A correlation near 0 means "
        "that K does not tell pairs of one class from pairs of two.",
        _markdown(text.map(lambda value: NOTHING if math.isnan(value) else f"{value:.4g}")),
    ]


def _check(table: Table, runs: pd.DataFrame) -> None:
    labels = [row.label for row in table.rows]
    for label in runs["row"].dropna().unique():
        if label not in labels and label != "":
            near = difflib.get_close_matches(label, labels, n=1)
            hint = f"; nearest is {near[0]!r}" if near else ""
            raise ValueError(f"table {table.name} has no row {label!r}{hint}")


def _header(table: Table, results: Results) -> list[str]:
    runs, protocol = results.runs, table.protocol
    extents = [f"{s}, {_extent(results, s, protocol.selection)}" for s in schemes_of(runs)]
    data = listed(runs["data"])
    if data == "phantom":
        data = "**PHANTOM** (synthetic images: these numbers say nothing about patients)"
    lines = [
        f"Data: {data}; content {', '.join(c[:12] for c in unique(runs['content'])) or NOTHING}",
        f"Profile: {listed(runs['profile'])}; {listed(runs['steps'])} optimisation steps per run",
        f"Split: {'; '.join(extents)}",
        f"Checkpoint of the headline numbers: {_SELECTIONS[protocol.selection]}",
        f"Empty masks: {_EMPTY[protocol.empty]}",
        f"HD95: {_HD95['pooled']}; all distances in mm, per volume",
        f"Interpolation: {protocol.interpolation}",
        "Cells: mean ± sample standard deviation over test cases (n cases with a value), pooled "
        f"over folds and seeds; {NOTHING} where nothing ran",
    ]
    return ["\n".join(f"- {line}" for line in lines)]


def _extent(results: Results, scheme: str, selection: Selection) -> str:
    part = results.of_scheme(scheme)
    tested = part.test_cases(selection)
    patients = f"{tested['patient'].nunique()} patients" if len(tested) else "none yet"
    return (
        f"folds {listed(part.runs['fold'])}, seeds {listed(part.runs['seed'])}, "
        f"{len(tested)} test cases ({patients})"
    )


def _section(table: Table, results: Results, scheme: str, figures: list[str]) -> list[str]:
    selection = table.protocol.selection
    groups = results.test_cases(selection).groupby("group")["case"].size()
    tested = ", ".join(f"{name} {size}" for name, size in groups.items())
    means = (*table.classes, "mean")
    distances = tuple(Column(m, c) for m in ("hd95", "hd95_max") for c in means)
    return [
        f"## Split {scheme}",
        f"{SCHEMES.get(scheme, '')} Here: {_extent(results, scheme, selection)}. "
        f"Test cases per group: {tested or NOTHING}.".strip(),
        _markdown(grid(table, results, table.columns)),
        *_unfinished(table, results.runs),
        *figures,
        "### Choice of the checkpoint: mean Dice",
        "The column best on test selects on test data: it chooses the checkpoint on the very cases "
        "it is scored on, as earlier code does, and is optimistic. It is shown for comparison only."
        f"{_optimism(table, results)}",
        _markdown(_selections(table, results)),
        "### HD95 in both definitions (mm)",
        f"HD95: {_HD95['pooled']}. HD95 max: {_HD95['max']}. Missed structures have no distance.",
        _markdown(grid(table, results, distances)),
    ]


def _selections(table: Table, results: Results) -> pd.DataFrame:
    mean = Column("dice", "mean")
    lines = []
    for row in table.rows:
        last, val, test = (results.pooled(row.label, mean, s) for s in _SELECTIONS)
        shown = [cell(group, mean) for group in (last, val, test)]
        lines.append([*shown, difference(val, last), difference(test, last)])
    minus = "\N{MINUS SIGN}"
    columns = [
        *_SELECTIONS.values(),
        f"validation {minus} last",
        f"test {minus} last",
    ]
    labels = pd.Index([row.label for row in table.rows], name="row")
    return pd.DataFrame(lines, index=labels, columns=columns)


def _optimism(table: Table, results: Results) -> str:
    mean = Column("dice", "mean")
    gains = [
        results.pooled(row.label, mean, "best-test").value
        - results.pooled(row.label, mean, "last").value
        for row in table.rows
    ]
    known = [gain for gain in gains if not math.isnan(gain)]
    if not known:
        return ""
    return f" On average over the rows it adds {sum(known) / len(known):+.3f} to the last step."


def _unfinished(table: Table, runs: pd.DataFrame) -> list[str]:
    wanted = sorted(set(zip(runs["fold"], runs["seed"], strict=True)))
    lines = []
    for row in table.rows:
        mine = runs[runs["row"] == row.label]
        status = {(f, s): t for f, s, t in zip(*(mine[c] for c in _RUN), strict=True)}
        absent = [
            f"fold {fold}, seed {seed}: {status.get((fold, seed), 'not run')}"
            for fold, seed in wanted
            if status.get((fold, seed)) != DONE
        ]
        if not len(mine):
            lines.append(f"- {row.label}: not run")
        elif absent:
            done = len(wanted) - len(absent)
            lines.append(f"- {row.label}: {done} of {len(wanted)} runs done ({'; '.join(absent)})")
    if not lines:
        return []
    return [
        "Incomplete rows; what they show rests on fewer runs than the others:",
        "\n".join(lines),
    ]


def _published(table: Table, results: Results) -> list[str]:
    schemes = schemes_of(results.runs)
    lines = [
        [row.label, heading(reported.column), _reported(reported)]
        + [_ours(table, results.of_scheme(s), row.label, reported) for s in schemes]
        + [reported.protocol, reported.source]
        for row in table.rows
        for reported in row.reported
    ]
    if not lines:
        return []
    ours = [f"ours, {scheme}" for scheme in schemes]
    columns = ["row", "quantity", "published", *ours, "their protocol", "source"]
    frame = pd.DataFrame(lines, columns=columns).set_index("row")
    return [
        "## Published numbers",
        "For orientation: they were measured under their own protocols.",
        _markdown(frame),
    ]


def _reported(reported: Reported) -> str:
    digits = 3 if reported.column.metric == "dice" else 2
    spread = "" if reported.spread is None else f" ± {reported.spread:.{digits}f}"
    return f"{reported.value:.{digits}f}{spread}"


def _ours(table: Table, results: Results, label: str, reported: Reported) -> str:
    group = results.pooled(label, reported.column, table.protocol.selection)
    return cell(group, reported.column)


def _notes(table: Table) -> list[str]:
    notes = [f"- {row.label}: {row.note}" for row in table.rows if row.note]
    return ["## Rows", "\n".join(notes)] if notes else []


def _records(runs: pd.DataFrame) -> list[str]:
    states = runs["status"].value_counts().sort_index()
    seconds = float(pd.to_numeric(runs["seconds"]).sum())
    lines = [
        f"Runs: {', '.join(f'{n} {status}' for status, n in states.items())}; one line each in "
        "[runs.csv](runs.csv)",
        "Numbers: [values.csv](values.csv), per case [cases.csv](cases.csv)",
        f"Total time of the runs: {_duration(seconds)}",
        f"Devices: {listed(runs['device'])}; precision {listed(runs['precision'])}; "
        f"torch {listed(runs['torch'])}; lightning {listed(runs['lightning'])}; "
        f"commit {', '.join(c[:12] for c in unique(runs['commit'])) or NOTHING}",
    ]
    return ["## Run records", "\n".join(f"- {line}" for line in lines)]


def _figures(runs: pd.DataFrame, scheme: str) -> list[str]:
    if not ((runs["scheme"] == scheme) & (runs["status"] == DONE)).any():
        return []
    cases, curves = (figure_name(kind, scheme, schemes_of(runs)) for kind in ("cases", "curves"))
    return [
        f"![Best, median and worst test case](figures/{cases})",
        f"![Learning curves](figures/{curves})",
    ]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _markdown(frame: pd.DataFrame) -> str:
    safe = frame.rename(index=_cell_text, columns=_cell_text).map(_cell_text)
    align = ("left", *("right" for _ in safe.columns))
    return str(safe.to_markdown(disable_numparse=True, colalign=align))


def _cell_text(text: object) -> str:
    return str(text).replace("|", r"\|")


def _caption(table: Table, runs: pd.DataFrame, scheme: str) -> str:
    data = listed(runs["data"])
    data = "PHANTOM data" if data == "phantom" else f"{data} data"
    part = runs[runs["scheme"] == scheme]
    return (
        f"{table.title}. {data}, profile {listed(runs['profile'])}, split {scheme}, folds "
        f"{listed(part['fold'])}, seeds {listed(part['seed'])}, checkpoint: "
        f"{_SELECTIONS[table.protocol.selection]}. HD95: {_HD95['pooled']}. "
        "Mean ± standard deviation over test cases (n)."
    )


def _latex(text: object) -> str:
    r"""Escape text for LaTeX.

    Example:
        >>> _latex("50 % ± 1_000 & more")
        '50 \\% $\\pm$ 1\\_000 \\& more'
    """
    special: dict[str, str | int | None] = {char: f"\\{char}" for char in "&%$#_{}"}
    special |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    special |= {"±": r"$\pm$", NOTHING: "--", "\N{MINUS SIGN}": "$-$", "<": "$<$", ">": "$>$"}
    return str(text).translate(str.maketrans(special))
