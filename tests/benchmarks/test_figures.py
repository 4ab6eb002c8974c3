from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from benchmarks import case_figure
from benchmarks.case_figure import Load, draw_cases, with_predictions
from benchmarks.collect import collect
from benchmarks.figures import draw, draw_numbers
from benchmarks.plots import draw_curves, draw_ranks
from benchmarks.spec import Table
from benchmarks.statistics import Ranks, ranks
from weakseg.data import nifti
from weakseg.results import read_csv

from .synthetic import (
    CASES,
    ROWS,
    SPACING,
    numbers,
    predict,
    table,
    volumes,
    write_numbers,
    write_run,
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One scheme, two finished rows and a failed one, collected into ``into``."""
    runs = [write_run(tmp_path, f"r{i}", row=row, shift=1 + 2 * i) for i, row in enumerate(ROWS)]
    (runs[2] / "values.csv").unlink()
    collect(runs, tmp_path / "into")
    return tmp_path


def texts(root: Path, load: Load = volumes, which: Table | None = None) -> list[str]:
    runs, cases = (read_csv(root / "into" / f"{name}.csv") for name in ("runs", "cases"))
    done = runs[runs["status"] == "done"]
    figure = draw_cases(which or table(), done, cases, root, load)
    titles = [block.get_suptitle() for block in figure.subfigs]
    axes = figure.get_axes()
    return titles + [ax.get_title() for ax in axes] + [ax.get_xlabel() for ax in axes]


def test_figures_are_written_and_hold_colours(root: Path) -> None:
    written = draw(table(), root, root / "into", volumes)
    assert [path.name for path in written] == ["cases.png", "curves.png", "ranks.png"]
    for path in written:
        picture = imread(path)[..., :3]
        assert picture.shape[1] > 600
        assert np.ptp(picture, axis=-1).max() > 0.5


def test_equal_results_draw_equal_bytes(root: Path) -> None:
    first = [path.read_bytes() for path in draw(table(), root, root / "into", volumes)]
    assert first == [path.read_bytes() for path in draw(table(), root, root / "into", volumes)]


def test_best_median_and_worst_case_are_shown_with_every_finished_row(root: Path) -> None:
    found = texts(root)
    cases = read_csv(root / "into" / "cases.csv")
    last = cases[cases["selection"] == "last"].groupby("case")["dice"].mean().sort_values()
    assert found[0].startswith(
        f"best case: {last.index[-1]}, mean Dice over rows {last.iloc[-1]:.3f}"
    )
    assert found[1].startswith(f"median case: {last.index[2]}")
    assert found[2].startswith(f"worst case: {last.index[0]}")
    for label in ("image", "scribble", "reference", *ROWS[:2]):
        assert found.count(label) == 3
    assert ROWS[2] not in found


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
    for file in sorted((root / "r1" / "predictions").iterdir())[1:]:
        file.unlink()
    assert texts(root).count(ROWS[1]) == 3


def test_rows_without_predictions_are_not_drawn(root: Path) -> None:
    for file in (root / "r1" / "predictions").iterdir():
        file.unlink()
    runs = read_csv(root / "into" / "runs.csv")
    assert set(with_predictions(runs, root)["row"]) == {ROWS[0], ROWS[2]}


def test_a_figure_of_cases_stays_where_no_prediction_is_left(root: Path) -> None:
    for file in root.glob("*/predictions/*"):
        file.unlink()
    written = draw(table(), root, root / "into", volumes)
    assert [path.name for path in written] == ["curves.png", "ranks.png"]


def test_cases_without_strokes_or_reference_are_drawn(root: Path) -> None:
    def bare(case: str) -> tuple[np.ndarray, None, None]:
        return volumes(case)[0], None, None

    found = texts(root, bare)
    assert found.count("no scribble") == found.count("no reference") == 3
    assert found.count(ROWS[0]) == 3


def test_of_many_rows_references_and_an_even_choice_of_the_others_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(f"row {i}" for i in range(6))
    runs = [
        write_run(tmp_path, f"r{i}", row=row, shift=i, cases=CASES[:1])
        for i, row in enumerate(rows)
    ]
    collect(runs, tmp_path / "into")
    monkeypatch.setattr(case_figure, "MOST", 4)
    many = table(rows, references=(rows[1],))
    found = texts(tmp_path, which=many)
    shown = [row for row in rows if row in found]
    assert shown == ["row 0", "row 1", "row 3", "row 5"]


def test_curves_and_ranks_need_the_csv_files_alone(tmp_path: Path) -> None:
    write_numbers(tmp_path, *numbers(ROWS, folds=2))
    written = draw_numbers(table(), tmp_path)
    assert [path.name for path in written] == ["curves.png", "ranks.png"]


def test_each_row_has_a_panel_of_dice_over_the_others_and_one_of_loss() -> None:
    rows = tuple(f"row {i}" for i in range(7))
    runs, _, _, curves = numbers(rows)
    axes = [ax for ax in draw_curves(table(rows), runs, curves).get_axes() if ax.get_title()]
    assert [ax.get_title() for ax in axes] == [*rows, *rows]
    assert [len(ax.lines) for ax in axes] == [8] * 7 + [1] * 7
    dice = curves[(curves["run"] == "0310") & (curves["quantity"] == "dice")]
    assert list(axes[3].lines[-1].get_ydata()) == list(dice["value"])


def test_curves_are_means_over_folds_and_seeds() -> None:
    runs, _, _, curves = numbers(ROWS[:1], folds=2)
    curves.loc[(curves["run"] == "0020") & (curves["quantity"] == "dice"), "value"] = 0.0
    first = draw_curves(table(), runs, curves).get_axes()[0].lines[-1].get_ydata()
    dice = curves[(curves["run"] == "0010") & (curves["quantity"] == "dice")]["value"]
    assert list(first) == pytest.approx(list(dice / 2))


@pytest.mark.parametrize("k", [2, 25])
def test_ranks_name_every_row_with_its_mean_rank(k: int) -> None:
    scores = pd.DataFrame({f"row {i}": np.full(9, -i) for i in range(k)})
    found = ranks(scores)
    assert found is not None
    written = {text.get_text() for text in draw_ranks(found).get_axes()[0].texts}
    for i in range(k):
        better = i < -(-k // 2)
        assert (f"row {i}  {i + 1:.2f}" if better else f"{i + 1:.2f}  row {i}") in written
    assert f"critical difference {found.critical:.2f} (9 patients)" in written


def test_bars_join_rows_within_the_critical_difference() -> None:
    mean = pd.Series({"a": 1.0, "b": 1.5, "c": 3.5})
    ax = draw_ranks(Ranks(mean, 10, 0.01, 0.8)).get_axes()[0]
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() > 3]
    assert len(bars) == 1
    assert bars[0] == pytest.approx([1.0, 1.5], abs=0.02)


def test_a_prediction_of_another_shape_is_refused(root: Path) -> None:
    for file in (root / "r1" / "predictions").iterdir():
        nifti.write(file, predict(CASES[0], 0)[:3], SPACING)
    with pytest.raises(ValueError, match=r"pCE & more: prediction .* does not fit the image"):
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
        "cases.png", "cases-stratified.png", "curves.png", "curves-stratified.png"
    ]  # fmt: skip


def test_nothing_finished_draws_nothing(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "r0", status="failed")], tmp_path / "into")
    assert draw(table(), tmp_path, tmp_path / "into", volumes) == []
