"""Share a table's runs among worker processes and watch them."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from benchmarks.plan import DONE, FAILED, Run
from benchmarks.progress import Display
from benchmarks.runner import PREEMPTED
from benchmarks.worker import work
from weakseg.config import Compute

PATIENCE = 30.0
"""Seconds a worker gets to save its step."""


def dispatch(
    runs: list[Run],
    data: Path,
    *,
    root: Path,
    cache: Path,
    compute: Compute,
    jobs: int,
    console: Console,
    guess: float,
) -> int:
    """Start ``jobs`` workers and wait for them.

    Args:
        runs: of the table.
        data: the prepared data set.
        root: folder of run directories.
        cache: folder for the data on the grid.
        compute: devices and precision of one run.
        jobs: worker processes.
        console: where progress is shown.
        guess: seconds the whole is thought to take.

    Returns:
        0 where every run is done, 1 where one failed, ``PREEMPTED`` after SIGTERM or Ctrl-C.
    """
    for run in runs:
        (run.directory(root) / FAILED).unlink(missing_ok=True)
    spawn = multiprocessing.get_context("spawn")
    workers: list[BaseProcess] = [
        spawn.Process(
            target=work,
            args=(runs, data, root, cache, compute, device, root / f"worker-{index}.log"),
        )
        for index, device in enumerate(_devices(jobs, compute.devices))
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped = False
    try:
        display = Display(runs, root, console, guess)  # before anything can finish
        _start(workers)
        with display:
            while any(worker.is_alive() for worker in workers):
                display.update()
                time.sleep(0.5)
            display.update()
    except KeyboardInterrupt:
        stopped = True
        console.print("stopping after this step; the same command goes on from here")
    finally:
        _stop(workers)
    if stopped or any(w.exitcode in (PREEMPTED, -signal.SIGTERM) for w in workers):
        return PREEMPTED
    return _report(runs, workers, root, console)


def _devices(jobs: int, each: int) -> list[str | None]:
    """Return the GPUs of each worker, or None where it may choose."""
    there = torch.cuda.device_count()
    if there <= each:
        return [None] * jobs
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(there)]
    return [
        ",".join(names[(index * each + i) % there] for i in range(each)) for index in range(jobs)
    ]


def _start(workers: Sequence[BaseProcess]) -> None:
    """Start workers that Ctrl-C does not reach: they are told to stop by SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for worker in workers:
            worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _stop(workers: Sequence[BaseProcess]) -> None:
    """End what still runs, giving it time to save; a second Ctrl-C does not cut that short."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    for worker in workers:
        if worker.pid is not None:
            worker.join(PATIENCE)
            if worker.is_alive():
                worker.kill()
                worker.join()
    signal.signal(signal.SIGINT, before)


def _report(runs: list[Run], workers: Sequence[BaseProcess], root: Path, console: Console) -> int:
    for run in runs:
        failed = run.directory(root) / FAILED
        if failed.exists():
            cause = failed.read_text().splitlines()[0]
            console.print(f"[red]{escape(run.row)}[/] failed: {escape(cause)}")
            console.print(f"  full story: {failed}", highlight=False, markup=False)
    for index, worker in enumerate(workers):
        if worker.exitcode:
            log = root / f"worker-{index}.log"
            console.print(
                f"[red]a worker ended with code {worker.exitcode}[/]; see {escape(str(log))}"
            )
    return int(any(not (run.directory(root) / DONE).exists() for run in runs))
