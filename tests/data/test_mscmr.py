import os
from pathlib import Path

import numpy as np
import pytest

from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import mscmr as phantom
from weakseg.data.prepare import prepare
from weakseg.data.sources import mscmr
from weakseg.data.splits import split

SHAPE = (3, 8, 6)
SPACING = (5.0, 0.75, 0.75)
# The voxels' axes are oblique in all of the files.
TURN = np.array([[0.8, -0.6, 0, 3], [0.6, 0.8, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1.0]])
AFFINE = TURN @ np.diag([0.75, 0.75, 5, 1])
FOLDERS = {2: "train", 10: "train", 1: "val", 3: "TestSet", 43: "TestSet"}


def reference() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[:, 1:5, 1:5], array[:, 2:4, 2:4], array[:, 6] = 2, 3, 1
    return array


def scribble() -> np.ndarray:
    array = np.full(SHAPE, 4, np.uint8)
    array[:, 0], array[:, 1, 1:4], array[:, 2, 2] = 0, 2, 3
    return array


def write(path: Path, array: np.ndarray, spacing=SPACING, affine=AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, array, spacing, affine)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, folder in FOLDERS.items():
        name, top = f"subject{number}_DE", tmp_path / "src" / "MSCMR_dataset" / folder
        image = np.random.default_rng(number).integers(0, 500, SHAPE).astype(np.int16)
        write(top / "images" / f"{name}.nii.gz", image)
        kind, label = ("scribble", scribble()) if folder == "train" else ("manual", reference())
        write(top / "labels" / f"{name}_{kind}.nii.gz", label)
    return tmp_path / "src"


def file(root: Path, number: int, kind: str) -> Path:
    top = root / "MSCMR_dataset" / FOLDERS[number]
    folder = "labels" if kind else "images"
    return top / folder / f"subject{number}_DE{kind}.nii.gz"


def found(root: Path, number: int):
    (case,) = (c for c in mscmr.find(root)[0] if c.patient == f"subject{number}")
    return case


def test_cases_belong_to_the_parts_of_their_folders(root):
    cases, problems = mscmr.find(root)
    assert not problems
    parts = {int(c.patient.removeprefix("subject")): c.part for c in cases}
    assert parts == {2: "train", 10: "train", 1: "val", 3: "test", 43: "test"}
    assert {c.name for c in cases} == {f"subject{number}_DE" for number in FOLDERS}


def test_the_folder_itself_may_be_given(root):
    assert len(mscmr.find(root / "MSCMR_dataset")[0]) == len(FOLDERS)


def test_training_cases_have_strokes_alone_others_references_alone(root):
    train, test = mscmr.read(found(root, 2)), mscmr.read(found(root, 3))
    assert train.reference is None and test.scribble is None
    np.testing.assert_array_equal(train.scribble, scribble())
    np.testing.assert_array_equal(test.reference, reference())
    assert train.spacing == SPACING


def test_prepared_data_can_be_split_officially(root, tmp_path):
    data = Dataset.open(prepare("mscmr", root, tmp_path / "dst"))
    parts = split("official", data.cases, 1)
    patients = [{c.patient for c in part} for part in (parts.train, parts.val, parts.test)]
    assert patients == [{"subject2", "subject10"}, {"subject1"}, {"subject3", "subject43"}]
    assert all(case.reference is None for case in parts.train)
    assert data.classes == ("RV", "MYO", "LV") and data.scribbles == "drawn"


@pytest.mark.parametrize(("number", "kind"), [(2, "_scribble"), (1, "_manual")])
def test_a_missing_label_is_reported_with_the_layout(root, tmp_path, number, kind):
    file(root, number, kind).unlink()
    with pytest.raises(ValueError, match=rf"(?s)no file .*subject{number}_DE{kind}.*expected layo"):
        prepare("mscmr", root, tmp_path / "dst")


def test_f20_a_subject_in_two_parts_is_reported(root):
    image, label = file(root, 3, ""), file(root, 3, "_manual")
    for path in (image, label):
        target = Path(str(path).replace("TestSet", "val"))
        target.write_bytes(path.read_bytes())
    assert "subject3_DE is in two parts" in mscmr.find(root)[1][0]


def test_a_folder_without_cases_shows_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)no image .*TestSet.*CycleMix"):
        mscmr.find(tmp_path)


def test_f14_the_codes_of_the_challenge_are_rejected(root):
    path = file(root, 3, "_manual")
    write(path, np.where(reference() == 3, 500, 0).astype(np.int16))
    with pytest.raises(ValueError, match=r"subject3_DE_manual.*label id 500 \(12 voxels\)"):
        mscmr.read(found(root, 3))


def test_f14_references_have_no_unlabelled_code(root):
    write(file(root, 1, "_manual"), scribble())
    with pytest.raises(ValueError, match=r"label id 4 .*expected only \[0, 1, 2, 3\]"):
        mscmr.read(found(root, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": reference()[1:]}, "shapes"),
        ({"spacing": (5.0, 0.8, 0.75), "affine": TURN @ np.diag([0.75, 0.8, 5, 1])}, "spacings"),
        ({"affine": np.diag([-0.75, -0.75, 5, 1])}, "axes"),
    ],
)
def test_f15_labels_on_another_grid_are_rejected(root, change, message):
    write(file(root, 3, "_manual"), **{"array": reference(), **change})
    with pytest.raises(ValueError, match=rf"subject3_DE.nii.gz and .*_manual.*{message}"):
        mscmr.read(found(root, 3))


def test_f15_the_known_defect_of_subject43_is_forgiven_but_not_another_shape(root):
    path = file(root, 43, "_manual")
    write(path, reference(), affine=np.diag([-0.75, -0.75, 5, 1]))
    np.testing.assert_array_equal(mscmr.read(found(root, 43)).reference, reference())
    write(path, reference()[1:])
    with pytest.raises(ValueError, match="shapes"):
        mscmr.read(found(root, 43))


def test_f18_a_truncated_file_is_named(root):
    path = file(root, 2, "_scribble")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="subject2_DE_scribble"):
        mscmr.read(found(root, 2))


def test_a_case_nobody_drew_in_is_a_warning(root):
    write(file(root, 2, "_scribble"), np.full(SHAPE, 4, np.uint8))
    with pytest.warns(UserWarning, match="subject2_DE_scribble.*no stroke at all"):
        mscmr.read(found(root, 2))


def test_the_phantom_is_prepared_like_the_real_files(tmp_path):
    phantom.write(tmp_path / "src", 3, 48)
    data = Dataset.open(prepare("mscmr", tmp_path / "src", tmp_path / "dst"))
    assert data.synthetic
    assert [case.part for case in data.cases] == ["train", "val", "test"]
    assert all((c.reference is None) == (c.part == "train") for c in data.cases)
    assert all((c.scribble is None) == (c.part != "train") for c in data.cases)
    assert mscmr.SOURCE.synthetic(tmp_path / "src" / "MSCMR_dataset")


@pytest.mark.skipif(not Path(os.environ.get("WEAKSEG_MSCMR", "-")).is_dir(), reason="no MSCMR")
def test_the_real_files_have_the_published_parts(tmp_path):
    data = Dataset.open(prepare("mscmr", os.environ["WEAKSEG_MSCMR"], tmp_path / "dst"))
    parts = split("official", data.cases, 1)
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [25, 5, 15]
    assert not data.synthetic
    strokes = data.load(parts.train[0]).scribble
    assert strokes is not None and set(np.unique(strokes)) == {0, 1, 2, 3, 255}
