import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.collect import STREAMED, case_means, collect
from weakseg.results import RUNS, VALUES, read_csv, write_csv

from . import streams
from .synthetic import CASES, write_run


def value(into: Path, **where: str) -> pd.Series:
    frame = read_csv(into / "values.csv")
    for column, wanted in where.items():
        frame = frame[frame[column] == wanted]
    assert len(frame) == 1
    return frame.iloc[0]


def test_three_files_with_one_line_per_run_case_and_value(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, "a1"), write_run(tmp_path, "b2", row="full supervision")]
    collect(runs, tmp_path / "into")
    assert list(read_csv(tmp_path / "into" / "runs.csv").columns) == list(RUNS)
    assert len(read_csv(tmp_path / "into" / "cases.csv")) == 2 * 3 * len(CASES) * 3
    values = read_csv(tmp_path / "into" / "values.csv")
    assert list(values.columns) == list(VALUES)
    assert len(values) == 2 * 3 * (3 * 6 + 4 + 2)


def test_collecting_in_any_order_gives_equal_bytes(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, "a1"), write_run(tmp_path, "b2", fold=2, shift=3)]
    collect(runs, tmp_path / "one")
    collect(runs[::-1], tmp_path / "two")
    for name in ("runs.csv", "cases.csv", "values.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_values_are_means_over_cases_and_class_means_are_per_case(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a1", shift=2)
    collect([run], tmp_path / "into")
    cases = read_csv(run / "values.csv")
    last = cases[cases["selection"] == "last"]
    lv = last[last["class"] == "LV"]["hd95"]
    found = value(tmp_path / "into", selection="last", **{"class": "LV"}, metric="hd95")
    assert tuple(found[["value", "sd", "n"]]) == pytest.approx((lv.mean(), lv.std(), 4), rel=1e-5)
    mean = last.groupby("case")["dice"].mean()
    found = value(tmp_path / "into", selection="last", **{"class": "mean"}, metric="dice")
    assert tuple(found[["value", "sd", "n"]]) == pytest.approx(
        (mean.mean(), mean.std(), 4), rel=1e-5
    )


def test_a_missed_structure_is_counted_and_takes_the_distance_of_its_case(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "a1", missed=CASES[:1])], tmp_path / "into")
    last = {"selection": "last"}
    assert value(tmp_path / "into", **last, **{"class": "RV"}, metric="missed")["value"] == 1
    assert value(tmp_path / "into", **last, **{"class": "all"}, metric="missed")["value"] == 1
    assert value(tmp_path / "into", **last, **{"class": "RV"}, metric="dice")["n"] == 4
    assert value(tmp_path / "into", **last, **{"class": "RV"}, metric="hd95")["n"] == 3
    assert value(tmp_path / "into", **last, **{"class": "LV"}, metric="hd95")["n"] == 4
    assert value(tmp_path / "into", **last, **{"class": "mean"}, metric="hd95")["n"] == 3


def test_a_class_absent_from_reference_and_prediction_leaves_the_mean_to_the_others() -> None:
    nan = math.nan
    cases = pd.DataFrame(
        [("x", nan, nan, nan, nan), ("x", 0.8, 4.0, 5.0, 1.0), ("y", nan, nan, nan, nan)],
        columns=["case", "dice", "hd95", "hd95_max", "assd"],
    )
    means = case_means(cases)
    assert means.loc["x"].tolist() == [0.8, 4.0, 5.0, 1.0]
    assert "y" not in means.index


def test_failed_and_missing_runs_keep_their_line(tmp_path: Path) -> None:
    lying = write_run(tmp_path, "c3")
    (lying / "values.csv").unlink()
    killed = write_run(tmp_path, "e5", status="running")
    runs = [write_run(tmp_path, "a1"), write_run(tmp_path, "b2", status="failed")]
    collect([*runs, lying, tmp_path / "d4", killed], tmp_path / "into")
    found = read_csv(tmp_path / "into" / "runs.csv").set_index("run")["status"].to_dict()
    assert found == {
        "a1": "done", "b2": "failed", "c3": "missing", "d4": "missing", "e5": "running"
    }  # fmt: skip
    assert set(read_csv(tmp_path / "into" / "values.csv")["run"]) == {"a1"}


