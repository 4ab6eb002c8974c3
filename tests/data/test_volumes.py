"""Whole cases on small grids: which part is taken, how it is resampled, and the cache."""

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from tests.data import decathlon
from weakseg.data import volumes as module
from weakseg.data.dataset import Dataset
from weakseg.data.prepare import prepare
from weakseg.data.volumes import VolumeGrid, volumes
from weakseg.types import Case

SHAPE = (20, 60, 50)
PARITY = VolumeGrid(size=(30, 24, 16), mode="parity", margin=3)
NATIVE = VolumeGrid(size=SHAPE, mode="honest", spacing=(2.0, 1.0, 1.0))


def ball(centre=(9, 30, 22), radii=(5, 10, 8)) -> np.ndarray:
    grid = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def scan(number: int) -> np.ndarray:
    image = np.random.default_rng(number).integers(1, 900, SHAPE).astype(np.int16)
    image[:4], image[:, :10], image[:, :, -6:] = 0, 0, 0
    return image + 500 * ball().astype(np.int16) * (image > 0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("volumes")
    names = [f"hippocampus_{number:03d}" for number in (1, 2, 3)]
    for number, name in enumerate(names, 1):
        label = ball().astype(np.uint8)
        decathlon.write_case(root / "src", name, scan(number), label, spacing=(2.0, 1.0, 1.0))
    decathlon.write_index(root / "src", names)
    return Dataset.open(prepare("hippocampus", root / "src", root / "dst"))


def on(dataset: Dataset, grid: VolumeGrid, cache: Path) -> module.Volume:
    return volumes(dataset, grid, dataset.cases[:1], cache)[0]


def unscored(image: np.ndarray) -> np.ndarray:
    image = image.astype(np.float64)
    return (image - image.mean()) / image.std()


def test_volumes_hold_what_they_say(dataset, tmp_path):
    found = volumes(dataset, PARITY, dataset.cases, tmp_path)
    assert [v.name for v in found] == [case.name for case in dataset.cases]
    for volume in found:
        assert volume.image.shape == (1, *PARITY.size) and volume.image.dtype == np.float32
        assert volume.reference.shape == PARITY.size and volume.reference.dtype == bool
        assert volume.image.mean() == pytest.approx(0, abs=1e-5)
        assert volume.image.std() == pytest.approx(1, abs=1e-4)
        assert (volume.patient, volume.group) == (volume.name[-3:], "")


def test_a_grid_of_the_native_spacing_and_size_copies_every_voxel(dataset, tmp_path):
    volume = on(dataset, NATIVE, tmp_path)
    np.testing.assert_allclose(volume.image[0], unscored(scan(1)), atol=1e-4)
    np.testing.assert_array_equal(volume.reference, ball())
    assert (volume.spacing, volume.covered) == ((2.0, 1.0, 1.0), 1.0)


@pytest.mark.parametrize("size", [(21, 61, 51), (13, 33, 27), (30, 70, 60)])
def test_odd_and_even_windows_of_the_native_spacing_copy_too(dataset, tmp_path, size):
    volume = on(dataset, replace(NATIVE, size=size), tmp_path)
    starts = [int(np.floor((n - m) / 2)) for n, m in zip(SHAPE, size, strict=True)]
    wide = np.pad(ball(), 20)
    cut = tuple(slice(20 + a, 20 + a + m) for a, m in zip(starts, size, strict=True))
    np.testing.assert_array_equal(volume.reference, wide[cut])


def test_outside_the_native_volume_the_image_is_its_mean_and_the_reference_background(
    dataset, tmp_path
):
    volume = on(dataset, replace(NATIVE, size=(30, 60, 50)), tmp_path)
    outside = np.r_[0:5, 25:30]
    assert (volume.image[0, outside] == 0).all() and not volume.reference[outside].any()
    np.testing.assert_allclose(volume.image[0, 5:25], unscored(scan(1)), atol=1e-4)


def test_parity_is_the_box_of_the_reference_and_its_margin_stretched_to_the_size(dataset, tmp_path):
    volume = on(dataset, PARITY, tmp_path)
    inside = ball().nonzero()
    low = [max(int(at.min()) - 3, 0) for at in inside]
    high = [min(int(at.max()) + 4, n) for at, n in zip(inside, SHAPE, strict=True)]
    places = [
        np.floor(a + (np.arange(n) + 0.5) * (b - a) / n).astype(int)
        for a, b, n in zip(low, high, PARITY.size, strict=True)
    ]
    np.testing.assert_array_equal(volume.reference, ball()[np.ix_(*places)])
    sides = zip(low, high, (2, 1, 1), PARITY.size, strict=True)
    expected = [(b - a) * mm / n for a, b, mm, n in sides]
    assert volume.spacing == pytest.approx(expected, abs=1e-12) and volume.covered == 1.0


def test_parity_clips_the_margin_at_the_border(dataset, tmp_path):
    volume = on(dataset, replace(PARITY, margin=100, size=SHAPE), tmp_path)
    np.testing.assert_array_equal(volume.reference, ball())


def test_no_border_is_filled_with_8_and_no_spacing_is_rounded(dataset, tmp_path):
    volume = on(dataset, replace(NATIVE, size=(31, 55, 55), spacing=(1.2345,) * 3), tmp_path)
    assert volume.spacing == pytest.approx((1.2345,) * 3, abs=1e-9)
    assert set(np.unique(volume.reference)) == {False, True}
    assert np.abs(volume.image).max() < 6


def test_the_honest_reference_is_what_fills_half_of_a_cell(dataset, tmp_path):
    volume = on(dataset, replace(NATIVE, size=(20, 30, 25), spacing=(2.0, 2.0, 2.0)), tmp_path)
    pairs = ball().reshape(20, 30, 2, 25, 2)
    full, empty = pairs.all(axis=(2, 4)), ~pairs.any(axis=(2, 4))
    inner = np.s_[1:-1]
    sure = full.copy()
    sure[:, inner, inner] &= full[:, :-2, inner] & full[:, 2:, inner]
    sure[:, inner, inner] &= full[:, inner, :-2] & full[:, inner, 2:]
    assert volume.reference[sure].all()
    assert volume.reference.sum() * 4 == pytest.approx(ball().sum(), rel=0.05)
    assert not volume.reference[:3][empty[:3]].any()


def test_honest_grids_do_not_depend_on_the_reference(dataset, tmp_path, monkeypatch):
    grids = [
        VolumeGrid(size=(16, 24, 24), mode="honest", region="nonzero"),
        VolumeGrid(size=(16, 24, 24), mode="honest", region="nonzero", spacing=(2.0, 2.0, 2.0)),
        VolumeGrid(size=(16, 24, 24), mode="honest", region="centre"),
    ]
    before = [on(dataset, grid, tmp_path / "a") for grid in grids]
    load = Dataset.load
    changed = ball((14, 12, 40), (3, 6, 4)).astype(np.uint8)
    monkeypatch.setattr(Dataset, "load", lambda d, c: load(d, c)._replace(reference=changed))
    for old, grid in zip(before, grids, strict=True):
        new = on(dataset, grid, tmp_path / "b")
        np.testing.assert_array_equal(new.image, old.image)
        assert new.spacing == old.spacing and (new.reference != old.reference).any()


def test_the_nonzero_region_is_the_box_of_voxels_that_are_not_0(dataset, tmp_path):
    size = (16, 50, 44)
    volume = on(dataset, VolumeGrid(size=size, mode="honest", region="nonzero"), tmp_path)
    np.testing.assert_array_equal(volume.reference, ball()[4:, 10:, :44])
    np.testing.assert_allclose(volume.image[0], unscored(scan(1)[4:, 10:, :44]), atol=1e-4)


def test_the_central_region_is_100_mm_wide_and_has_all_slices(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REGION", 40.0)
    grid = VolumeGrid(size=(20, 40, 40), mode="honest", region="centre")
    volume = on(dataset, grid, tmp_path)
    np.testing.assert_array_equal(volume.reference, ball()[:, 10:50, 5:45])
    assert volume.spacing == (2.0, 1.0, 1.0)


def test_covered_tells_the_share_of_the_reference_in_the_window(dataset, tmp_path):
    volume = on(dataset, replace(NATIVE, size=(20, 60, 20)), tmp_path)
    assert volume.covered == pytest.approx(ball()[:, :, 15:35].sum() / ball().sum())
    assert volume.covered < 1 and volume.reference.sum() == ball()[:, :, 15:35].sum()


def test_channels_are_scored_one_by_one_and_f17_a_constant_one_is_0(dataset, tmp_path, monkeypatch):
    load = Dataset.load

    def three(data: Dataset, case: Case):
        sample = load(data, case)
        image = np.concatenate(
            [sample.image, 3 * sample.image + 7, np.full_like(sample.image, 123.4)]
        )
        return sample._replace(image=image)

    monkeypatch.setattr(Dataset, "load", three)
    one, other, flat = on(dataset, PARITY, tmp_path).image
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert (flat == 0).all()


def test_a_case_without_a_reference_is_refused(dataset, tmp_path, monkeypatch):
    load = Dataset.load
    monkeypatch.setattr(Dataset, "load", lambda d, c: load(d, c)._replace(reference=None))
    with pytest.raises(ValueError, match=r"hippocampus_001 in .* has no reference"):
        on(dataset, NATIVE, tmp_path)


def test_an_empty_reference_is_refused_by_parity_only(dataset, tmp_path, monkeypatch):
    load, empty = Dataset.load, np.zeros(SHAPE, np.uint8)
    monkeypatch.setattr(Dataset, "load", lambda d, c: load(d, c)._replace(reference=empty))
    with pytest.raises(ValueError, match=r"hippocampus_001.*is empty"):
        on(dataset, PARITY, tmp_path)
    volume = on(dataset, NATIVE, tmp_path)
    assert volume.covered == 1.0 and not volume.reference.any()


def test_the_second_opening_reads_the_cache_bit_for_bit(dataset, tmp_path, monkeypatch):
    first = volumes(dataset, PARITY, dataset.cases, tmp_path)
    monkeypatch.setattr(Dataset, "load", lambda *_: pytest.fail("the data were read again"))
    for old, new in zip(first, volumes(dataset, PARITY, dataset.cases, tmp_path), strict=True):
        np.testing.assert_array_equal(new.image, old.image)
        np.testing.assert_array_equal(new.reference, old.reference)
        assert new[:3] + new[5:] == old[:3] + old[5:]


def test_f21_other_content_or_another_grid_is_another_entry(dataset, tmp_path):
    on(dataset, PARITY, tmp_path)
    on(replace(dataset, content="other"), PARITY, tmp_path)
    on(dataset, replace(PARITY, margin=4), tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 3


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None])
def test_f22_a_half_written_case_is_built_again(dataset, tmp_path, damage):
    expected = on(dataset, PARITY, tmp_path)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-300] if damage is None else damage)
    np.testing.assert_array_equal(on(dataset, PARITY, tmp_path).image, expected.image)
    assert not list(tmp_path.rglob("*.building"))


def _count_builds(dataset: Dataset, cache: Path, log: Path) -> None:
    build = module._build

    def counted(*arguments):
        with log.open("a") as file:
            file.write("built\n")
        return build(*arguments)

    module._build = counted
    volumes(dataset, PARITY, dataset.cases, cache)


def test_f22_two_processes_build_every_case_once(dataset, tmp_path):
    context = get_context("fork")
    log = tmp_path / "log"
    both = [
        context.Process(target=_count_builds, args=(dataset, tmp_path / "cache", log))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert log.read_text().splitlines() == ["built"] * len(dataset.cases)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "best"}, "mode must be parity or honest"),
        ({"region": "left"}, "region all, nonzero or centre"),
        ({"size": (30, 0, 16)}, "three positive numbers"),
        ({"margin": -1}, "margin at least 0"),
        ({"mode": "honest", "spacing": (1.0, 0.0, 1.0)}, "spacing must be three positive numbers"),
        ({"spacing": (1.0, 1.0, 1.0)}, "parity stretches"),
        ({"region": "nonzero"}, "parity stretches"),
    ],
)
def test_impossible_grids_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PARITY, **change)
