import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from weakseg import results
from weakseg.results import CURVE, RUN_CASES, Group, pool, read_csv, summarise, write_csv


def curve() -> pd.DataFrame:
    lines = [(20, "val", "dice", 0.123456789), (3, "train", "loss", math.nan)]
    return pd.DataFrame(lines, columns=list(CURVE))


def case_line(**changes: object) -> pd.DataFrame:
    line = dict.fromkeys(RUN_CASES, "x") | dict.fromkeys((*results.METRICS, *results.COUNTS), 0)
    return pd.DataFrame([line | changes])


def test_files_are_sorted_with_six_digits_and_empty_for_nan(tmp_path: Path) -> None:
    write_csv(tmp_path / "deep" / "curve.csv", curve())
    text = (tmp_path / "deep" / "curve.csv").read_bytes()
    assert text == b"step,split,quantity,value\n3,train,loss,\n20,val,dice,0.123457\n"


def test_equal_results_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", curve())
    write_csv(tmp_path / "b.csv", curve()[::-1][list(CURVE)[::-1]])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_what_is_read_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", curve())
    write_csv(tmp_path / "b.csv", read_csv(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_names_that_look_like_numbers_or_nothing_stay_text(tmp_path: Path) -> None:
    write_csv(tmp_path / "v.csv", case_line(case="001", patient="12e456", group="NA"))
    line = read_csv(tmp_path / "v.csv").iloc[0]
    assert (line["case"], line["patient"], line["group"]) == ("001", "12e456", "NA")


def test_other_columns_are_refused_on_writing_and_reading(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing \['value'\], unknown \['score'\]"):
        write_csv(tmp_path / "c.csv", curve().rename(columns={"value": "score"}))
    assert not (tmp_path / "c.csv").exists()
    (tmp_path / "old.csv").write_text("step,quantity,value\n1,loss,2\n")
    with pytest.raises(ValueError, match=r"old\.csv: these columns .*missing \['split'\]"):
        read_csv(tmp_path / "old.csv")


@pytest.mark.parametrize("name", ["POSITIONS", "ROUNDS", "WINDOWS"])
def test_files_of_a_stream_are_written_in_their_column_order_with_and_without_the_run(
    tmp_path: Path, name: str
) -> None:
    columns = getattr(results, name)
    line = dict.fromkeys(columns, 0.5) | {"case": "007"}
    for schema, more in ((columns, {}), (getattr(results, f"ALL_{name}"), {"run": "12e4"})):
        frame = pd.DataFrame([line | more])[list(schema)[::-1]]
        write_csv(tmp_path / "f.csv", frame)
        found = read_csv(tmp_path / "f.csv")
        assert tuple(found.columns) == schema
        assert found["case"].tolist() == ["007"]
        assert found.get("run", pd.Series(["12e4"])).tolist() == ["12e4"]
        assert found[columns[0]].tolist() == [0.5]


def test_a_position_that_was_not_evaluated_has_an_empty_score(tmp_path: Path) -> None:
    line = dict.fromkeys(results.POSITIONS, 1) | {"case": "a", "test_soft": math.nan}
    write_csv(tmp_path / "p.csv", pd.DataFrame([line]))
    assert ",,1," in (tmp_path / "p.csv").read_text()
    assert math.isnan(read_csv(tmp_path / "p.csv")["test_soft"][0])


def test_empty_frames_keep_their_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "c.csv", curve()[:0])
    assert len(read_csv(tmp_path / "c.csv")) == 0


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "c.csv", curve())
    before = (tmp_path / "c.csv").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_csv(tmp_path / "c.csv", curve()[:1])
    assert (tmp_path / "c.csv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv"]


def test_a_killed_writer_leaves_a_complete_file(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from weakseg.results import write_text\n"
        "path = pathlib.Path(sys.argv[1]); print('ready', flush=True)\n"
        "while True:\n    write_text(path, 'x' * 100_000 + 'end')\n"
    )
    path = tmp_path / "file.txt"
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    while not path.exists():
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert path.read_text().endswith("end")
    assert len(path.read_text()) == 100_003


def test_pooling_groups_equals_the_statistics_of_all_their_cases() -> None:
    draw = np.random.default_rng(0)
    parts = [draw.normal(m, s, n) for m, s, n in [(0.8, 0.1, 40), (0.6, 0.3, 7), (0.9, 0.01, 1)]]
    pooled = pool(summarise(part) for part in parts)
    together = np.concatenate(parts)
    assert pooled.n == 48
    assert pooled.value == pytest.approx(together.mean(), rel=1e-12)
    assert pooled.sd == pytest.approx(together.std(ddof=1), rel=1e-12)


def test_groups_without_cases_count_for_nothing() -> None:
    nothing = Group(math.nan, math.nan, 0)
    assert pool([nothing, Group(0.5, 0.1, 4)]) == pytest.approx(Group(0.5, 0.1, 4))
    empty = pool([nothing])
    assert empty.n == 0
    assert math.isnan(empty.value)
    assert math.isnan(empty.sd)


def test_one_case_has_no_spread() -> None:
    assert math.isnan(summarise([0.5, math.nan]).sd)
    assert summarise([0.5, math.nan])[::2] == (0.5, 1)
