"""The phantom of MSCMRseg: layout, parts, thick strokes and late enhancement."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from weakseg.data.phantoms.mscmr import thicken, write

PATIENTS = 9


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mscmr")
    write(folder, PATIENTS, 64)
    return folder


def arrays(root: Path, pattern: str) -> list[np.ndarray]:
    return [np.asarray(nib.load(path).dataobj) for path in sorted(root.rglob(pattern))]


def hashes(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in root.rglob("*.nii.gz")
    }


def test_parts_have_about_the_official_shares(root):
    counts = {
        folder: len(list((root / "MSCMR_dataset" / folder / "images").iterdir()))
        for folder in ("train", "val", "TestSet")
    }
    assert counts == {"train": 5, "val": 1, "TestSet": 3}
    assert "ynthetic" in (root / "PHANTOM").read_text()


def test_only_training_has_strokes_and_only_the_rest_references(root):
    for label in root.rglob("labels/*"):
        assert label.name.endswith("_scribble.nii.gz") == (label.parts[-3] == "train")
        assert label.name.endswith("_manual.nii.gz") == (label.parts[-3] != "train")


def test_slices_are_5_mm_apart_and_a_field_of_192_mm_wide(root):
    for path in root.rglob("*.nii.gz"):
        image = nib.load(path)
        np.testing.assert_allclose(image.header.get_zooms(), (3.0, 3.0, 5.0))
        assert image.shape[:2] == (64, 64) and 10 <= image.shape[2] <= 20


def test_strokes_mark_a_tenth_of_the_image(root):
    shares = [(strokes != 4).mean() for strokes in arrays(root, "*_scribble.nii.gz")]
    assert 0.05 < np.mean(shares) < 0.2
    for strokes in arrays(root, "*_scribble.nii.gz"):
        assert set(np.unique(strokes)) == {0, 1, 2, 3, 4}


def test_healthy_muscle_is_dark_and_scar_as_bright_as_blood(root):
    for reference, path in zip(
        arrays(root, "*_manual.nii.gz"), sorted(root.rglob("*_manual.nii.gz")), strict=True
    ):
        name = path.name.replace("_manual", "")
        image = np.asarray(nib.load(path.parents[1] / "images" / name).dataobj)
        muscle = image[reference == 2] / np.median(image[reference == 3])
        assert np.median(muscle) < 0.5
        assert 0.02 < (muscle > 0.9).mean() < 0.5


def test_the_same_seed_gives_the_same_bytes_and_fewer_patients_a_part_of_them(root, tmp_path):
    write(tmp_path, 3, 64)
    few, many = hashes(tmp_path), hashes(root)
    assert len(few) == 6 and few.items() <= many.items()


def test_another_seed_gives_other_patients(root, tmp_path):
    write(tmp_path, 3, 64, 1)
    assert not set(hashes(tmp_path).values()) & set(hashes(root).values())


def test_strokes_grow_within_their_class_only():
    reference = np.zeros((1, 9, 9), np.uint8)
    reference[0, :, 4:] = 1
    thin = np.full_like(reference, 255)
    thin[0, 4, 4], thin[0, 4, 0] = 1, 0
    thick = thicken(thin, reference, (1, 4))
    expected = np.hypot(*np.mgrid[-4:5, -4:5]) <= 2
    np.testing.assert_array_equal(thick[0] == 1, expected & (reference[0] == 1))
    assert (thick == 0).sum() == 1


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="between 3 and 450, got 2"):
        write(tmp_path, 2)
    with pytest.raises(ValueError, match="32 pixels, got 31"):
        write(tmp_path, 3, 31)
