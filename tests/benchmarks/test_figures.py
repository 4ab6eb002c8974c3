from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from benchmarks.collect import collect
from benchmarks.figures import draw, draw_cases
from weakseg.data import nifti
from weakseg.results import read_csv

from .synthetic import CASES, ROWS, SPACING, predict, table, volumes, write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One scheme, two finished rows and a failed one, collected into ``into``."""
    runs = [write_run(tmp_path, f"r{i}", row=row, shift=1 + 2 * i) for i, row in enumerate(ROWS)]
    (runs[2] / "values.csv").unlink()
    collect(runs, tmp_path / "into")
    return tmp_path


def texts(root: Path) -> list[str]:
    runs, cases = (read_csv(root / "into" / f"{name}.csv") for name in ("runs", "cases"))
    figure = draw_cases(table(), runs[runs["status"] == "done"], cases, root, volumes)
    titles = [block.get_suptitle() for block in figure.subfigs]
    axes = figure.get_axes()
    return titles + [ax.get_title() for ax in axes] + [ax.get_xlabel() for ax in axes]


def test_figures_are_written_and_hold_colours(root: Path) -> None:
    written = draw(table(), root, root / "into", volumes)
    assert [path.name for path in written] == ["cases.png", "curves.png"]
    for path in written:
        picture = imread(path)[..., :3]
        assert picture.shape[1] > 600
        assert np.ptp(picture, axis=-1).max() > 0.5


def test_equal_results_draw_equal_bytes(root: Path) -> None:
    first = [path.read_bytes() for path in draw(table(), root, root / "into", volumes)]
    assert first == [path.read_bytes() for path in draw(table(), root, root / "into", volumes)]


def test_best_median_and_worst_case_are_shown_with_every_row(root: Path) -> None:
    found = texts(root)
    cases = read_csv(root / "into" / "cases.csv")
    last = cases[cases["selection"] == "last"].groupby("case")["dice"].mean().sort_values()
    assert found[0].startswith(
        f"best case: {last.index[-1]}, mean Dice over rows {last.iloc[-1]:.3f}"
    )
    assert found[1].startswith(f"median case: {last.index[2]}")
    assert found[2].startswith(f"worst case: {last.index[0]}")
    for label in ("image", "scribble", "reference", *ROWS):
        assert found.count(label) == 3
    assert found.count("–") == 3  # noqa: RUF001


def test_only_cases_of_all_rows_take_part(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path, "r0", row=ROWS[0], cases=CASES[:3]),
        write_run(tmp_path, "r1", row=ROWS[1], cases=CASES[1:2]),
    ]
    collect(runs, tmp_path / "into")
    assert {title.split(",")[0] for title in texts(tmp_path)[:3]} == {
        f"{name} case: {CASES[1]}" for name in ("best", "median", "worst")
    }


def test_a_lost_prediction_leaves_an_empty_panel(root: Path) -> None:
    for file in (root / "r1" / "predictions").iterdir():
        file.unlink()
    assert len(draw(table(), root, root / "into", volumes)) == 2


def test_a_prediction_of_another_shape_is_refused(root: Path) -> None:
    for file in (root / "r1" / "predictions").iterdir():
        nifti.write(file, predict(CASES[0], 0)[:3], SPACING)
    with pytest.raises(ValueError, match=r"pCE & more: prediction .* does not fit the reference"):
        draw(table(), root, root / "into", volumes)


def test_each_scheme_has_its_figures(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path, "r0", scheme="stratified"),
        write_run(tmp_path, "r1", scheme="five_fold"),
        write_run(tmp_path, "r2", scheme="maag_35", status="failed"),
    ]
    collect(runs, tmp_path / "into")
    written = draw(table(), tmp_path, tmp_path / "into", volumes)
    assert [path.name for path in written] == [
        "cases.png", "curves.png", "cases-stratified.png", "curves-stratified.png"
    ]  # fmt: skip


def test_nothing_finished_draws_nothing(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "r0", status="failed")], tmp_path / "into")
    assert draw(table(), tmp_path, tmp_path / "into", volumes) == []
