"""A process that computes the runs nobody else has taken."""

import os
import signal
import sys
import time
from pathlib import Path

from lightning.pytorch.utilities.exceptions import SIGTERMException

from benchmarks.plan import Run
from benchmarks.runner import PREEMPTED, execute
from weakseg.config import Compute
from weakseg.data.dataset import Dataset


def work(
    runs: list[Run],
    data: Path,
    root: Path,
    cache: Path,
    compute: Compute,
    device: str | None,
    log: Path,
) -> None:
    """Compute runs until each is done or has failed; end with ``PREEMPTED`` on SIGTERM.

    Args:
        runs: in order of preference.
        data: the prepared data set.
        root: folder of run directories.
        cache: folder for the data on the grid.
        compute: devices and precision.
        device: the GPU this worker may see, or None for all.
        log: file that takes everything the run prints.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _preempted)
    _print_into(log)
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    parent = os.getppid()
    dataset = Dataset.open(data)
    waiting = list(runs)
    try:
        while waiting and os.getppid() == parent:
            waiting = [
                run
                for run in waiting
                if not execute(run, dataset, root=root, cache=cache, compute=compute, parent=parent)
            ]
            if waiting:
                time.sleep(1.0)
    except SIGTERMException:
        sys.exit(PREEMPTED)


def _preempted(*_: object) -> None:
    """SIGTERM outside of training, where nothing needs saving."""
    raise SIGTERMException


def _print_into(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab", buffering=0) as stream:
        for output in (1, 2):
            os.dup2(stream.fileno(), output)
