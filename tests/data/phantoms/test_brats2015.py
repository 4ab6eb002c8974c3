"""The phantom of BraTS 2015: layout, structures, grades and the drift of a stream."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from weakseg.data import itk_files
from weakseg.data.phantoms.brats2015 import CASES, write
from weakseg.data.sources import brats2015

STUDIES = 10


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("brats")
    write(folder, STUDIES, 48)
    return folder


def hashes(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in root.rglob("*.mha")
    }


def labels(root: Path, group: str) -> list[np.ndarray]:
    paths = sorted((root / group).rglob(f"{brats2015.LABEL}*.mha"))
    return [itk_files.read(path).array for path in paths]


def test_studies_have_four_contrasts_and_a_label_named_as_the_official_ones(root):
    study = root / "HGG" / "brats_2013_pat0001_1"
    kinds = ("MR_Flair", "MR_T1", "MR_T1c", "MR_T2")
    names = {f"VSD.Brain.XX.O.{kind}" for kind in kinds} | {"VSD.Brain_3more.XX.O.OT"}
    files = list(study.rglob("*.mha"))
    assert {path.name.rsplit(".", 2)[0] for path in files} == names and len(files) == 5
    assert all(path.parent.name == path.stem for path in files)
    assert "ynthetic" in (root / "PHANTOM").read_text()


def test_one_study_of_five_is_of_low_grade(root):
    counts = [len(list((root / group).iterdir())) for group in ("HGG", "LGG")]
    assert counts == [8, 2]


def test_voxels_are_cubes_over_the_official_field_of_view(root):
    volume = itk_files.read(next(root.rglob("*Flair*.mha")))
    assert volume.array.shape == (31, 48, 48) and volume.spacing == (5.0, 5.0, 5.0)
    np.testing.assert_allclose(volume.affine[:3, :3], np.diag([-5.0, -5.0, 5.0]))


def test_high_grades_have_all_structures_and_more_oedema_than_low_grades(root):
    high, low = labels(root, "HGG"), labels(root, "LGG")
    assert set(np.unique(np.concatenate(high))) == {0, 1, 2, 3, 4}
    shares = [np.mean([(a == 2).sum() / (a > 0).sum() for a in group]) for group in (high, low)]
    assert shares[0] > shares[1]


def test_tumours_are_of_the_size_of_real_ones_and_of_all_shapes(root):
    whole = [a > 0 for a in labels(root, "HGG") + labels(root, "LGG")]
    litres = [mask.sum() * 0.005**3 * 1e3 for mask in whole]
    assert min(litres) > 0.01 and max(litres) < 0.3
    boxes = [ndimage.find_objects(mask.astype(int))[0] for mask in whole]
    filled = [mask[box].mean() for mask, box in zip(whole, boxes, strict=True)]
    assert np.std(filled) > 0.02 and max(filled) < 0.62


def test_outside_the_brain_everything_is_0_and_tumours_lie_inside(root):
    for case in brats2015.find(root)[0]:
        arrays = brats2015.read(case)
        assert (arrays.image[:, 0] == 0).all() and (arrays.image > 0).mean() > 0.05
        assert (arrays.image[arrays.reference > 0] > 0).all()


def test_tumours_are_brighter_than_the_brain_but_brightness_alone_does_not_find_them(root):
    for case in brats2015.find(root)[0]:
        image, tumour, *_ = brats2015.read(case)
        tumour = tumour > 0
        assert image[tumour].mean() > 1.1 * image[(image > 0) & ~tumour].mean()
        best = 0.0
        for cut in np.percentile(image[image > 0], range(50, 100, 2)):
            found = image > cut
            best = max(best, 2 * (found & tumour).sum() / (found.sum() + tumour.sum()))
        assert 0.3 < best < 0.93


def test_contrast_drifts_with_the_number(tmp_path):
    write(tmp_path, 61, 32)
    spread = {}
    for number in (16, 48):  # of the first case of high grade with such a number
        path = tmp_path / "HGG" / f"brats_2013_pat{number:04d}_1"
        image = itk_files.read(next(path.rglob("*T1.*.mha"))).array
        spread[number] = image[image > 0].std() / image[image > 0].mean()
    assert spread[16] > 1.2 * spread[48]


def test_files_depend_on_number_seed_and_matrix_only_byte_for_byte(root, tmp_path):
    write(tmp_path / "fewer", 2, 48)
    write(tmp_path / "other", 2, 48, seed=1)
    first, fewer, other = hashes(root), hashes(tmp_path / "fewer"), hashes(tmp_path / "other")
    assert fewer.items() <= first.items() and len(fewer) == 10
    assert not set(other.values()) & set(first.values())


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match=f"between 1 and {CASES}, got 275"):
        write(tmp_path, 275)
    with pytest.raises(ValueError, match="32 pixels, got 31"):
        write(tmp_path, 1, 31)
