from pathlib import Path

import numpy as np
import pytest

from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.resident import Resident, normalise, resident
from weakseg.types import IGNORE_INDEX

GRID = Grid(size=32, spacing=6.0)


@pytest.fixture(scope="module")
def source(phantom: Dataset, cache: Path) -> Resident:
    return resident(phantom, GRID, cache)


def test_every_slice_has_its_row(phantom: Dataset, source: Resident) -> None:
    rows = source.rows(phantom.cases)
    depth = sum(detail["shape"][0] for detail in phantom.details.values())
    assert [row for row, _ in rows] == list(range(depth))
    assert source.image.shape == (depth, 1, 32, 32)
    assert source.reference.shape == source.scribble.shape == (depth, 32, 32)
    assert [name for _, name in source.rows(phantom.cases[1:2])] == (
        [phantom.cases[1].name] * phantom.details[phantom.cases[1].name]["shape"][0]
    )


def test_arrays_hold_what_they_say(source: Resident) -> None:
    assert source.image.dtype == np.float32
    assert source.image.min() >= 0
    assert source.image.max() <= 1 + 1e-6
    assert set(np.unique(source.reference)) == {0, 1, 2, 3}
    assert set(np.unique(source.scribble)) == {0, 1, 2, 3, IGNORE_INDEX}


def test_strokes_lie_on_what_they_name(source: Resident) -> None:
    drawn = source.scribble != IGNORE_INDEX
    assert 0.001 < drawn.mean() < 0.1
    assert (source.scribble[drawn] == source.reference[drawn]).mean() > 0.95


def test_placements_lead_back_to_the_native_volume(phantom: Dataset, source: Resident) -> None:
    case = phantom.cases[3]
    at = source.where[case.name]
    assert at.shape == tuple(phantom.details[case.name]["shape"])
    assert at.window == GRID.window(at.shape, at.spacing)
    assert at.spacing == tuple(phantom.details[case.name]["spacing"])


def test_a_second_opening_reads_the_same_entry(
    phantom: Dataset, cache: Path, source: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "load", lambda *_: pytest.fail("the data were read again"))
    again = resident(phantom, GRID, cache)
    assert isinstance(again.image, np.memmap)
    assert np.array_equal(again.image, source.image)


def test_intensities_are_clipped_above_and_scaled_per_channel() -> None:
    image = np.stack([np.arange(1000.0), 5 * np.arange(1000.0) - 100]).reshape(2, 10, 10, 10)
    scaled = normalise(image.astype(np.float32))
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert (scaled[0] == 1).mean() == pytest.approx(0.01, abs=0.002)
    np.testing.assert_allclose(scaled[0], scaled[1], atol=1e-5)


def test_f17_a_constant_volume_becomes_zero() -> None:
    assert (normalise(np.full((1, 2, 4, 4), 7, np.float32)) == 0).all()
