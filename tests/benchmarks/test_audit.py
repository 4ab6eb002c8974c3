"""Each kind of tampering with committed results is found, and nothing else is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.audit import Audit, audit
from benchmarks.collect import RECORDS
from benchmarks.publish import publish, write_index
from benchmarks.runner import execute
from benchmarks.spec import Table
from benchmarks.tables import TABLES
from tests.runs import CPU, tiny
from weakseg.data.dataset import Dataset

ACDC = TABLES["acdc"]


@pytest.fixture(scope="module")
def honest(phantom: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two rows, with an index."""
    root = tmp_path_factory.mktemp("honest")
    for label in ("pCE", "full supervision"):
        run = tiny(phantom, label=label, steps=4, interval=2)
        assert execute(run, phantom, root=root / "runs", cache=cache, compute=CPU)
    publish(ACDC, "tiny", "phantom", phantom, root / "runs", root / "results")
    write_index(TABLES, root / "results")
    return root / "results"


@pytest.fixture
def results(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "results"))


def looked_at(results: Path, table: Table = ACDC, prepared: Path | None = None) -> Audit:
    return audit({**TABLES, table.name: table}, results, prepared or results / "nowhere")


def folder(results: Path) -> Path:
    return results / "acdc" / "phantom-tiny"


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    after = change(before)
    assert after != before
    path.write_text(after)


def set_cell(path: Path, column: str, value: str, having: str = "") -> None:
    """Change one cell of the first line of a CSV file that contains a text."""

    def changed(text: str) -> str:
        header, *lines = text.splitlines()
        at = next(i for i, line in enumerate(lines) if having in line)
        cells = lines[at].split(",")
        cells[header.split(",").index(column)] = value
        return "\n".join([header, *lines[:at], ",".join(cells), *lines[at + 1 :]]) + "\n"

    edit(path, changed)


def texts(found: Audit) -> str:
    return "\n".join(f"{f.severity} {f.folder}: {f.text}" for f in found.findings)


def test_honest_results_agree(results: Path) -> None:
    found = looked_at(results)
    assert texts(found) == ""
    assert (found.folders, found.runs) == (1, 2)
    assert found.cells > 100
    assert "all agree" in found.summary


def test_a_changed_value_is_found(results: Path) -> None:
    set_cell(folder(results) / "values.csv", "value", "0.987654", ",last,test,mean,dice,")
    assert "0.987654, its cases give" in texts(looked_at(results))


def test_a_changed_case_is_found(results: Path) -> None:
    set_cell(folder(results) / "cases.csv", "dice", "0.999", ",last,test,")
    assert "its cases give" in texts(looked_at(results))


@pytest.mark.parametrize("name", ["table.md", "table.tex", "table.html"])
def test_an_edited_table_is_found(results: Path, name: str) -> None:
    edit(folder(results) / name, lambda text: text.replace("pCE", "PCE", 1))
    assert f"{name} differs from the CSV files" in texts(looked_at(results))


def test_an_edited_index_is_found(results: Path) -> None:
    edit(results / "README.md", lambda text: text + "and it is the best\n")
    assert "error README.md: differs" in texts(looked_at(results))


def test_a_record_of_another_configuration_is_found(results: Path) -> None:
    edit(folder(results) / RECORDS, lambda text: text.replace('"lr": 0.002', '"lr": 0.2', 1))
    assert "is that of a run" in texts(looked_at(results))


def test_a_missing_record_is_found(results: Path) -> None:
    path = folder(results) / RECORDS
    records = json.loads(path.read_text())
    gone = min(records)
    del records[gone]
    path.write_text(json.dumps(records))
    assert f"run {gone} has no record" in texts(looked_at(results))


@pytest.mark.parametrize("name", ["runs.csv", "cases.csv", RECORDS, "table.html"])
def test_a_missing_file_is_found(results: Path, name: str) -> None:
    (folder(results) / name).unlink()
    assert f"lacks {name}" in texts(looked_at(results))


@pytest.mark.parametrize(
    ("column", "other"), [("content", "c0ffee"), ("profile", "quick"), ("data", "real")]
)
def test_f21_a_mixture_is_found(results: Path, column: str, other: str) -> None:
    set_cell(folder(results) / "runs.csv", column, other)
    assert f"mixes runs of different {column}" in texts(looked_at(results))


def test_f21_a_run_of_a_former_definition_is_stale(results: Path) -> None:
    raised = [replace(row, version=2) if row.label == "pCE" else row for row in ACDC.rows]
    found = texts(looked_at(results, replace(ACDC, rows=tuple(raised))))
    assert "stale acdc/phantom-tiny" in found
    assert "'pCE', ('stratified', 1, 0), was made by another definition" in found


def test_f21_changed_data_make_results_stale(
    results: Path, phantom: Dataset, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared" / "acdc-phantom-10x64"
    prepared.mkdir(parents=True)
    described: dict[str, Any] = json.loads((phantom.root / "dataset.json").read_text())
    (prepared / "dataset.json").write_text(json.dumps(described))
    assert texts(looked_at(results, prepared=prepared.parent)) == ""
    described["weakseg"]["content"] = "0123456789abcdef"
    (prepared / "dataset.json").write_text(json.dumps(described))
    found = texts(looked_at(results, prepared=prepared.parent))
    assert "have another content than the results" in found


def test_impossible_scores_are_found(results: Path) -> None:
    set_cell(folder(results) / "cases.csv", "dice", "1.5")
    set_cell(folder(results) / "cases.csv", "missed", "7")
    found = texts(looked_at(results))
    assert "a Dice outside 0 to 1" in found and "neither 0 nor 1" in found


def test_runs_tested_on_different_cases_are_found(results: Path) -> None:
    def fewer(text: str) -> str:
        header, *lines = text.splitlines()
        run, case = (
            lines[0].split(",")[0],
            next(line.split(",")[3] for line in lines if ",test," in line),
        )
        kept = [line for line in lines if not (line.startswith(run) and f",test,{case}," in line)]
        return "\n".join([header, *kept]) + "\n"

    edit(folder(results) / "cases.csv", fewer)
    assert "fold 1, test, last have different cases or classes" in texts(looked_at(results))


def test_a_folder_of_no_table_is_found(results: Path) -> None:
    shutil.copytree(results / "acdc", results / "other")
    assert "error other/phantom-tiny: belongs to no table" in texts(looked_at(results))


def test_committed_results_agree_with_what_they_are_made_of() -> None:
    found = audit(TABLES, Path(__file__).parents[2] / "results", Path("nowhere"))
    assert texts(found) == ""
    assert found.cells > 1000
