"""The phantoms of CHAOS: official layout, reproducible bytes, and an abdomen that makes sense."""

import hashlib
import itertools
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from weakseg.data.phantoms import PHANTOMS, chaos
from weakseg.data.sources import SOURCES
from weakseg.data.sources.source import Arrays
from weakseg.data.splits import CHAOS_PATIENTS

LIVER, RIGHT, LEFT, SPLEEN = 1, 2, 3, 4
COUNT = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    for write in (chaos.write_t1, chaos.write_t2, chaos.write_ct):
        write(folder, patients=COUNT, matrix=72)
    return folder


@pytest.fixture(scope="module")
def cases(root) -> dict[str, list[Arrays]]:
    names = ("chaos-t1", "chaos-t1-out", "chaos-t2", "chaos-ct")
    sources = {name: SOURCES[name](root) for name in names}
    return {name: [s.read(case) for case in s.find(root)[0]] for name, s in sources.items()}


def hashes(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def litres(arrays: Arrays, label: int) -> float:
    return (arrays.reference == label).sum() * np.prod(arrays.spacing) / 1e6


def middle(arrays: Arrays, label: int) -> np.ndarray:
    """Centre of mass (z, y, x), mm from the centre of the volume."""
    half = (np.array(arrays.reference.shape) - 1) / 2
    return (ndimage.center_of_mass(arrays.reference == label) - half) * arrays.spacing


def median(arrays: Arrays, label: int) -> float:
    return float(np.median(arrays.image[arrays.reference == label]))


def fat(arrays: Arrays) -> float:
    """Median below the skin of the right side, 5 mm into the body at the height of its middle."""
    profile = arrays.image[:, arrays.image.shape[1] // 2]  # [D, W]
    depth = round(5 / arrays.spacing[2])
    rim = [row[(row > 0.3 * row.max()).argmax() + depth] for row in profile]
    return float(np.median(rim))


@pytest.mark.parametrize("name", ["chaos-t1", "chaos-t1-out", "chaos-t2", "chaos-ct"])
def test_every_source_finds_what_its_writer_wrote(tmp_path, name):
    PHANTOMS[name](tmp_path, 1, 32, 0)
    source = SOURCES[name](tmp_path)
    cases, problems = source.find(tmp_path)
    assert (len(cases), problems, source.synthetic(tmp_path)) == (1, [], True)
    assert source.read(cases[0]).reference.any()


def test_layout_is_that_of_chaos(root):
    assert "ynthetic" in (root / "PHANTOM").read_text()
    patient = root / "Train_Sets" / "MR" / "1"
    names = {
        folder: [path.name for path in sorted((patient / folder).iterdir())][:2]
        for folder in ("DICOM_anon/InPhase", "DICOM_anon/OutPhase", "Ground")
        for folder in (f"T1DUAL/{folder}",)
    }
    assert names == {
        "T1DUAL/DICOM_anon/InPhase": ["IMG-0004-00002.dcm", "IMG-0004-00004.dcm"],
        "T1DUAL/DICOM_anon/OutPhase": ["IMG-0004-00001.dcm", "IMG-0004-00003.dcm"],
        "T1DUAL/Ground": ["IMG-0004-00002.png", "IMG-0004-00004.png"],
    }
    assert (patient / "T2SPIR" / "Ground").is_dir()
    assert (root / "Train_Sets/CT/1/Ground/liver_GT_000.png").is_file()


def test_few_patients_are_of_all_three_folds(root):
    numbers = {int(path.name) for path in (root / "Train_Sets" / "MR").iterdir()}
    folds = [CHAOS_PATIENTS[:7], CHAOS_PATIENTS[7:14], CHAOS_PATIENTS[14:]]
    assert [len(numbers & set(fold)) for fold in folds] == [2, 2, 2]


def test_slice_thickness_is_not_the_distance_between_slices(root):
    for series in root.rglob("DICOM_anon/*.dcm"):
        folder = sorted(series.parent.iterdir())
        first, second = (pydicom.dcmread(path) for path in folder[:2])
        step = abs(second.ImagePositionPatient[2] - first.ImagePositionPatient[2])
        assert abs(first.SliceThickness - step) > 0.1 * step


def test_the_same_seed_gives_the_same_bytes_and_more_patients_leave_them(root, tmp_path):
    chaos.write_t1(tmp_path, patients=2, matrix=72)
    few, many = hashes(tmp_path / "Train_Sets"), hashes(root / "Train_Sets")
    assert few and few.items() <= many.items()


def test_another_seed_gives_other_patients(root, tmp_path):
    chaos.write_t2(tmp_path, patients=1, matrix=72, seed=1)
    few, many = hashes(tmp_path / "Train_Sets"), hashes(root / "Train_Sets")
    images = {value for name, value in few.items() if name.endswith(".dcm")}
    assert images and not images & set(many.values())


def test_the_matrix_changes_pixels_not_people(cases, tmp_path):
    chaos.write_ct(tmp_path, patients=1, matrix=144)
    source = SOURCES["chaos-ct"](tmp_path)
    fine = source.read(source.find(tmp_path)[0][0])
    coarse = cases["chaos-ct"][0]
    assert fine.reference.shape == (len(coarse.reference), 144, 144)
    assert litres(fine, LIVER) == pytest.approx(litres(coarse, LIVER), rel=0.03)
    np.testing.assert_allclose(middle(fine, LIVER), middle(coarse, LIVER), atol=1.5)


def test_organs_have_plausible_volumes(cases):
    for arrays in cases["chaos-t1"]:
        assert 0.8 < litres(arrays, LIVER) < 2.3
        assert 0.04 < litres(arrays, SPLEEN) < 0.4
        for kidney in (RIGHT, LEFT):
            assert 0.07 < litres(arrays, kidney) < 0.26


def test_organs_lie_where_they_do_in_people(cases):
    for arrays in cases["chaos-t1"]:
        liver, right, left, spleen = (middle(arrays, label) for label in (1, 2, 3, 4))
        assert liver[2] < -15 and spleen[2] > 50  # the image's left is the person's right
        assert -90 < right[2] < -25 and 25 < left[2] < 90
        assert min(right[1], left[1], spleen[1]) > liver[1]  # further back
        assert right[0] < left[0] < liver[0] + 15 and spleen[0] > left[0]  # higher


def test_organs_are_whole(cases):
    for arrays in (*cases["chaos-t1"], *cases["chaos-t2"]):
        for label in (LIVER, RIGHT, LEFT, SPLEEN):
            parts, count = ndimage.label(arrays.reference == label, np.ones((3, 3, 3)))
            sizes = np.bincount(parts.ravel())[1:]
            assert count and sizes.max() > 0.97 * sizes.sum()


def test_shapes_change_smoothly_from_slice_to_slice(cases):
    overlaps = []
    for arrays in cases["chaos-t1"]:
        liver = arrays.reference == LIVER
        for one, other in itertools.pairwise(liver):
            if min(one.sum(), other.sum()) > 0.2 * liver.sum(axis=(1, 2)).max():
                overlaps.append(2 * (one & other).sum() / (one.sum() + other.sum()))
    assert np.median(overlaps) > 0.85 and min(overlaps) > 0.6


def test_t1_and_t2_show_the_same_person_in_two_breath_holds(cases):
    for one, other in zip(cases["chaos-t1"], cases["chaos-t2"], strict=True):
        assert litres(one, SPLEEN) == pytest.approx(litres(other, SPLEEN), rel=0.12)
        assert litres(one, LIVER) == pytest.approx(litres(other, LIVER), rel=0.05)
    shapes = [[a.image.shape[0] for a in cases[name]] for name in ("chaos-t1", "chaos-t2")]
    assert shapes[0] != shapes[1]


def test_contrasts_are_those_of_the_sequences(cases):
    for arrays in cases["chaos-t1"]:
        assert fat(arrays) > median(arrays, LIVER) > median(arrays, SPLEEN)
    for arrays in cases["chaos-t2"]:
        assert max(fat(arrays), median(arrays, LIVER)) < median(arrays, SPLEEN)
        assert median(arrays, LIVER) < 0.6 * median(arrays, LEFT)


def test_fat_and_water_cancel_out_of_phase(cases):
    """At the rim of a kidney, which lies in fat, the signal drops below both."""
    for within, out in zip(cases["chaos-t1"], cases["chaos-t1-out"], strict=True):
        kidney = (within.reference == RIGHT) | (within.reference == LEFT)
        flat = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)[:, None, None]
        rim = ndimage.binary_dilation(kidney, flat) & ~kidney
        drop = [np.median(a.image[rim]) / np.median(a.image[kidney]) for a in (within, out)]
        assert drop[1] < 0.85 * drop[0]


def test_ct_is_in_hounsfield_units(root):
    for path in sorted(root.rglob("CT/*/DICOM_anon/i0010,0000b.dcm")):
        data = pydicom.dcmread(path)
        units = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        assert np.percentile(units, 2) == pytest.approx(-1000, abs=30)  # air around the body
        assert 0.02 < ((units > -150) & (units < -50)).mean() < 0.6  # fat
        assert units.max() > 200  # bone


def test_images_are_noisy_and_shaded(cases):
    for arrays in cases["chaos-t1"]:
        liver = arrays.reference == LIVER
        values = arrays.image[liver]
        assert 0.03 < values.std() / values.mean() < 0.3


def test_impossible_requests_are_refused(tmp_path):
    for write in (chaos.write_t1, chaos.write_t2, chaos.write_ct):
        with pytest.raises(ValueError, match="between 1 and 20"):
            write(tmp_path, patients=0)
        with pytest.raises(ValueError, match="32 pixels"):
            write(tmp_path, matrix=16)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_all_patients_take_less_than_twenty_seconds_of_one_core(tmp_path):
    start = time.process_time()
    chaos.write_t1(tmp_path, patients=30)  # more than there are numbers
    assert time.process_time() - start < 20
    cases, problems = SOURCES["chaos-t1"](tmp_path).find(tmp_path)
    assert (sorted(int(case.patient) for case in cases), problems) == ([*CHAOS_PATIENTS], [])
