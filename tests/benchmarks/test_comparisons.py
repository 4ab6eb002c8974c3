import math

import pandas as pd
import pytest

from benchmarks.blocks import Block, Grid, Text
from benchmarks.cells import NOTHING, Results
from benchmarks.comparisons import checkpoints, comparisons, mean_ranks, ranked, seeds, times
from benchmarks.scores import by_patient
from benchmarks.statistics import holm

from .synthetic import numbers, table

ROWS = ("full supervision", "pCE", "AttenScribble")
TABLE = table(ROWS, references=("full supervision", "AttenScribble"))


def of(frames: list[pd.DataFrame]) -> Results:
    return Results(*frames[:3])


def frames_in(blocks: list[Block]) -> list[pd.DataFrame]:
    return [block.frame for block in blocks if isinstance(block, Grid)]


def text_of(blocks: list[Block]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, Text))


def test_every_other_row_is_compared_with_every_reference() -> None:
    full, atten = frames_in(comparisons(TABLE, of(numbers(ROWS, patients=9))))
    assert list(full.index) == ["pCE", "AttenScribble"]
    assert list(atten.index) == ["full supervision", "pCE"]
    assert (full["n, Dice"] == "9").all()
    assert float(full.loc["AttenScribble", "Δ Dice mean"]) == pytest.approx(-0.04, abs=0.004)
    assert float(full.loc["AttenScribble", "Δ HD95 mean (mm)"]) == pytest.approx(2, abs=0.2)
    assert float(full.loc["pCE", "p, Dice"]) == pytest.approx(2 / 2**9, rel=0.05)


def test_p_values_are_corrected_within_a_reference_and_a_quantity() -> None:
    for frame in frames_in(comparisons(TABLE, of(numbers(ROWS, patients=6)))):
        for name in ("Dice", "HD95"):
            raw, adjusted = ([float(p) for p in frame[f"{p_}, {name}"]] for p_ in ("p", "p Holm"))
            assert adjusted == pytest.approx(holm(raw), rel=0.02)


def test_references_without_a_finished_run_are_skipped() -> None:
    found = numbers(ROWS)
    found[0].loc[found[0]["row"] == "full supervision", "status"] = "failed"
    blocks = comparisons(TABLE, of(found))
    assert "Against **AttenScribble**" in text_of(blocks)
    assert "Against **full supervision**" not in text_of(blocks)
    assert [list(frame.index) for frame in frames_in(blocks)] == [["pCE"]]
    assert comparisons(table(ROWS), of(found)) == []


def test_rows_with_fewer_folds_are_compared_on_the_common_ones() -> None:
    found = numbers(ROWS, patients=7, folds=2)
    runs = found[0]
    runs.loc[(runs["row"] == "pCE") & (runs["fold"] == 2), "status"] = "failed"
    full = frames_in(comparisons(TABLE, of(found)))[0]
    assert list(full["n, Dice"]) == ["7", "14"]


def test_cases_with_a_missed_structure_leave_the_distance_alone() -> None:
    found = numbers(ROWS, patients=7)
    cases = found[2]
    missed = (
        (cases["run"] == "0110") & (cases["patient"] == "patient100") & (cases["class"] == "RV")
    )
    cases.loc[missed, ["hd95", "dice"]] = [math.nan, 0.0]
    full = frames_in(comparisons(TABLE, of(found)))[0]
    assert list(full.loc["pCE", ["n, Dice", "n, HD95"]]) == ["7", "6"]


def test_only_rows_with_all_runs_are_ranked() -> None:
    found = numbers(ROWS, folds=2)
    assert list(ranked(TABLE, of(found)).mean) == [1.0, 2.0, 3.0]
    found[0].loc[found[0].index[-1], "status"] = "failed"
    assert set(ranked(TABLE, of(found)).mean.index) == set(ROWS[:2])


def test_mean_ranks_are_of_patients_and_written_best_first() -> None:
    results = of(numbers(ROWS[::-1], patients=6))
    blocks = mean_ranks(TABLE, results, "ranks.png")
    assert list(frames_in(blocks)[0].index) == ["AttenScribble", "pCE", "full supervision"]
    assert len(by_patient(results.scores("last"), ROWS)) == 6
    assert "averaged over 6 patients; 3 rows" in text_of(blocks)
    assert mean_ranks(TABLE, of(numbers(ROWS[:1])), "ranks.png") == []


def test_selection_on_test_cases_is_told_in_a_sentence() -> None:
    blocks = checkpoints(TABLE, of(numbers(ROWS)))
    assert "adds +0.010 to the last step, at most +0.010" in text_of(blocks)
    assert "selection on validation cases adds +0.005" in text_of(blocks)
    frame = frames_in(blocks)[0]
    assert set(frame["test − last"]) == {"+0.010"}  # noqa: RUF001


def test_no_gain_is_not_called_a_greatest_one() -> None:
    found = numbers(ROWS)
    cases = found[2]
    last = cases[cases["selection"] == "last"]
    same = pd.concat([last.assign(selection=s) for s in ("last", "best-val", "best-test")])
    blocks = checkpoints(TABLE, Results(found[0], found[1], same))
    assert "adds +0.000 to the last step; selection" in text_of(blocks)


def test_seeds_are_listed_where_there_are_several() -> None:
    found = numbers(ROWS, seeds=3, folds=2)
    runs, values = found[0], found[1]
    runs.loc[(runs["row"] == "pCE") & (runs["seed"] == 2), "status"] = "failed"
    frame = frames_in(seeds(TABLE, of(found)))[0]
    assert list(frame["seeds"]) == ["3", "2", "3"]
    assert frame.loc["pCE", "seed 2"] == NOTHING
    mine = values[(values["selection"] == "last") & (values["class"] == "mean")]
    mine = mine[(mine["metric"] == "dice") & mine["run"].isin(["0011", "0021"])]
    assert float(frame.loc[ROWS[0], "seed 1"]) == pytest.approx(mine["value"].mean(), abs=6e-4)
    means = [float(frame.loc[ROWS[0], f"seed {i}"]) for i in range(3)]
    assert float(frame.loc[ROWS[0], "sd over seeds"]) == pytest.approx(
        pd.Series(means).std(), abs=1.1e-3
    )
    assert seeds(TABLE, of(numbers(ROWS))) == []


def test_times_are_multiples_of_pce_on_the_same_device() -> None:
    runs = numbers(ROWS)[0]
    runs["seconds"] = [120.0, 60.0, 260.0]
    frame = frames_in(times(TABLE, runs))[0]
    assert list(frame["mean (min)"]) == ["2.0", "1.0", "4.3"]
    assert list(frame["mean / pCE"]) == ["2.00", "1.00", "4.33 (above 4)"]
    elsewhere = runs.assign(device=["GPU", "CPU", "CPU"])
    assert frames_in(times(TABLE, elsewhere))[0].loc[ROWS[0], "mean / pCE"] == NOTHING


def test_times_are_added_up_over_runs() -> None:
    frame = frames_in(times(TABLE, numbers(ROWS, seeds=2, folds=2)[0]))[0]
    assert list(frame.loc["pCE"]) == ["4", "10.0", "2.5", "1.00"]
    nothing = numbers(ROWS)[0].assign(status="failed")
    assert times(TABLE, nothing) == []
