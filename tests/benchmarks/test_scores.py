import math

import pandas as pd
import pytest

from benchmarks.scores import by_patient, complete, finished, of_row, per_case

from .synthetic import CLASSES, ROWS, numbers


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and cases of two rows, two folds and two seeds."""
    runs, _, cases, _ = numbers(ROWS[:2], patients=3, folds=2, seeds=2)
    return runs, cases


def chosen(cases: pd.DataFrame, case: str, cls: str, selection: str = "last") -> pd.DataFrame:
    lines = (cases["case"] == case) & (cases["class"] == cls) & (cases["selection"] == selection)
    return cases[lines & cases["run"].str.startswith("00")]


def test_a_case_is_the_mean_over_its_seeds(frames) -> None:
    runs, cases = frames
    found = of_row(per_case(runs, cases, "last"), ROWS[0], "dice", "LV")
    assert len(found) == 12
    lines = chosen(cases, "patient202_frame01", "LV")
    assert len(lines) == 2
    assert found[(2, "patient202", "patient202_frame01")] == pytest.approx(lines["dice"].mean())


def test_class_mean_is_over_the_classes_that_a_case_counts(frames) -> None:
    runs, cases = frames
    index = chosen(cases, "patient100_frame02", "RV").index
    cases.loc[index, ["dice", "hd95", "hd95_max", "assd"]] = math.nan
    found = of_row(per_case(runs, cases, "last"), ROWS[0], "dice", "mean")
    wanted = [chosen(cases, "patient100_frame02", cls)["dice"].mean() for cls in CLASSES[1:]]
    assert found[(1, "patient100", "patient100_frame02")] == pytest.approx(sum(wanted) / 2)


def test_a_distance_needs_every_seed_but_dice_does_not(frames) -> None:
    runs, cases = frames
    first, second = chosen(cases, "patient100_frame01", "LV").index
    cases.loc[first, ["dice", "hd95"]] = math.nan
    scores, case = per_case(runs, cases, "last"), (1, "patient100", "patient100_frame01")
    assert math.isnan(of_row(scores, ROWS[0], "hd95", "LV")[case])
    assert of_row(scores, ROWS[0], "dice", "LV")[case] == cases.loc[second, "dice"]


def test_counts_are_averaged_over_seeds_and_added_over_classes(frames) -> None:
    runs, cases = frames
    for cls in CLASSES[:2]:
        cases.loc[chosen(cases, "patient100_frame01", cls).index[0], "missed"] = 1
    found = of_row(per_case(runs, cases, "last"), ROWS[0], "missed", "all")
    assert found[(1, "patient100", "patient100_frame01")] == 1.0
    assert found.sum() == 1.0


def test_runs_that_are_not_done_and_other_splits_count_for_nothing(frames) -> None:
    runs, cases = frames
    runs.loc[runs["fold"] == 2, "status"] = "failed"
    cases.loc[cases["patient"] == "patient100", "split"] = "val"
    found = per_case(runs, cases, "last").index
    assert set(found.get_level_values("fold")) == {1}
    assert set(found.get_level_values("patient")) == {"patient101", "patient102"}


def test_a_row_or_class_without_scores_is_empty(frames) -> None:
    scores = per_case(*frames, "last")
    assert not len(of_row(scores, "another", "dice", "mean"))
    assert not len(of_row(scores, ROWS[0], "dice", "liver"))


def test_patients_are_the_mean_of_their_cases(frames) -> None:
    scores = per_case(*frames, "last")
    found = by_patient(scores, list(ROWS[:2]))
    assert found.shape == (6, 2)
    mean = of_row(scores, ROWS[1], "dice", "mean")
    cases = [mean[(1, "patient101", f"patient101_frame0{i}")] for i in (1, 2)]
    assert found.loc[(1, "patient101"), ROWS[1]] == pytest.approx(sum(cases) / 2)


def test_complete_rows_finished_all_they_began_and_every_fold(frames) -> None:
    runs, _ = frames
    assert complete(runs, ROWS) == list(ROWS[:2])
    assert complete(runs.drop(index=runs.index[:2]), ROWS) == [ROWS[1]]
    failed = runs.assign(status=["failed", *["done"] * 7])
    assert complete(failed, ROWS) == [ROWS[1]]
    assert finished(failed, ROWS) == list(ROWS[:2])
    assert complete(runs.drop(index=runs.index[1]), ROWS) == list(ROWS[:2])
