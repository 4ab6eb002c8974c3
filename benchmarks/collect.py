"""Run directories -> the CSV files and the records of one results folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.plan import IDENTITY
from weakseg.results import (
    ALL_POSITIONS,
    ALL_ROUNDS,
    ALL_WINDOWS,
    CASES,
    COUNTS,
    CURVES,
    METRICS,
    RUNS,
    VALUES,
    read_csv,
    summarise,
    write_csv,
    write_text,
)

DONE: Final = "done"
RECORDS: Final = "records.json"
GATHERED: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "cases": ("values.csv", CASES),
    "curves": ("curve.csv", CURVES),
}
"""Files of a results folder by name: the file of each run it is gathered from, and its columns."""

STREAMED: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "cases": ("values.csv", CASES),
    "positions": ("positions.csv", ALL_POSITIONS),
    "rounds": ("rounds.csv", ALL_ROUNDS),
    "windows": ("windows.csv", ALL_WINDOWS),
}
"""The same where cases arrive one by one."""

_INTEGERS: Final = ("fold", "seed", "threads", "steps")
_SAME: Final = ("content", "profile", "data")


def collect(
    runs: Sequence[Path],
    into: Path,
    keep: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    gathered: Mapping[str, tuple[str, Sequence[str]]] = GATHERED,
) -> None:
    """Gather runs of one table, one profile and one data set into ``into``.

    Writes ``runs.csv``, the files of ``gathered``, ``values.csv``, and ``records.json``: what
    identifies each run, so that its name can be computed again.

    A run is done when its directory holds ``values.csv``. Every other run keeps its line in
    ``runs.csv``, with the status of its ``run.json`` ("failed", "running"), or "missing" where
    it has none, or one that claims a result that is not there.

    Args:
        runs: run directories; one that does not exist yet counts as missing.
        into: the results folder; its CSV files are replaced.
        keep: names of runs that ``into`` holds already and whose lines stay as they are.
        labels: row of each run by name, in place of the one it was begun under.
        gathered: ``GATHERED``, or ``STREAMED`` for runs of a stream.

    Raises:
        ValueError: no runs, one given twice, or runs of different data or profile; nothing is
            written then.
    """
    if not runs:
        raise ValueError(f"no runs to collect into {into}")
    kept = {name: _lines(into / f"{name}.csv", keep) for name in ("runs", *gathered)}
    made = pd.DataFrame([_record(path) for path in runs], columns=list(RUNS))
    records = pd.concat([made, kept["runs"]], ignore_index=True) if keep else made
    if labels is not None:
        records["row"] = records["run"].map(labels).fillna(records["row"])
    _check(records)
    records = records.astype(dict.fromkeys(_INTEGERS, "Int64"))
    done = [path for path, status in zip(runs, made["status"], strict=True) if status == DONE]
    frames = {name: _gather(done, *of, kept[name]) for name, of in gathered.items()}
    write_csv(into / "runs.csv", records)
    for name, frame in frames.items():
        write_csv(into / f"{name}.csv", frame)
    write_csv(into / "values.csv", summarise_cases(frames["cases"]))
    write_text(into / RECORDS, _records(runs, into, keep))


def read_records(into: Path) -> dict[str, dict[str, Any]]:
    """Return what identifies each run of a results folder, by name; none where it is unknown."""
    try:
        found: dict[str, dict[str, Any]] = json.loads((into / RECORDS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _records(runs: Sequence[Path], into: Path, keep: Sequence[str]) -> str:
    """Return ``records.json``: one line for each run that is here or is kept."""
    records = {name: record for name, record in read_records(into).items() if name in keep}
    for path in runs:
        record = _read(path)
        if all(key in record for key in IDENTITY):
            records[path.name] = {key: record[key] for key in IDENTITY}
    lines = [
        f"{json.dumps(name)}: {json.dumps(records[name], sort_keys=True)}"
        for name in sorted(records)
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(path: Path, runs: Sequence[str]) -> pd.DataFrame:
    """Return the lines of some runs; no frame is read where there are none to return."""
    if not runs:
        return pd.DataFrame()
    frame = read_csv(path)
    return frame[frame["run"].isin(list(runs))]


def _gather(
    runs: Sequence[Path], name: str, columns: Sequence[str], kept: pd.DataFrame
) -> pd.DataFrame:
    """Join one file of every run, naming the run in each line, and the lines that are kept."""
    frames = [read_csv(path / name).assign(run=path.name) for path in runs]
    frames += [kept] if len(kept) else []
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(columns))


def summarise_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """Reduce per-case lines to mean, sample standard deviation and n of every quantity.

    Per class, over the cases in which the quantity is defined. Class "mean" is first the mean over
    the classes of a case, then over cases. A case's mean is over the classes it counts (present in
    the reference or the prediction); it is undefined where one of them has no distance, so that a
    missed structure cannot improve a distance except through n. Counts are sums, with n the number
    of cases and no spread; class "all" sums them over the classes.

    Args:
        cases: columns ``CASES``; Dice as fractions, distances in mm.

    Returns:
        Columns ``VALUES``.
    """
    lines: list[tuple[object, ...]] = []
    for key, group in cases.groupby(["run", "selection", "split"], sort=True):
        for name, part in group.groupby("class", sort=True):
            lines += [(*key, name, *line) for line in _scores(part)]
            lines += [(*key, name, *line) for line in _counts(part, len(part))]
        lines += [(*key, "mean", *line) for line in _scores(case_means(group))]
        lines += [(*key, "all", *line) for line in _counts(group, group["case"].nunique())]
    return pd.DataFrame(lines, columns=list(VALUES))


def case_means(cases: pd.DataFrame, by: Sequence[str] = ("case",)) -> pd.DataFrame:
    """Return the mean over the counted classes of every case, indexed by ``by``.

    Args:
        cases: lines of one selection.
        by: columns that name a case; more than its name where there are several runs.

    Returns:
        float columns ``METRICS``; NaN where a counted class has no value.
    """
    counted = cases[cases["dice"].notna()]
    grouped = counted.groupby(list(by), sort=True)[list(METRICS)]
    sizes = grouped.size()
    means = grouped.mean()
    return means.where(grouped.count().eq(sizes, axis=0))


def _read(path: Path) -> dict[str, Any]:
    """Return the record of a run; empty where it has none."""
    file = path / "run.json"
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not a run record ({error}); delete it and run again") from error
    return found


def _record(path: Path) -> dict[str, Any]:
    found = _read(path)
    status = found.get("status", "missing")
    if (path / "values.csv").is_file():
        status = DONE
    elif status == DONE:
        status = "missing"
    record = {name: found.get(name) for name in RUNS}
    return {**record, "run": path.name, "status": status}


def _check(records: pd.DataFrame) -> None:
    twice = records["run"][records["run"].duplicated()]
    if len(twice):
        raise ValueError(f"run {twice.iloc[0]} is given twice")
    for name in _SAME:
        known = records[records[name].notna()]
        first = known.drop_duplicates(name)
        if len(first) > 1:
            one, other = (f"{line[name]!r} (run {line['run']})" for _, line in first[:2].iterrows())
            raise ValueError(
                f"one results folder holds runs of one {name}, got {one} and {other}; "
                "run the stale ones again or collect them elsewhere"
            )


def _scores(cases: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    return [(metric, *summarise(cases[metric])) for metric in METRICS]


def _counts(cases: pd.DataFrame, n: int) -> Iterable[tuple[object, ...]]:
    return [(count, int(cases[count].sum()), None, n) for count in COUNTS]
