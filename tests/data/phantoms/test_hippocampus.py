"""The phantom of the Decathlon's hippocampus: boxes, two parts, intensities that differ."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from weakseg.data.phantoms.hippocampus import CASES, write

COUNT = 24


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hippocampus")
    write(folder, COUNT)
    return folder


def task(root: Path) -> Path:
    return root / "Task04_Hippocampus"


def volumes(root: Path, folder: str) -> list[np.ndarray]:
    """Arrays (x, y, z) of all cases, in their order."""
    paths = sorted((task(root) / folder).iterdir())
    return [np.asarray(nib.load(path).dataobj) for path in paths]


def hashes(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in root.rglob("*.nii.gz")
    }


def test_the_index_lists_every_case_as_the_official_one_does(root):
    described = json.loads((task(root) / "dataset.json").read_text())
    assert described["labels"] == {"0": "background", "1": "Anterior", "2": "Posterior"}
    assert described["numTraining"] == len(described["training"]) == COUNT
    for entry in described["training"]:
        assert all((task(root) / path).is_file() for path in entry.values())
    assert "ynthetic" in (root / "PHANTOM").read_text()


def test_boxes_have_the_sizes_and_axes_of_real_ones(root):
    for path in task(root).rglob("*.nii.gz"):
        image = nib.load(path)
        x, y, z = image.shape
        assert 31 <= x <= 43 and 40 <= y <= 59 and 24 <= z <= 47
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        assert image.header.get_zooms() == (1.0, 1.0, 1.0)


def test_the_structure_is_one_piece_with_its_anterior_part_in_front(root):
    for label in volumes(root, "labelsTr"):
        assert set(np.unique(label)) == {0, 1, 2}
        assert ndimage.label(label > 0)[1] == 1
        front, rear = (np.argwhere(label == i)[:, 1] for i in (1, 2))
        assert front.mean() > rear.mean() + 8
        assert 0.01 < (label > 0).mean() < 0.09


def test_intensities_differ_wildly_and_some_files_have_8_bits(root):
    images = volumes(root, "imagesTr")
    assert {image.dtype.name for image in images} == {"int16", "uint8"}
    tops = [float(image.max()) for image in images]
    assert max(tops) > 20 * min(tops)


def test_brightness_alone_does_not_find_the_structure(root):
    for image, label in zip(volumes(root, "imagesTr"), volumes(root, "labelsTr"), strict=True):
        inside = label > 0
        low, high = np.percentile(image[inside], (10, 90))
        found = (image >= low) & (image <= high)
        assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) < 0.75


def test_a_matrix_fixes_rows_and_columns_over_the_same_box(root, tmp_path):
    write(tmp_path, 1, 64)
    fine, whole = volumes(tmp_path, "labelsTr")[0], volumes(root, "labelsTr")[0]
    assert fine.shape == (64, 64, whole.shape[2])
    zooms = nib.load(next(tmp_path.rglob("*_001.nii.gz"))).header.get_zooms()
    np.testing.assert_allclose(np.multiply(zooms, fine.shape), whole.shape, rtol=1e-5)
    assert (fine > 0).sum() * np.prod(zooms) == pytest.approx((whole > 0).sum(), rel=0.05)


def test_files_depend_on_number_seed_and_matrix_only_byte_for_byte(root, tmp_path):
    write(tmp_path / "fewer", 2)
    write(tmp_path / "other", 2, seed=1)
    first, fewer, other = hashes(root), hashes(tmp_path / "fewer"), hashes(tmp_path / "other")
    assert fewer.items() <= first.items() and len(fewer) == 4
    assert not set(other.values()) & set(first.values())


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match=f"between 1 and {CASES}, got 0"):
        write(tmp_path, 0)
    with pytest.raises(ValueError, match="32 pixels, got 31"):
        write(tmp_path, 1, 31)
