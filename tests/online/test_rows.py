"""Every row of the tables of streams runs, a few updates long."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan import runs
from benchmarks.profiles import PROFILES
from benchmarks.runner import execute
from benchmarks.tables import TABLES
from tests.online import streams
from tests.runs import CPU
from weakseg.data.dataset import Dataset
from weakseg.results import read_csv

TABLE = TABLES["hippocampus-online"]
"""Holds every row of the others; what differs are numbers of the distillation baselines."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(streams.prepared(tmp_path_factory.mktemp("rows")))


@pytest.mark.parametrize("label", [row.label for row in TABLE.rows])
def test_every_row_goes_through_a_stream_and_is_scored(
    label: str, data: Dataset, tmp_path: Path
) -> None:
    (row,) = (row for row in TABLE.rows if row.label == label)
    (run,) = runs(TABLE, PROFILES["tiny"], (row,), "phantom", data.content)
    assert execute(run, data, root=tmp_path, cache=data.root.parent / "cache", compute=CPU)
    out = run.directory(tmp_path)
    assert not (out / "error.txt").exists(), (out / "error.txt").read_text()
    values, positions = read_csv(out / "values.csv"), read_csv(out / "positions.csv")
    assert len(values) == PROFILES["tiny"].stream.test
    assert np.isfinite(values["dice"]).all()
    assert len(positions) == PROFILES["tiny"].stream.stream
    assert (positions["full_boundary"] > 0).all()
    assert (out / "case.npz").exists()


def test_the_other_tables_have_rows_of_the_same_names() -> None:
    known = {row.label for row in TABLE.rows}
    for name in ("nci-online", "brats-online"):
        assert {row.label for row in TABLES[name].rows} <= known
