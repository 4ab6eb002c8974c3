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
    keys = {"content": dataset.content, "grid": grid, "supervision": supervision, "layout": 1}
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
    """Write the labels aside and rename, so that an entry is whole or absent."""
    made = np.concatenate(
        [
            supervision.labels(dataset.load(case), grid, source.where[case.name].window, case.name)
            for case in dataset.cases
        ]
    )
    if made.shape != source.scribble.shape or made.dtype != np.uint8:
        raise ValueError(
            f"{supervision} must make uint8 {source.scribble.shape}, got {made.dtype} {made.shape}"
        )
    written = entry.with_suffix(".tmp.npy")
    np.save(written, made)
    os.replace(written, entry)
