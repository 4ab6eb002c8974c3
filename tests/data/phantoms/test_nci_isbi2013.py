"""The phantom of NCI-ISBI 2013: layout, two scanners, zones and labels on odd grids."""

import hashlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from weakseg.data import itk_files
from weakseg.data.phantoms.nci_isbi2013 import CASES, SCANNERS, write
from weakseg.data.sources import nci_isbi2013

PATIENTS = 16


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nci")
    write(folder, PATIENTS, 48)
    return folder


def hashes(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in root.rglob("*")
        if p.suffix in (".nrrd", ".dcm")
    }


def test_collections_parts_and_names_are_those_of_the_challenge(root):
    names = {path.parent.name: [] for path in root.rglob("*.nrrd")}
    for path in sorted(root.rglob("*.nrrd")):
        names[path.parent.name].append(path.name)
    assert {part: len(files) for part, files in names.items()} == {
        "Training": 12,
        "Leaderboard": 2,
        "Test": 2,
    }
    assert names["Test"] == ["Prostate3T-03-0008_truth.nrrd", "ProstateDx-03-0008_truth.nrrd"]
    assert "ProstateDx-01-0006_correctedLabels.nrrd" in names["Training"]
    assert {p.name for p in (root / "manifest-1").iterdir()} == {s.collection for s in SCANNERS}
    assert "ynthetic" in (root / "PHANTOM").read_text()


def test_the_source_finds_all_and_half_come_from_each_scanner(root):
    cases, problems = nci_isbi2013.find(root)
    assert not problems
    assert sorted(case.group for case in cases) == ["1.5 T"] * 8 + ["3 T"] * 8


def test_slices_and_spacings_are_of_real_size(root):
    for case in nci_isbi2013.find(root)[0]:
        image, _, _, spacing = nci_isbi2013.read(case)
        between, field = (4.0, 192.0) if case.group == "3 T" else (3.0, 160.0)
        assert spacing == pytest.approx((between, field / 48, field / 48), abs=1e-4)
        assert 12 <= len(image) <= 30


def test_without_a_matrix_slices_have_those_of_the_scanners(tmp_path):
    write(tmp_path, 2)
    rows = {pydicom.dcmread(path).Rows for path in tmp_path.rglob("1-01.dcm")}
    assert rows == {320, 400}


def test_both_directions_of_slices_occur(root):
    ends = set()
    for series in {path.parent for path in root.rglob("*.dcm")}:
        first, second = (pydicom.dcmread(series / f"1-0{i}.dcm") for i in (1, 2))
        ends.add(first.ImagePositionPatient[2] < second.ImagePositionPatient[2])
    assert ends == {True, False}


def test_prostates_have_both_zones_in_one_piece_of_real_volume(root):
    for case in nci_isbi2013.find(root)[0]:
        arrays = nci_isbi2013.read(case)
        millilitres = arrays.reference.sum() * np.prod(arrays.spacing) / 1000
        assert 12 < millilitres < 90
        pieces, count = ndimage.label(arrays.reference)
        assert np.bincount(pieces.ravel())[1:].max() > 0.98 * arrays.reference.sum(), count
        assert set(np.unique(itk_files.read(case.reference).array)) == {0, 1, 2}


def test_the_peripheral_zone_lies_behind_and_is_brighter(root):
    for case in nci_isbi2013.find(root)[0][::3]:
        zones = itk_files.read(case.reference)
        image = nci_isbi2013.read(case).image
        if zones.array.shape != image.shape or zones.affine[1, 1] > 0:
            continue
        outer, inner = zones.array == 1, zones.array == 2
        assert np.argwhere(outer)[:, 1].mean() > np.argwhere(inner)[:, 1].mean()
        assert image[outer].mean() > image[inner].mean()


def test_some_labels_run_another_way_or_have_fewer_slices(root):
    turned, shorter = 0, 0
    for case in nci_isbi2013.find(root)[0]:
        label, image = itk_files.read(case.reference), nci_isbi2013.read(case).image
        turned += label.affine[1, 1] > 0
        shorter += len(label.array) < len(image)
    assert turned > 0 and shorter > 0


def test_the_scanner_with_a_coil_is_brighter_behind_the_prostate(root):
    ratios = {"3 T": [], "1.5 T": []}
    for case in nci_isbi2013.find(root)[0]:
        image, reference, *_ = nci_isbi2013.read(case)
        middle = np.argwhere(reference).mean(axis=0).round().astype(int)
        rows = image[middle[0]].mean(axis=1)
        ratios[case.group].append(rows[middle[1] :].max() / rows.mean())
    assert min(ratios["1.5 T"]) > max(ratios["3 T"])


def test_files_depend_on_number_seed_and_matrix_only_byte_for_byte(root, tmp_path):
    write(tmp_path / "fewer", 2, 48)
    write(tmp_path / "other", 2, 48, seed=1)
    first, fewer, other = hashes(root), hashes(tmp_path / "fewer"), hashes(tmp_path / "other")
    assert fewer.items() <= first.items() and len(fewer) > 24
    assert not set(other.values()) & set(first.values())


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match=f"between 1 and {CASES}, got 81"):
        write(tmp_path, 81)
    with pytest.raises(ValueError, match="32 pixels, got 31"):
        write(tmp_path, 1, 31)
