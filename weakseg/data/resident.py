"""A prepared 2D data set as a few arrays on the network's grid, built once and shared."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from weakseg.config import identity
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid, Window
from weakseg.types import IGNORE_INDEX, Case

ARRAYS = ("image", "reference", "scribble")


@dataclass(frozen=True)
class Placement:
    """Where the slices of a case lie: rows ``start`` to ``stop``, and how they were cut."""

    start: int
    stop: int
    window: Window
    shape: tuple[int, ...]
    spacing: tuple[float, ...]


@dataclass(frozen=True)
class Resident:
    """All slices of a data set on one grid.

    ``image`` float32 [N, M, S, S] in [0, 1]; ``reference`` and ``scribble`` uint8 [N, S, S], the
    latter with ``IGNORE_INDEX`` where nobody drew; ``where`` the placement of each case by name.
    """

    image: np.ndarray
    reference: np.ndarray
    scribble: np.ndarray
    where: dict[str, Placement]

    def rows(self, cases: Iterable[Case]) -> list[tuple[int, str]]:
        """Return (row, case name) of every slice of the cases."""
        places = [(case.name, self.where[case.name]) for case in cases]
        return [(row, name) for name, at in places for row in range(at.start, at.stop)]


def resident(dataset: Dataset, grid: Grid, cache: Path) -> Resident:
    """Open the cached arrays of the data set, memory-mapped; build them where they are absent.

    The entry's name hashes the content of the data and the grid, so changed data never meet an
    old entry. A lock lets one of several processes build; a rename makes the entry appear whole.
    """
    entry = cache / identity({"content": dataset.content, "grid": grid, "layout": 1})
    found = _open(entry)
    if found is None:
        cache.mkdir(parents=True, exist_ok=True)
        with open(entry.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _open(entry) or _build(dataset, grid, entry)
    return found


def normalise(image: np.ndarray) -> np.ndarray:
    """Clip a volume [M, Z, H, W] above each channel's 99th percentile and scale it to [0, 1]."""
    low = image.min(axis=(1, 2, 3), keepdims=True)
    high = np.percentile(image, 99, axis=(1, 2, 3), keepdims=True)
    scaled: np.ndarray = (image - low) / np.maximum(high - low, 1e-8)
    return scaled.clip(0, 1).astype(np.float32)


def _open(entry: Path) -> Resident | None:
    """Return the arrays of an entry; None where it is absent or incomplete."""
    try:
        places = json.loads((entry / "where.json").read_text())
        image, reference, scribble = (
            np.load(entry / f"{name}.npy", mmap_mode="r") for name in ARRAYS
        )
    except (FileNotFoundError, ValueError, EOFError):
        return None
    where = {
        name: Placement(at[0], at[1], Window(*at[2]), tuple(at[3]), tuple(at[4]))
        for name, at in places.items()
    }
    return Resident(image, reference, scribble, where)


def _build(dataset: Dataset, grid: Grid, entry: Path) -> Resident:
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    where: dict[str, tuple[object, ...]] = {}
    start = 0
    for case in dataset.cases:
        image, reference, scribble, spacing = dataset.load(case)
        depth, *_ = shape = image.shape[1:]
        window = grid.window(shape, spacing)
        planes = torch.from_numpy(normalise(image)).transpose(0, 1)
        parts["image"].append(grid.image(planes, window).numpy())
        for name, label, outside in (
            ("reference", reference, 0),
            ("scribble", scribble, IGNORE_INDEX),
        ):
            native = np.full(shape, IGNORE_INDEX, np.uint8) if label is None else label
            parts[name].append(grid.label(torch.from_numpy(native), window, outside).numpy())
        where[case.name] = (start, start + depth, window, shape, spacing)
        start += depth
    building = entry.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for name, arrays in parts.items():
        np.save(building / f"{name}.npy", np.concatenate(arrays))
    (building / "where.json").write_text(json.dumps(where))
    shutil.rmtree(entry, ignore_errors=True)
    os.replace(building, entry)
    found = _open(entry)
    if found is None:
        raise OSError(f"{entry} cannot be read back right after it was written; is the disk full?")
    return found
