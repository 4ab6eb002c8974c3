import io
import json
import os
import time
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import progress
from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.progress import Display
from benchmarks.tables import TABLES

PCE, CRF = (row for row in TABLES["acdc"].rows if row.label in ("pCE", "pCE + masked CRF"))


@pytest.fixture
def pair() -> list[Run]:
    return runs(TABLES["acdc"], PROFILES["tiny"], (PCE, CRF), "phantom", "c0ffee")


def console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=160, color_system=None)


def said(display: Display) -> str:
    assert isinstance(display.console.file, io.StringIO)
    text = display.console.file.getvalue()
    display.console.file.seek(0)
    display.console.file.truncate()
    return text


def tell(run: Run, root: Path, step: int, **terms: float) -> Path:
    out = run.directory(root)
    out.mkdir(exist_ok=True)
    state = {"step": step, "steps": 4000, "terms": terms, "seconds_per_step": 0.5, "seconds": 9.0}
    (out / "progress.json").write_text(json.dumps(state))
    return out


def shown(display: Display) -> str:
    display.console.print(display.view())
    return said(display)


def test_the_view_shows_step_terms_time_left_and_rows_done(pair: list[Run], tmp_path: Path) -> None:
    tell(pair[0], tmp_path, 1000, partial_ce=0.51234)
    tell(pair[1], tmp_path, 3999, partial_ce=0.25, masked_crf=1.5)
    one, other, total, *_ = shown(Display(pair, tmp_path, console(), 100.0)).splitlines()
    assert one.startswith("pCE (stratified 1, seed 0)")
    assert "step 1000/4000, 25:00 left" in one
    assert "partial_ce 0.512" in one
    assert other.startswith("pCE + masked CRF (stratified 1, seed 0)")
    assert "partial_ce 0.250  masked_crf 1.500" in other
    assert "0/2 rows done, 0:00 so far" in total


def test_a_trained_run_is_being_scored_and_a_finished_one_leaves_the_list(
    pair: list[Run], tmp_path: Path
) -> None:
    out = tell(pair[0], tmp_path, 4000)
    display = Display(pair, tmp_path, console(), 100.0)
    assert "scoring" in shown(display)
    (out / "values.csv").touch()
    (total,) = (line for line in shown(display).splitlines() if line.strip())
    assert "1/2 rows done" in total


def test_a_run_nobody_has_told_of_for_minutes_is_not_called_active(
    pair: list[Run], tmp_path: Path
) -> None:
    out = tell(pair[0], tmp_path, 1000)
    os.utime(out / "progress.json", (time.time() - 300,) * 2)
    assert "pCE" not in shown(Display(pair, tmp_path, console(), 100.0))


def test_time_left_is_the_guess_at_first_then_what_was_measured(
    pair: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = Display(pair, tmp_path, console(), 100.0)
    assert "about 1:40 left" in shown(display)
    now[0] += 40
    assert "0:40 so far, about 1:00 left" in shown(display)
    now[0] += 1000
    assert "about 0:00 left" in shown(display)
    (tell(pair[0], tmp_path, 4000) / "values.csv").touch()
    assert "1/2 rows done, 17:20 so far, about 17:20 left" in shown(display)


def test_runs_done_before_take_no_part_in_the_time_left(
    pair: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    (tell(pair[0], tmp_path, 4000) / "values.csv").touch()
    display = Display(pair, tmp_path, console(), 100.0)
    tell(pair[1], tmp_path, 2000)
    now[0] = 45.0
    assert "1/2 rows done, 0:45 so far, about 0:55 left" in shown(display)


def test_what_a_run_says_of_its_place_stands_instead_of_its_step(
    pair: list[Run], tmp_path: Path
) -> None:
    out = tell(pair[0], tmp_path, 1000, proxy=0.9)
    state = json.loads((out / "progress.json").read_text())
    (out / "progress.json").write_text(json.dumps(state | {"text": "case 3/60, round 2"}))
    line, *_ = shown(Display(pair, tmp_path, console(), 100.0)).splitlines()
    assert "case 3/60, round 2, 25:00 left" in line
    assert "step" not in line


def test_each_end_of_a_run_is_said_once(pair: list[Run], tmp_path: Path) -> None:
    with Display(pair, tmp_path, console(), 100.0) as display:
        display.update()
        assert said(display) == ""
        (tell(pair[0], tmp_path, 4000) / "values.csv").touch()
        display.update()
        assert said(display) == "done pCE (stratified 1, seed 0) (0:00)\n"
        (tell(pair[1], tmp_path, 10) / "error.txt").touch()
        display.update()
        assert said(display) == "failed pCE + masked CRF (stratified 1, seed 0) (0:00)\n"
        display.update()
        assert said(display) == ""
    with Display(pair, tmp_path, console(), 100.0) as display:
        display.update()
        assert said(display) == ""


def test_without_a_terminal_a_plain_line_comes_now_and_then(
    pair: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    tell(pair[0], tmp_path, 1000, partial_ce=0.5)
    with Display(pair, tmp_path, console(), 100.0) as display:
        now[0] = 29.0
        display.update()
        assert said(display) == ""
        now[0] = 31.0
        display.update()
        display.update()
        one, total = said(display).splitlines()
        assert one == "pCE (stratified 1, seed 0): step 1000/4000, 25:00 left; partial_ce 0.500"
        assert total.startswith("0/2 rows done, 0:31 so far, about ")
        now[0] = 62.0
        display.update()
        assert "0:62" not in said(display)


def test_on_a_terminal_the_view_is_redrawn_at_every_update(pair: list[Run], tmp_path: Path) -> None:
    tell(pair[0], tmp_path, 1000)
    with Display(pair, tmp_path, console(terminal=True), 100.0) as display:
        display.update()
        assert "step 1000/4000" in said(display)
        tell(pair[0], tmp_path, 1234)
        display.update()
        assert "step 1234/4000" in said(display)
