import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.collect import read_records
from benchmarks.plan import Run
from benchmarks.publish import known_runs, publish, rerender
from benchmarks.runner import execute
from benchmarks.spec import Row, Table
from benchmarks.tables import TABLES
from tests.runs import CPU
from tests.runs import tiny as shortened
from weakseg.config import identity
from weakseg.data.dataset import Dataset
from weakseg.results import read_csv

ACDC = TABLES["acdc"]
RENDERED = ("table.md", "table.tex", "table.html")


def tiny(dataset: Dataset, **options: Any) -> Run:
    return shortened(dataset, label="pCE", steps=4, interval=2, **options)


def recorded(run: Run, root: Path, **record: object) -> Run:
    """Leave what a run leaves that has just begun."""
    out = run.directory(root)
    out.mkdir(parents=True)
    (out / "run.json").write_text(json.dumps({**run.describe(), "status": "running", **record}))
    return run


@pytest.fixture
def published(phantom: Dataset, cache: Path, tmp_path: Path) -> Path:
    """The results of one finished and one unfinished run."""
    root = tmp_path / "runs"
    assert execute(tiny(phantom), phantom, root=root, cache=cache, compute=CPU)
    recorded(tiny(phantom, seed=1), root)
    return publish(ACDC, "tiny", "phantom", phantom, root, tmp_path / "results")


def again(table: Table, dataset: Dataset, tmp_path: Path) -> Path:
    return publish(table, "tiny", "phantom", dataset, tmp_path / "runs", tmp_path / "results")


def relabelled(old: str, new: str) -> Table:
    def renamed(row: Row) -> Row:
        return replace(row, label=new) if row.label == old else row

    return replace(ACDC, rows=tuple(renamed(row) for row in ACDC.rows), default=())


def test_results_lie_by_table_data_and_profile(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    assert published == tmp_path / "results" / "acdc" / "phantom-tiny"
    runs = read_csv(published / "runs.csv").set_index("run")["status"].to_dict()
    assert runs == {tiny(phantom).id: "done", tiny(phantom, seed=1).id: "running"}
    for name in ("cases", "curves", "values"):
        assert set(read_csv(published / f"{name}.csv")["run"]) == {tiny(phantom).id}
    for name in (*RENDERED, "figures/cases.png", "figures/curves.png"):
        assert (published / name).stat().st_size > 0


def test_runs_of_other_definitions_data_and_profiles_stay_out(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in published.iterdir() if path.is_file()}
    run, root = tiny(phantom), tmp_path / "runs"
    for other in (
        replace(run, version=2),
        replace(run, content="other"),
        replace(run, profile="quick"),
        replace(run, budget=replace(run.budget, batch=3)),
        replace(run, method=replace(run.method, supervision="dense")),
    ):
        recorded(other, root)
    assert again(ACDC, phantom, tmp_path) == published
    after = {path.name: path.read_bytes() for path in published.iterdir() if path.is_file()}
    assert after == before


def test_a_raised_version_takes_the_run_of_the_former_out(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    rows = tuple(replace(row, version=2) if row.label == "pCE" else row for row in ACDC.rows)
    fresh = recorded(replace(tiny(phantom), version=2), tmp_path / "runs")
    again(replace(ACDC, rows=rows), phantom, tmp_path)
    assert set(read_csv(published / "runs.csv")["run"]) == {fresh.id}


def test_a_run_follows_its_row_to_a_new_label(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    again(relabelled("pCE", "strokes alone"), phantom, tmp_path)
    runs = read_csv(published / "runs.csv")
    assert set(runs["run"]) == {tiny(phantom).id, tiny(phantom, seed=1).id}
    assert set(runs["row"]) == {"strokes alone"}
    assert "| strokes alone" in (published / "table.md").read_text()


def test_rendering_again_gives_equal_bytes_from_the_csv_files_alone(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    before = [(published / name).read_bytes() for name in RENDERED]
    for name in RENDERED:
        (published / name).unlink()
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert list(rerender(ACDC, tmp_path / "results")) == [published]
    assert [(published / name).read_bytes() for name in RENDERED] == before


def test_without_results_there_is_nothing_to_render(tmp_path: Path) -> None:
    assert list(rerender(ACDC, tmp_path)) == []
    assert known_runs(ACDC, tmp_path / "runs") == []


def test_tables_share_the_runs_they_have_in_common(
    published: Path, phantom: Dataset, tmp_path: Path
) -> None:
    other = replace(relabelled("pCE", "strokes alone"), name="other")
    folder = again(other, phantom, tmp_path)
    assert folder == tmp_path / "results" / "other" / "phantom-tiny"
    assert set(read_csv(folder / "runs.csv")["row"]) == {"strokes alone"}
    assert [run["row"] for run in known_runs(other, tmp_path / "runs")] == ["strokes alone"] * 2
    again(ACDC, phantom, tmp_path)
    assert set(read_csv(published / "runs.csv")["row"]) == {"pCE"}


def test_the_records_of_a_folder_name_its_runs(published: Path, phantom: Dataset) -> None:
    records = read_records(published)
    assert set(records) == {tiny(phantom).id, tiny(phantom, seed=1).id}
    for run, record in records.items():
        assert identity(record) == run


def test_finished_runs_computed_elsewhere_stay_in_the_table(
    published: Path, phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    before = {name: read_csv(published / f"{name}.csv") for name in ("cases", "curves", "values")}
    figure = (published / "figures/cases.png").read_bytes()
    shutil.rmtree(tmp_path / "runs")
    recorded(tiny(phantom), tmp_path / "runs")  # begun here again, not finished
    other = tiny(phantom, seed=2)
    assert execute(other, phantom, root=tmp_path / "runs", cache=cache, compute=CPU)
    again(ACDC, phantom, tmp_path)
    runs = read_csv(published / "runs.csv").set_index("run")["status"].to_dict()
    assert runs == {tiny(phantom).id: "done", other.id: "done"}
    for name, frame in before.items():
        after = read_csv(published / f"{name}.csv")
        mine = after[after["run"] == tiny(phantom).id].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, frame, check_dtype=False)
    assert (published / "figures/cases.png").read_bytes() == figure


def test_f21_other_data_get_a_folder_of_their_own(
    published: Path, phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    before = (published / "table.md").read_bytes()
    other = replace(phantom, content="0123456789abcdef")
    run = replace(tiny(phantom), content=other.content)
    assert execute(run, other, root=tmp_path / "runs", cache=cache, compute=CPU)
    folder = again(ACDC, other, tmp_path)
    assert folder == published.with_name("phantom-tiny-01234567")
    assert set(read_csv(folder / "runs.csv")["run"]) == {run.id}
    assert (published / "table.md").read_bytes() == before
