"""The Decathlon's hippocampus: both parts as one class, turned to head, back and left."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.data import decathlon
from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import hippocampus as phantom
from weakseg.data.prepare import prepare
from weakseg.data.sources import SOURCES, msd

REAL = Path(os.environ.get("WEAKSEG_HIPPOCAMPUS", "-"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return decathlon.write_task(tmp_path / "src")


def task_file(root: Path, folder: str, number: int = 1) -> Path:
    return root / "Task04_Hippocampus" / folder / f"hippocampus_{number:03d}.nii.gz"


def test_the_source_is_registered(tmp_path):
    assert SOURCES["hippocampus"](tmp_path) is msd.SOURCE
    assert msd.SOURCE.classes == ("hippocampus",)


@pytest.mark.parametrize("below", ["", "Task04_Hippocampus"])
def test_every_listed_case_is_a_patient(root, below):
    cases, problems = msd.find(root / below)
    assert not problems
    assert [(case.name, case.patient) for case in cases] == [
        ("hippocampus_001", "001"),
        ("hippocampus_003", "003"),
        ("hippocampus_012", "012"),
    ]


def test_files_that_are_not_listed_are_ignored(root):
    extra = task_file(root, "imagesTr").with_name("._hippocampus_001.nii.gz")
    extra.write_bytes(b"x")
    assert len(msd.find(root)[0]) == 3


def test_both_parts_become_one_class(root):
    arrays = msd.read(msd.find(root)[0][0])
    np.testing.assert_array_equal(arrays.image, decathlon.image(1))
    np.testing.assert_array_equal(arrays.reference, decathlon.label() > 0)
    assert arrays.reference.dtype == np.uint8 and arrays.scribble is None
    assert arrays.spacing == decathlon.SPACING


def test_files_that_run_to_the_right_and_front_are_turned(root):
    expected = msd.read(msd.find(root)[0][0])
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    image, label = (a[:, ::-1, ::-1] for a in (decathlon.image(1), decathlon.label()))
    decathlon.write_case(root, "hippocampus_001", image, label, affine=affine)
    turned = msd.read(msd.find(root)[0][0])
    np.testing.assert_array_equal(turned.image, expected.image)
    np.testing.assert_array_equal(turned.reference, expected.reference)


def test_a_missing_label_is_reported_with_the_layout(root, tmp_path):
    task_file(root, "labelsTr", 3).unlink()
    with pytest.raises(ValueError, match=r"(?s)no file .*hippocampus_003.*expected layout"):
        prepare("hippocampus", root, tmp_path / "dst")


def test_a_case_that_is_listed_twice_is_reported(root):
    decathlon.write_index(root, ["hippocampus_001", "hippocampus_003", "hippocampus_001"])
    assert "lists hippocampus_001 twice" in msd.find(root)[1][0]


def test_another_task_is_refused(root):
    labels = {"0": "background", "1": "PZ", "2": "TZ"}
    decathlon.write_index(root, ["hippocampus_001"], labels=labels)
    with pytest.raises(ValueError, match=r"dataset.json: labels are .*pz.*Task04_Hippocampus"):
        msd.find(root)


@pytest.mark.parametrize("text", ["{", "[]", '{"labels": {"a": "b"}}', '{"labels": {}}'])
def test_f18_a_damaged_index_is_named(root, text):
    (root / "Task04_Hippocampus" / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"dataset\.json is not the Decathlon's"):
        msd.find(root)


def test_an_index_without_cases_and_a_folder_without_index_show_the_layout(root, tmp_path):
    decathlon.write_index(root, [])
    for folder, message in ((root, "lists no training case"), (tmp_path, "no file")):
        with pytest.raises(FileNotFoundError, match=rf"(?s){message}.*expected layout"):
            msd.find(folder)


def test_f14_other_labels_are_rejected(root):
    label = decathlon.label()
    label[0, 0, :2] = 3
    decathlon.write_case(root, "hippocampus_001", decathlon.image(1), label)
    with pytest.raises(ValueError, match=r"hippocampus_001.*label id 3 \(2 voxels\)"):
        msd.read(msd.find(root)[0][0])


def test_f15_a_label_on_another_grid_is_rejected(root):
    nifti.write(task_file(root, "labelsTr"), decathlon.label()[1:], decathlon.SPACING)
    with pytest.raises(ValueError, match=r"imagesTr.*and .*labelsTr.*shapes"):
        msd.read(msd.find(root)[0][0])


def test_the_phantom_is_prepared_like_the_real_files(tmp_path):
    phantom.write(tmp_path / "src", 3)
    data = Dataset.open(prepare("hippocampus", tmp_path / "src", tmp_path / "dst"))
    assert data.synthetic and data.classes == ("hippocampus",) and data.scribbles == "none"
    assert len(data.cases) == 3 and all(case.scribble is None for case in data.cases)
    reference = data.load(data.cases[0]).reference
    assert set(np.unique(reference)) == {0, 1}


@pytest.mark.skipif(not REAL.is_dir(), reason="no hippocampus data")
def test_the_real_files_are_whole(tmp_path):
    data = Dataset.open(prepare("hippocampus", REAL, tmp_path / "dst"))
    assert len(data.cases) >= 260 and not data.synthetic
    for case in data.cases[::50]:
        reference = data.load(case).reference
        assert 0.01 < reference.mean() < 0.15
