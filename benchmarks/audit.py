"""Check committed results: every number against its per-case values, every run against its record.

Nothing is trained and nothing is written.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmarks import propagation
from benchmarks.collect import DONE, RECORDS, read_records, summarise_cases
from benchmarks.index import index
from benchmarks.plan import IDENTITY
from benchmarks.profiles import PROFILES
from benchmarks.publish import expected, frames_of, rendered
from benchmarks.source import phantom_tag
from benchmarks.spec import Table
from benchmarks.stream_audit import stream_findings
from weakseg.config import identity
from weakseg.results import COUNTS, METRICS, as_written, read_csv

Severity = Literal["error", "stale"]
FILES = ("runs.csv", "values.csv", "cases.csv", RECORDS, "table.md", "table.tex", "table.html")
"""What makes a folder one of results; one of a table holds its other CSV files as well."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: an "error" in the files, or a "stale" run, made by another definition."""

    folder: str
    severity: Severity
    text: str


@dataclass(frozen=True)
class Audit:
    """What was looked at and what was found."""

    folders: int
    runs: int
    cells: int
    findings: tuple[Finding, ...]

    @property
    def summary(self) -> str:
        """One line for a person."""
        seen = f"{self.folders} folders, {self.runs} runs, {self.cells} cells recomputed"
        return f"{seen}: {len(self.findings)} findings" if self.findings else f"{seen}: all agree"


def audit(tables: Mapping[str, Table], results: Path, prepared: Path) -> Audit:
    """Check every folder of results.

    Args:
        tables: by name; a folder of no table is an error.
        results: holds ``<table>/<folder>/`` and the index ``README.md``.
        prepared: folder of prepared data; where it holds a table's data, but none of the content
            that the results are of, these are stale.
    """
    findings: list[Finding] = []
    folders = sorted({path.parent for name in FILES for path in results.glob(f"*/*/{name}")})
    runs = cells = 0
    for folder in folders:
        name = folder.relative_to(results).as_posix()
        table = tables.get(folder.parent.name)
        try:
            found, numbers = _folder(table, folder, prepared)
        except (ValueError, OSError, KeyError) as error:
            found, numbers = [("error", f"cannot be read: {error}")], (0, 0)
        findings += [Finding(name, severity, text) for severity, text in found]
        runs, cells = runs + numbers[0], cells + numbers[1]
    findings += [Finding("README.md", "error", text) for text in _index(tables, results)]
    findings += [Finding("propagation", "error", text) for text in propagation.check(results)]
    return Audit(len(folders), runs, cells, tuple(findings))


def _index(tables: Mapping[str, Table], results: Path) -> Iterator[str]:
    page = results / "README.md"
    try:
        text = index(tables, results)
    except (ValueError, OSError, KeyError) as error:
        yield f"cannot be rendered: {error}"
        return
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        yield "differs from the results it lists; render it again"


Found = tuple[Severity, str]


def _folder(
    table: Table | None, folder: Path, prepared: Path
) -> tuple[list[Found], tuple[int, int]]:
    """Return the findings of a folder, and how many runs and cells were looked at."""
    names = frames_of(table) if table else ()
    wanted = dict.fromkeys((*(f"{name}.csv" for name in names), *FILES))
    missing = [name for name in wanted if not (folder / name).is_file()]
    if table is None or missing:
        lacks = f"lacks {', '.join(missing)}" if missing else "belongs to no table"
        return [("error", lacks)], (0, 0)
    frames = {name: read_csv(folder / f"{name}.csv") for name in names}
    checks: list[Callable[[], Iterator[Found]]] = [
        lambda: _mixed(frames["runs"]),
        lambda: _changed(table, frames["runs"], prepared),
        lambda: _cases(frames["runs"], frames["cases"]),
        lambda: _values(frames["cases"], frames["values"]),
        lambda: stream_findings(frames) if table.stream else iter(()),
        lambda: _records(frames["runs"], read_records(folder)),
        lambda: _stale(table, frames["runs"]),
        lambda: _rendered(table, folder),
    ]
    found = [finding for check in checks for finding in check()]
    return found, (len(frames["runs"]), len(frames["values"]))


def _mixed(runs: pd.DataFrame) -> Iterator[Found]:
    """Runs of one folder share data and profile, and none stands for another."""
    for column in ("content", "profile", "data"):
        values = sorted(set(runs[column]) - {""})
        if len(values) != 1:
            yield "error", f"mixes runs of different {column}: {values}"
    for run in runs["run"][runs["run"].duplicated()]:
        yield "error", f"run {run} is listed twice"
    for key, group in runs[runs["status"] == DONE].groupby(["row", "scheme", "fold", "seed"]):
        if len(group) > 1:
            yield "error", f"{key} was computed by {len(group)} runs: {sorted(group['run'])}"


def _changed(table: Table, runs: pd.DataFrame, prepared: Path) -> Iterator[Found]:
    """The data, where they are at hand, still have the content that was computed on."""
    for (data, profile), group in runs.groupby(["data", "profile"]):
        known = PROFILES.get(str(profile))
        kind = phantom_tag(known.of(table)) if data == "phantom" and known else "[0-9a-f]" * 8
        if not table.classes:  # any data set may be meant
            continue
        paths = sorted(prepared.glob(f"{table.source}-{kind}/dataset.json"))
        there = {json.loads(p.read_text(encoding="utf-8"))["weakseg"]["content"] for p in paths}
        if there and not there & set(group["content"]):
            yield (
                "stale",
                (
                    f"the {data} data in {paths[0].parent} have another content than the results; "
                    "compute them again"
                ),
            )


