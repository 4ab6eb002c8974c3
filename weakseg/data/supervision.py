"""What training sees as labels."""

import fcntl
import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weakseg.config import identity
from weakseg.data.dataset import Dataset, Sample
from weakseg.data.grid import Grid, Window
from weakseg.data.resident import Resident
from weakseg.types import IGNORE_INDEX

_VERSION = 1
"""Raised when a fix changes what a supervision makes, as is the ``version`` of its rows."""


class Supervision(Protocol):
    """A frozen configuration that makes training labels of a case.

    The result is a function of the configuration and the arguments only; it is computed once and
    cached.
    """

    def labels(self, sample: Sample, grid: Grid, window: Window, case: str) -> NDArray[np.uint8]:
        """Return uint8 [D, S, S] on the grid, ``IGNORE_INDEX`` where nothing is known.

        Args:
            sample: native arrays of the case.
            grid: the network's grid.
            window: where the grid lies in the native slices.
            case: name, from which anything random is seeded.
        """


def labels_of(
    supervision: str | Supervision, dataset: Dataset, source: Resident, grid: Grid, cache: Path
) -> NDArray[np.uint8]:
    """Return uint8 [N, S, S] for the slices of ``source``.

    Args:
        supervision: "scribble", "dense", or a configuration that makes labels of either.
        dataset: prepared data.
        source: its slices on the grid.
        grid: the network's grid.
        cache: folder for labels that had to be made.
    """
    if isinstance(supervision, str):
        return {"scribble": source.scribble, "dense": source.reference}[supervision]
    keys = {
        "content": dataset.content, "grid": grid, "supervision": supervision, "layout": _VERSION,
    }  # fmt: skip
    entry = cache / f"labels-{identity(keys)}.npy"
    if not entry.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with open(entry.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not entry.exists():
                _make(supervision, dataset, source, grid, entry)
    found: NDArray[np.uint8] = np.load(entry, mmap_mode="r")
    return found


def _make(
    supervision: Supervision, dataset: Dataset, source: Resident, grid: Grid, entry: Path
) -> None:
    """Write the labels aside and rename, so that an entry is whole or absent.

    Cases without a scribble, such as those to validate and test on, get none.
    """
    made = np.full(source.scribble.shape, IGNORE_INDEX, np.uint8)
    for case in dataset.cases:
        if case.scribble is not None:
            at = source.where[case.name]
            labels = supervision.labels(dataset.load(case), grid, at.window, case.name)
            made[at.start : at.stop] = labels
    written = entry.with_suffix(".tmp.npy")
    np.save(written, made)
    os.replace(written, entry)
