import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.audit import FILES
from benchmarks.tables import TABLES
from weakseg.results import read_csv

ROWS = "pCE; AttenScribble"
CHECKOUT = Path(__file__).parents[2]
Command = Callable[..., tuple[object, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``python -m benchmarks`` in this process: exit code (or message) and what was printed."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
        code: object = 0
        try:
            runpy.run_module("benchmarks", run_name="__main__")
        except SystemExit as end:
            code = end.code
        finally:
            signal.signal(signal.SIGTERM, before)
        return code, capfd.readouterr().out

    return run


def words(folder: Path) -> tuple[str, ...]:
    return (
        *("run", "acdc", "--profile", "tiny", "--rows", ROWS, "--jobs", "1"),
        *("--compute.accelerator", "cpu", "--compute.threads", "1"),
        *("--home", str(folder / "home"), "--results", str(folder / "results")),
    )


def launch(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *words(folder)], cwd=CHECKOUT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def until(there: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no run has begun"
        time.sleep(0.02)


@pytest.mark.slow
def test_f02_a_terminated_command_says_75_goes_on_and_then_finds_nothing_to_do(
    tmp_path: Path, command: Command
) -> None:
    process = launch(tmp_path)
    runs = tmp_path / "home" / "runs"
    until(lambda: any(runs.glob("*/run.json")), process)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 75, printed
    assert "the same command goes on from here" in printed
    assert not (tmp_path / "results").exists()

    process = launch(tmp_path)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert "writing a phantom" not in printed
    folder = tmp_path / "results" / "acdc" / "phantom-tiny"
    assert f"table:   {folder / 'table.md'}" in printed
    assert all((folder / name).stat().st_size > 0 for name in FILES)
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert figures == {"cases.png", "curves.png", "ranks.png"}
    found = read_csv(folder / "runs.csv")
    assert set(found["row"]) == {"pCE", "AttenScribble"}
    assert set(found["status"]) == {"done"}

    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/values.csv")}
    files = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert len(before) == 2
    code, printed = command(*words(tmp_path))
    assert code == 0
    assert "runs to do" not in printed
    assert {path: path.stat().st_mtime_ns for path in runs.glob("*/values.csv")} == before
    assert {path: path.read_bytes() for path in files} == files

    code, printed = command("status", "--table", "acdc", "--home", str(tmp_path / "home"))
    assert code == 0
    assert [line.split()[-2] for line in printed.splitlines()[2:]] == ["done", "done"]
    assert all(name in printed for name in ("pCE", "AttenScribble", "stratified", "tiny"))

    (folder / "table.md").unlink()
    code, printed = command("render", "--table", "acdc", "--results", str(tmp_path / "results"))
    index = tmp_path / "results" / "README.md"
    assert code == 0
    assert printed.split() == ["rendered", str(folder / "table.md"), "rendered", str(index)]
    assert (folder / "table.md").read_bytes() == files[folder / "table.md"]


def test_an_unknown_row_ends_with_the_nearest(tmp_path: Path, command: Command) -> None:
    code, printed = command("run", "acdc", "--rows", "AttenScribbl", "--home", str(tmp_path))
    assert "did you mean 'AttenScribble'?" in str(code)
    assert printed == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("run", "acdcc"),
        ("run", "acdc", "--profile", "papr"),
        ("run", "acdc", "--scheme", "six_fold"),
        ("run", "acdc", "--job", "x"),
        ("train", "acdc"),
    ],
)
def test_what_the_command_does_not_know_ends_with_2(
    wrong: tuple[str, ...], command: Command
) -> None:
    assert command(*wrong)[0] == 2


def test_a_folder_without_patients_ends_with_the_layout_that_is_expected(
    tmp_path: Path, command: Command
) -> None:
    download = tmp_path / "download [b]"
    download.mkdir()
    home, results = tmp_path / "home", tmp_path / "results"
    code, printed = command(
        *("run", "acdc", "--profile", "tiny", "--data", str(download)),
        *("--home", str(home), "--results", str(results)),
    )
    assert code == 1
    assert "the data cannot be used:" in printed
    assert str(download) in printed
    assert "patient001" in printed or "patientXXX" in printed
    assert not results.exists()


def test_a_shard_without_runs_has_nothing_to_do(tmp_path: Path, command: Command) -> None:
    code, printed = command(*words(tmp_path), "--shard", "2/3")
    assert code == 0
    assert "nothing to do" in printed
    assert not (tmp_path / "results").exists()


def test_status_before_the_first_run(tmp_path: Path, command: Command) -> None:
    code, printed = command("status", "--home", str(tmp_path))
    assert code == 0
    assert printed.count("no runs yet") == len(TABLES)
