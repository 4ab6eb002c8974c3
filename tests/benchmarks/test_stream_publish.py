"""Tiny streams from the run to the page, and what an audit of them finds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.audit import Audit, audit
from benchmarks.estimate import seconds_for
from benchmarks.index import index
from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.publish import frames_of, publish, rerender, write_index
from benchmarks.runner import execute
from benchmarks.tables import TABLES
from tests.runs import CPU
from weakseg.data.dataset import Dataset

TABLE = TABLES["hippocampus-online"]
LABELS = ("fine tuning", "offline", "interactive")
RENDERED = ("table.md", "table.tex", "table.html")


def plan(data: Dataset) -> list[Run]:
    rows = tuple(row for row in TABLE.rows if row.label in LABELS)
    return runs(TABLE, PROFILES["tiny"], rows, "phantom", data.content)


@pytest.fixture(scope="module")
def tubes(phantom_of: Callable[[str], Dataset]) -> Dataset:
    return phantom_of("hippocampus")


@pytest.fixture(scope="module")
def home(tubes: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rows, run and published."""
    home = tmp_path_factory.mktemp("streams")
    for run in plan(tubes):
        assert execute(run, tubes, root=home / "runs", cache=cache, compute=CPU)
    publish(TABLE, "tiny", "phantom", tubes, home / "runs", home / "results")
    write_index(TABLES, home / "results")
    return home


@pytest.fixture
def results(home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(home / "results", tmp_path / "results"))


def folder(results: Path) -> Path:
    return results / "hippocampus-online" / "phantom-tiny"


def texts(results: Path) -> str:
    found: Audit = audit(TABLES, results, results / "nowhere")
    return "\n".join(f"{f.severity} {f.text}" for f in found.findings)


def test_every_run_is_done_and_its_files_are_in_the_results(home: Path, tubes: Dataset) -> None:
    into = folder(home / "results")
    names = {path.name for path in into.iterdir() if path.is_file()}
    assert names == {*(f"{n}.csv" for n in frames_of(TABLE)), "records.json", *RENDERED}
    text = (into / "table.md").read_text()
    assert "- Runs: 3 done" in text
    assert "**interactive** draws" in text
    assert "PHANTOM" in text
    for run in plan(tubes):
        assert run.id in (into / "runs.csv").read_text()


def test_honest_streams_pass_the_audit(results: Path) -> None:
    assert texts(results) == ""


def test_rendering_again_changes_no_byte(results: Path) -> None:
    before = {name: (folder(results) / name).read_bytes() for name in RENDERED}
    assert list(rerender(TABLE, results)) == [folder(results)]
    assert {name: (folder(results) / name).read_bytes() for name in RENDERED} == before


def test_publishing_without_the_run_directories_keeps_everything(
    results: Path, tubes: Dataset, tmp_path: Path
) -> None:
    before = {p.name: p.read_bytes() for p in folder(results).iterdir() if p.is_file()}
    publish(TABLE, "tiny", "phantom", tubes, tmp_path / "nowhere", results)
    after = {p.name: p.read_bytes() for p in folder(results).iterdir() if p.is_file()}
    assert before == after


@pytest.mark.parametrize("name", ["positions", "rounds", "windows"])
def test_a_missing_file_of_streams_is_an_error(results: Path, name: str) -> None:
    (folder(results) / f"{name}.csv").unlink()
    assert f"error lacks {name}.csv" in texts(results)


def test_a_changed_round_is_found_in_the_file_and_on_the_page(results: Path) -> None:
    path = folder(results) / "rounds.csv"
    header, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("front")] = "0.999"
    path.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    found = texts(results)
    assert "table.md differs from the CSV files" in found


def test_other_steps_than_those_of_the_record_are_found(results: Path) -> None:
    path = folder(results) / "runs.csv"
    path.write_text(path.read_text().replace(",6,", ",7,"))
    assert "7 steps are not those of its record" in texts(results)


def test_a_tiny_stream_is_not_listed_among_the_results(results: Path) -> None:
    assert "hippocampus" not in index(TABLES, results)


def test_the_time_of_a_stream_is_guessed_from_its_network_and_rounds(tubes: Dataset) -> None:
    todo = plan(tubes)
    guess = seconds_for(todo, dict.fromkeys(LABELS, 1.0), tubes, 1, CPU)
    assert 10 < guess < 600
