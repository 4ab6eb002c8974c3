"""Figures of a results folder: test cases, learning curves and mean ranks."""

import io
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.case_figure import Load, draw_cases, with_predictions
from benchmarks.cells import Results, figure_name, schemes_of
from benchmarks.collect import DONE
from benchmarks.comparisons import ranked
from benchmarks.plots import draw_curves, draw_ranks
from benchmarks.profiles import PROFILES
from benchmarks.spec import Table
from benchmarks.stream_blocks import Stream, by_row
from benchmarks.stream_case_figure import draw_case
from benchmarks.stream_plots import draw_along, draw_effort
from benchmarks.stream_profiles import StreamProfile
from weakseg.results import read_csv, write_bytes

_DPI: Final = 110


def draw(table: Table, root: Path, into: Path, load: Load) -> list[Path]:
    """Draw the figures of every split scheme of a collected results folder.

    The first scheme gives ``figures/cases.png``, ``figures/curves.png`` and ``figures/ranks.png``,
    another one ``figures/cases-<scheme>.png`` and so on. Test cases are drawn with the rows whose
    predictions lie in ``root``; where no row has any, a figure of test cases stays as it is.

    Args:
        table: rows and classes.
        root: the folder with the run directories.
        into: the results folder with its CSV files.
        load: reads a case.

    Returns:
        The files written; none for a scheme without a finished run.
    """
    runs, cases = read_csv(into / "runs.csv"), read_csv(into / "cases.csv")
    written = []
    for scheme in schemes_of(runs):
        done = with_predictions(_done(runs, scheme), root)
        if len(done):
            figure = draw_cases(table, done, cases, root, load)
            written.append(_save(table, figure, done, into, "cases", schemes_of(runs)))
    return [*written, *draw_numbers(table, into)]


def draw_numbers(table: Table, into: Path) -> list[Path]:
    """Draw what needs the CSV files of a results folder alone: learning curves and mean ranks.

    Returns:
        The files written; no ranks where rows cannot be ranked.
    """
    runs, values, cases, curves = (
        read_csv(into / f"{name}.csv") for name in ("runs", "values", "cases", "curves")
    )
    schemes, results = schemes_of(runs), Results(runs, values, cases)
    written = []
    for scheme in schemes:
        done = _done(runs, scheme)
        if not len(done):
            continue
        figure = draw_curves(table, done, curves)
        written.append(_save(table, figure, done, into, "curves", schemes))
        found = ranked(table, results.of_scheme(scheme))
        if found is not None:
            written.append(_save(table, draw_ranks(found), done, into, "ranks", schemes))
    return written


def draw_streams(table: Table, root: Path, into: Path) -> list[Path]:
    """Draw the figures of a table of streams: mean ranks, test curves, Dice for effort, one case.

    The case is that of the row with the most rounds whose run in ``root`` kept one; where none
    did, an earlier figure stays as it is.

    Returns:
        The files written; none without a finished run.
    """
    runs, values, cases, *more = (
        read_csv(into / f"{name}.csv")
        for name in ("runs", "values", "cases", "positions", "rounds", "windows")
    )
    done, results = runs[runs["status"] == DONE], Results(runs, values, cases)
    if not len(done):
        return []
    schemes, parts = schemes_of(runs), by_row(table, runs, Stream(*more))
    drawn = {row: part for row, part in parts.items() if len(part.rounds)}
    figures = {"stream": draw_along(parts, _window(runs))}
    if drawn:
        figures["effort"] = draw_effort(drawn)
    found = ranked(table, results)
    if found is not None:
        figures["ranks"] = draw_ranks(found)
    rounds = {row: len(part.rounds) / len(part.positions) for row, part in drawn.items()}
    for row in sorted(drawn, key=lambda row: -rounds[row]):
        kept = [root / run / "case.npz" for run in done.loc[done["row"] == row, "run"]]
        if kept[0].is_file():
            figures["case"] = draw_case(kept[0], row)
            break
    return [_save(table, figure, done, into, kind, schemes) for kind, figure in figures.items()]


def _window(runs: pd.DataFrame) -> int:
    """Return the positions of the running mean: those of the profile, if it still exists."""
    profile = PROFILES.get(str(runs["profile"].iloc[0]))
    return (profile.stream if profile else StreamProfile()).window


def _done(runs: pd.DataFrame, scheme: str) -> pd.DataFrame:
    done = runs[(runs["scheme"] == scheme) & (runs["status"] == DONE)]
    return done.sort_values(["fold", "seed"])


def _save(
    table: Table, figure: Figure, done: pd.DataFrame, into: Path, kind: str, schemes: list[str]
) -> Path:
    figure.suptitle(f"{table.title}: {_subject(done)}", fontsize=10)
    path = into / "figures" / figure_name(kind, str(done.iloc[0]["scheme"]), schemes)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
    return path


def _subject(done: pd.DataFrame) -> str:
    first = done.iloc[0]
    data = "PHANTOM data" if first["data"] == "phantom" else f"{first['data']} data"
    folds = ", ".join(str(int(fold)) for fold in sorted(done["fold"].unique()))
    return f"{data}, profile {first['profile']}, split {first['scheme']}, folds {folds}"