def _cases(runs: pd.DataFrame, cases: pd.DataFrame) -> Iterator[Found]:
    """Per-case values are possible, complete, and those of the runs."""
    done = runs[runs["status"] == DONE]
    for run in sorted(set(cases["run"]) - set(done["run"])):
        yield "error", f"cases.csv holds run {run}, which is not done"
    for run in sorted(set(done["run"]) - set(cases["run"])):
        yield "error", f"run {run} is done and has no cases"
    keys = ["run", "selection", "split", "case", "class"]
    for key in cases[cases.duplicated(keys)][keys].itertuples(index=False):
        yield "error", f"cases.csv holds a case twice: {tuple(key)}"
    beyond = cases[(cases["dice"] < 0) | (cases["dice"] > 1)]
    negative = cases[(cases[[m for m in METRICS if m != "dice"]] < 0).any(axis=1)]
    uncounted = cases[~cases[[*COUNTS]].isin([0, 1]).all(axis=1)]
    for what, wrong in (
        ("a Dice outside 0 to 1", beyond),
        ("a negative distance", negative),
        ("a count that is neither 0 nor 1", uncounted),
    ):
        for line in wrong.itertuples():
            yield "error", f"run {line.run}, {line.case}: {what}"
    yield from _complete(cases.merge(runs[["run", "scheme", "fold"]]))


def _complete(cases: pd.DataFrame) -> Iterator[Found]:
    """All runs of a fold score the same cases and classes at every selection; no patient twice."""
    scored = cases.assign(scored=cases["case"] + "/" + cases["class"])
    for (scheme, fold), group in scored.groupby(["scheme", "fold"]):
        for (split, selection), part in group.groupby(["split", "selection"]):
            sets = part.groupby("run")["scored"].agg(frozenset)
            if sets.nunique() > 1 or len(sets) < group["run"].nunique():
                where = f"{scheme}, fold {fold}, {split}, {selection}"
                yield "error", f"the runs of {where} have different cases or classes"
        patients = group.groupby("split")["patient"].agg(set)
        both = patients.get("val", set()) & patients.get("test", set())
        if both:
            yield "error", f"{scheme}, fold {fold}: {sorted(both)} are in validation and test"
    tested = cases[cases["split"] == "test"].groupby(["scheme", "patient"])["fold"].nunique()
    for scheme, patient in tested[tested > 1].index:
        yield "error", f"{scheme}: patient {patient} is tested in several folds"


def _values(cases: pd.DataFrame, values: pd.DataFrame) -> Iterator[Found]:
    """Every cell of values.csv follows from cases.csv."""
    keys = ["run", "selection", "split", "class", "metric"]
    again = as_written(summarise_cases(cases))
    both = values.merge(again, on=keys, how="outer", suffixes=("", " again"), indicator=True)
    for line in both[both["_merge"] != "both"][keys].itertuples(index=False):
        yield "error", f"values.csv and cases.csv do not both have {tuple(line)}"
    both = both[both["_merge"] == "both"]
    for number in ("value", "sd", "n"):
        one, other = both[number], both[f"{number} again"]
        wrong = both[~((one == other) | (one.isna() & other.isna()))]
        for cell in wrong.to_dict("records"):
            name, follows = tuple(cell[key] for key in keys), cell[f"{number} again"]
            yield "error", f"{number} of {name} is {cell[number]}, its cases give {follows}"


def _records(runs: pd.DataFrame, records: Mapping[str, Mapping[str, object]]) -> Iterator[Found]:
    """Every run has a record whose hash is its name and whose facts are those of runs.csv."""
    for line in runs.itertuples():
        record = records.get(str(line.run))
        if record is None:
            yield "error", f"run {line.run} has no record in {RECORDS}"
            continue
        named = identity({key: record.get(key) for key in IDENTITY})
        if named != line.run:
            yield "error", f"the record of run {line.run} is that of a run {named}"
        for key in ("content", "profile", "scheme", "fold", "seed"):
            stated, recorded = getattr(line, key), record.get(key)
            if recorded != stated:
                yield "error", f"run {line.run}: {key} is {stated} and {recorded} in its record"
        if _steps(record.get("budget")) != line.steps:
            yield "error", f"run {line.run}: {line.steps} steps are not those of its record"
    for run in sorted(set(records) - set(runs["run"])):
        yield "error", f"{RECORDS} holds run {run}, which is not in runs.csv"


def _steps(budget: object) -> object:
    """Return the optimisation steps of a recorded budget, of a stream those of one round a case."""
    if not isinstance(budget, dict):
        return None
    return budget["stream"] * budget["updates"] if "stream" in budget else budget.get("steps")


def _stale(table: Table, runs: pd.DataFrame) -> Iterator[Found]:
    """Every run is what its row, as defined now, would make."""
    labels = {row.label for row in table.rows}
    for line in runs[runs["content"] != ""].to_dict("records"):
        run, row, profile = line["run"], line["row"], line["profile"]
        if profile not in PROFILES:
            yield "stale", f"run {run}: there is no profile {profile} any more"
            continue
        place = (line["scheme"], int(line["fold"]), int(line["seed"]))
        made = expected(table, profile, line["data"], line["content"], *place)
        if row not in labels:
            yield "stale", f"run {run}: {table.name} has no row {row!r} any more"
        elif made.get(run) != row:
            another = "was made by another definition of the row or the profile"
            yield "stale", f"run {run} of {row!r}, {place}, {another}; compute it again"


def _rendered(table: Table, folder: Path) -> Iterator[Found]:
    for name, text in rendered(table, folder).items():
        if (folder / name).read_text(encoding="utf-8") != text:
            yield "error", f"{name} differs from the CSV files; render it again"
