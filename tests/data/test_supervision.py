from collections.abc import Callable
from pathlib import Path

import numpy as np

from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.random_walker import RandomWalker
from weakseg.data.resident import resident
from weakseg.data.shortened import Shortened
from weakseg.data.supervision import labels_of
from weakseg.types import IGNORE_INDEX

GRID = Grid(size=32, spacing=6.0)


def test_scribbles_and_references_are_those_of_the_grid(phantom: Dataset, cache: Path) -> None:
    source = resident(phantom, GRID, cache)
    assert labels_of("scribble", phantom, source, GRID, cache) is source.scribble
    assert labels_of("dense", phantom, source, GRID, cache) is source.reference


def test_labels_are_made_once_and_by_configuration(phantom: Dataset, tmp_path: Path) -> None:
    source = resident(phantom, GRID, tmp_path)
    made = labels_of(Shortened(keep=0.5), phantom, source, GRID, tmp_path)
    (entry,) = tmp_path.glob("labels-*.npy")
    written = entry.stat().st_mtime_ns
    again = labels_of(Shortened(keep=0.5), phantom, source, GRID, tmp_path)
    assert np.array_equal(made, again)
    assert entry.stat().st_mtime_ns == written
    whole = labels_of(Shortened(keep=1.0), phantom, source, GRID, tmp_path)
    assert np.array_equal(whole, source.scribble)
    assert len(list(tmp_path.glob("labels-*.npy"))) == 2
    assert (made != IGNORE_INDEX).sum() < (whole != IGNORE_INDEX).sum()


def test_cases_without_a_scribble_get_no_label(
    phantom_of: Callable[[str], Dataset], tmp_path: Path
) -> None:
    data = phantom_of("mscmr")
    source = resident(data, GRID, tmp_path)
    made = labels_of(RandomWalker(), data, source, GRID, tmp_path)
    for case in data.cases:
        at = source.where[case.name]
        labelled = (made[at.start : at.stop] != IGNORE_INDEX).any()
        assert labelled == (case.scribble is not None)