def test_without_a_finished_run_the_files_have_headers_only(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "b2", status="failed")], tmp_path / "into")
    assert len(read_csv(tmp_path / "into" / "values.csv")) == 0
    assert len(read_csv(tmp_path / "into" / "cases.csv")) == 0


@pytest.mark.parametrize(
    ("name", "other"), [("content", "dead" * 16), ("profile", "paper"), ("data", "real")]
)
def test_runs_of_different_data_or_profile_never_meet(
    tmp_path: Path, name: str, other: str
) -> None:
    mine = json.loads((write_run(tmp_path, "a1") / "run.json").read_text())[name]
    write_run(tmp_path, "b2", **{name: other})
    with pytest.raises(ValueError, match=f"one {name}, got '{mine}' .*'{other}'"):
        collect([tmp_path / "a1", tmp_path / "b2"], tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_unfinished_runs_of_other_data_are_refused_too(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, "a1"), write_run(tmp_path, "b2", status="failed", content="other")]
    with pytest.raises(ValueError, match="one content"):
        collect(runs, tmp_path / "into")


def test_large_seeds_stay_exact(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "a1", seed=123456789), tmp_path / "none"], tmp_path / "into")
    assert "123456789" in (tmp_path / "into" / "runs.csv").read_text()


def test_wrong_calls_and_damaged_records_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a1")
    with pytest.raises(ValueError, match="no runs"):
        collect([], tmp_path / "into")
    with pytest.raises(ValueError, match="a1 is given twice"):
        collect([run, run], tmp_path / "into")
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: not a run record"):
        collect([run], tmp_path / "into")


def test_an_old_schema_of_a_run_is_refused_by_name(tmp_path: Path) -> None:
    run = write_run(tmp_path, "a1")
    frame = pd.read_csv(run / "values.csv").drop(columns="spurious")
    frame.to_csv(run / "values.csv", index=False)
    with pytest.raises(ValueError, match=r"values\.csv: .*missing \['spurious'\]"):
        collect([run], tmp_path / "into")


def test_written_values_read_as_numbers(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "a1")], tmp_path / "into")
    values = read_csv(tmp_path / "into" / "values.csv")
    assert values["value"].dtype == np.float64
    write_csv(tmp_path / "again.csv", values)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "into/values.csv").read_bytes()


def stream_run(root: Path, run: str) -> Path:
    """Write what a stream leaves, of the first run of the frames."""
    out = root / run
    frames = streams.frames(seeds=1)
    out.mkdir()
    for name, file in (("cases", "values"), *((n, n) for n in ("positions", "rounds", "windows"))):
        mine = frames[name][frames[name]["run"] == "001"]
        write_csv(out / f"{file}.csv", mine.drop(columns="run"))
    return out


def test_the_files_of_streams_are_gathered_with_the_run_in_each_line(tmp_path: Path) -> None:
    runs = [stream_run(tmp_path, "a1"), stream_run(tmp_path, "b2")]
    collect(runs, tmp_path / "into", gathered=STREAMED)
    for name in ("positions", "rounds", "windows", "cases"):
        lines = read_csv(tmp_path / "into" / f"{name}.csv")
        assert sorted(set(lines["run"])) == ["a1", "b2"]
        source = "values" if name == "cases" else name
        assert len(lines) == 2 * len(read_csv(tmp_path / "a1" / f"{source}.csv"))
    assert not (tmp_path / "into" / "curves.csv").exists()


def test_lines_of_streams_computed_elsewhere_are_kept(tmp_path: Path) -> None:
    collect([stream_run(tmp_path, "a1")], tmp_path / "into", gathered=STREAMED)
    before = read_csv(tmp_path / "into" / "rounds.csv")
    new = [stream_run(tmp_path, "b2")]
    collect(new, tmp_path / "into", keep=["a1"], gathered=STREAMED)
    after = read_csv(tmp_path / "into" / "rounds.csv")
    pd.testing.assert_frame_equal(after[after["run"] == "a1"], before)
    assert set(after["run"]) == {"a1", "b2"}


def test_a_stream_that_is_done_and_lacks_a_file_is_refused(tmp_path: Path) -> None:
    run = stream_run(tmp_path, "a1")
    (run / "rounds.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"rounds\.csv"):
        collect([run], tmp_path / "into", gathered=STREAMED)
