import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import benchmarks.dispatch
from benchmarks.dispatch import dispatch
from benchmarks.plan import Run
from benchmarks.runner import PREEMPTED
from benchmarks.worker import work
from tests.faults.breaking import Noted
from tests.runs import CONTEXT, CPU, tiny
from weakseg.data.dataset import Dataset


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers of the cheapest kind, and the signal handler of before afterwards."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: CONTEXT)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def noting(runs: list[Run], data: Path, root: Path, *rest: Any) -> None:
    """Work, and note each training that starts."""
    Noted(str(root / "started"))()
    work(runs, data, root, *rest)


def ending(*_: object) -> None:
    sys.exit(3)


def preempted(*_: object) -> None:
    sys.exit(PREEMPTED)


def terminated(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def launched(
    todo: list[Run], dataset: Dataset, root: Path, cache: Path, jobs: int = 2
) -> tuple[int, str]:
    """Return the exit code and what was printed."""
    console = Console(file=io.StringIO(), soft_wrap=True)
    root.mkdir(exist_ok=True)
    code = dispatch(
        todo, dataset.root, root=root, cache=cache, compute=CPU, jobs=jobs, console=console,
        guess=1.0,
    )  # fmt: skip
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_f05_each_run_is_done_once_and_a_failure_stops_no_other(
    phantom: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.dispatch, "work", noting)
    good = [tiny(phantom, label="pCE", steps=2, interval=2, seed=seed) for seed in range(3)]
    bad = replace(good[0], scheme="[batch] x")  # type: ignore[arg-type]
    code, printed = launched([bad, *good], phantom, tmp_path, cache)
    assert code == 1
    assert "pCE failed: ValueError: no split '[batch] x' among" in printed
    assert f"full story: {bad.directory(tmp_path) / 'error.txt'}" in printed
    assert printed.count("done pCE (stratified 1, seed") == 3
    assert printed.count("failed pCE ([batch] x 1, seed 0)") == 1
    started = (tmp_path / "started").read_text().split()
    assert sorted(started) == sorted(run.id for run in good)

    assert launched(good, phantom, tmp_path, cache, jobs=1) == (0, "")
    assert (tmp_path / "started").read_text().split() == started


def test_a_failed_run_is_tried_again(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    run = tiny(phantom, label="pCE", steps=2, interval=2)
    out = run.directory(tmp_path)
    out.mkdir()
    (out / "error.txt").write_text("OSError: the disk was full\n")
    code, printed = launched([run], phantom, tmp_path, cache, jobs=1)
    assert code == 0
    assert "done pCE" in printed
    assert (out / "values.csv").exists()
    assert not (out / "error.txt").exists()


def test_a_worker_that_dies_is_reported_with_its_log(
    phantom: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.dispatch, "work", ending)
    code, printed = launched([tiny(phantom)], phantom, tmp_path, cache, jobs=1)
    assert code == 1
    assert f"a worker ended with code 3; see {tmp_path / 'worker-0.log'}" in printed


@pytest.mark.parametrize("how", [preempted, terminated])
def test_sigterm_to_a_worker_preempts_the_whole(
    how: Any, phantom: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.dispatch, "work", how)
    assert launched([tiny(phantom)], phantom, tmp_path, cache)[0] == PREEMPTED


@pytest.mark.parametrize(
    ("there", "visible", "jobs", "each", "devices"),
    [
        (0, None, 2, 1, [None, None]),
        (1, None, 1, 1, [None]),
        (4, None, 4, 1, ["0", "1", "2", "3"]),
        (4, None, 2, 2, ["0,1", "2,3"]),
        (2, None, 3, 1, ["0", "1", "0"]),
        (2, "5,7", 2, 1, ["5", "7"]),
        (4, "GPU-a,GPU-b,GPU-c,GPU-d", 2, 2, ["GPU-a,GPU-b", "GPU-c,GPU-d"]),
        (1, "3", 1, 1, [None]),
    ],
)
def test_workers_get_gpus_of_their_own_among_those_this_process_may_see(
    there: int, visible: str | None, jobs: int, each: int, devices: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert benchmarks.dispatch._devices(jobs, each) == devices
