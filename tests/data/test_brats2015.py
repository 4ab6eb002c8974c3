"""BraTS 2015: FLAIR and whole tumours of both grades, patients told from studies."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import brats2015 as phantom
from weakseg.data.phantoms.files import save_mha
from weakseg.data.prepare import prepare
from weakseg.data.sources import SOURCES, brats2015

REAL = Path(os.environ.get("WEAKSEG_BRATS", "-"))
STUDIES = {"HGG": ("brats_2013_pat0001_1", "brats_tcia_pat153_0002", "brats_tcia_pat153_0109")}
STUDIES["LGG"] = ("brats_2013_pat0001_1",)
SHAPE = (4, 6, 5)


def label() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[1, 1:5, 1] = 1, 2, 3, 4
    return array


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def file(root: Path, kind: str, group: str = "HGG", study: str = STUDIES["HGG"][0]) -> Path:
    return root / group / study / f"{kind}.5" / f"{kind}.5.mha"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for group, studies in STUDIES.items():
        for study in studies:
            for kind in (brats2015.IMAGE, "VSD.Brain.XX.O.MR_T1"):
                save_mha(file(tmp_path / "src", kind, group, study), image(), (1.0, 1.0, 1.0))
            path = file(tmp_path / "src", brats2015.LABEL, group, study)
            save_mha(path, label(), (1.0, 1.0, 1.0))
    return tmp_path / "src"


def first(root: Path):
    return brats2015.find(root)[0][0]


def test_the_source_is_registered(tmp_path):
    assert SOURCES["brats2015"](tmp_path) is brats2015.SOURCE
    assert brats2015.SOURCE.classes == ("tumour",)


def test_f20_studies_of_one_patient_share_it_and_equal_numbers_of_two_grades_do_not(root):
    cases, problems = brats2015.find(root)
    assert not problems
    assert [(case.name, case.patient, case.group) for case in cases] == [
        ("HGG_brats_2013_pat0001_1", "HGG_brats_2013_pat0001", "HGG"),
        ("HGG_brats_tcia_pat153_0002", "HGG_brats_tcia_pat153", "HGG"),
        ("HGG_brats_tcia_pat153_0109", "HGG_brats_tcia_pat153", "HGG"),
        ("LGG_brats_2013_pat0001_1", "LGG_brats_2013_pat0001", "LGG"),
    ]


@pytest.mark.parametrize("folder", ["BRATS2015_Training", "Training"])
def test_the_folder_above_may_be_given(root, folder):
    root.rename(root.parent / folder)
    assert len(brats2015.find(root.parent)[0]) == 4


def test_flair_is_the_image_and_every_structure_is_tumour(root):
    arrays = brats2015.read(first(root))
    np.testing.assert_array_equal(arrays.image, image())
    np.testing.assert_array_equal(arrays.reference, label() > 0)
    assert arrays.spacing == (1.0, 1.0, 1.0) and arrays.scribble is None


@pytest.mark.parametrize("kind", [brats2015.IMAGE, brats2015.LABEL])
def test_a_missing_file_is_reported_with_the_layout(root, tmp_path, kind):
    file(root, kind).unlink()
    message = rf"(?s)0 files {kind}.*brats_2013_pat0001_1; expected one.*expected layout"
    with pytest.raises(ValueError, match=message):
        prepare("brats2015", root, tmp_path / "dst")


def test_a_second_file_of_a_kind_is_reported_by_name(root):
    other = file(root, brats2015.IMAGE).parents[1] / f"{brats2015.IMAGE}.6"
    other.mkdir()
    shutil.copy(file(root, brats2015.IMAGE), other / f"{brats2015.IMAGE}.6.mha")
    assert (
        "MR_Flair.5.mha, VSD.Brain.XX.O.MR_Flair.6.mha; expected one"
        in (brats2015.find(root)[1][0])
    )


def test_a_folder_without_studies_shows_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)no study .*SMIR"):
        brats2015.find(tmp_path)


def test_f14_other_labels_are_rejected(root):
    save_mha(file(root, brats2015.LABEL), label() + np.uint8(1), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"OT\.5\.mha: label id 5 \(1 voxel\)"):
        brats2015.read(first(root))


@pytest.mark.parametrize(
    ("array", "spacing", "message"),
    [(label()[1:], (1.0, 1.0, 1.0), "shapes"), (label(), (1.0, 1.0, 1.2), "spacings")],
)
def test_f15_a_label_on_another_grid_is_rejected(root, array, spacing, message):
    save_mha(file(root, brats2015.LABEL), array, spacing)
    with pytest.raises(ValueError, match=rf"Flair\.5\.mha and .*OT\.5\.mha: {message}"):
        brats2015.read(first(root))


def test_f18_a_truncated_file_is_named(root, tmp_path):
    path = file(root, brats2015.IMAGE)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"MR_Flair\.5\.mha: .*truncated or damaged"):
        prepare("brats2015", root, tmp_path / "dst")


def test_the_phantom_is_prepared_like_the_real_files(tmp_path):
    phantom.write(tmp_path / "src", 5, 32)
    data = Dataset.open(prepare("brats2015", tmp_path / "src", tmp_path / "dst"))
    assert data.synthetic and data.classes == ("tumour",) and data.scribbles == "none"
    assert sorted(case.group for case in data.cases) == ["HGG"] * 4 + ["LGG"]
    assert len({case.patient for case in data.cases}) == 5


@pytest.mark.skipif(not REAL.is_dir(), reason="no BraTS case")
def test_a_real_case_is_read_as_simpleitk_reads_it(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    found = {kind: next(REAL.rglob(f"*_{kind}.nii.gz")) for kind in ("flair", "seg")}
    names = {"flair": brats2015.IMAGE, "seg": brats2015.LABEL}
    arrays = {}
    for kind, path in found.items():
        picture = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
        arrays[kind] = sitk.GetArrayFromImage(picture)
        target = file(tmp_path, names[kind])
        target.parent.mkdir(parents=True)
        stored = sitk.sitkInt16 if kind == "flair" else sitk.sitkUInt8
        sitk.WriteImage(sitk.Cast(picture, stored), str(target), True)
    read = brats2015.read(first(tmp_path))
    np.testing.assert_array_equal(read.image, arrays["flair"])
    np.testing.assert_array_equal(read.reference, arrays["seg"] > 0)
    assert read.image.shape == (155, 240, 240) and read.reference.any()
