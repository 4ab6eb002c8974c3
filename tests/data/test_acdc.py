import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.data.official import SHAPE, SPACING, edit_header, labels, save, scribbles, write_acdc
from weakseg.data.nifti_header import SpacingConflict
from weakseg.data.sources import acdc


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_acdc(tmp_path / "acdc")


@pytest.fixture
def patient(root: Path) -> Path:
    return root / "training" / "patient001"


def first(root: Path):
    return acdc.find(root)[0][0]


def test_both_frames_of_every_patient_are_found_with_phase_and_group(root):
    cases, problems = acdc.find(root)
    assert not problems
    assert [(c.name, c.patient, c.group, c.frame) for c in cases] == [
        ("patient001_frame01", "patient001", "DCM", "ED"),
        ("patient001_frame12", "patient001", "DCM", "ES"),
        ("patient021_frame01", "patient021", "HCM", "ED"),
        ("patient021_frame12", "patient021", "HCM", "ES"),
    ]


@pytest.mark.parametrize("folder", ["training", "database/training"])
def test_the_folder_above_the_patients_may_be_named_too(tmp_path, folder):
    top = tmp_path / folder
    for source in (write_acdc(tmp_path / "x") / "training").iterdir():
        (top / source.name).parent.mkdir(parents=True, exist_ok=True)
        source.rename(top / source.name)
    assert len(acdc.find(tmp_path)[0]) == len(acdc.find(top)[0]) == 4


def test_the_4d_file_and_other_files_are_ignored(root, patient):
    save(patient / "patient001_4d.nii.gz", np.zeros((*SHAPE, 30), np.int16))
    save(patient / "patient001_frame05.nii.gz", np.zeros(SHAPE, np.int16))
    (patient / ".DS_Store").write_bytes(b"x")
    (root / "training" / "patient_list.txt").write_text("x")
    (root / "training" / "patients").mkdir()
    cases, problems = acdc.find(root)
    assert (len(cases), problems) == (4, [])


def test_f16_the_known_defect_of_the_sform_is_read_with_the_spacing_of_pixdim(root, recwarn):
    case = first(root)
    np.testing.assert_allclose(np.abs(nib.load(case.image).affine.diagonal()), 1)
    arrays = acdc.SOURCE.read(case)
    assert arrays.spacing == SPACING[::-1]
    assert not [w for w in recwarn if issubclass(w.category, SpacingConflict)]


def test_f16_another_conflict_of_spacings_than_the_known_one_is_told(root):
    case = first(root)
    edit_header(case.image, srow_x=[-2, 0, 0, 0], srow_y=[0, -2, 0, 0])
    with pytest.warns(SpacingConflict, match="the sform says"):
        acdc.SOURCE.read(case)


def test_files_are_matched_by_index(root):
    arrays = acdc.read(first(root))
    np.testing.assert_array_equal(arrays.reference, labels().transpose(2, 1, 0))
    np.testing.assert_array_equal(arrays.scribble, scribbles().transpose(2, 1, 0))
    assert arrays.image.shape == SHAPE[::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_scribbles_of_any_type_that_hold_integers_are_read(root, dtype):
    case = first(root)
    save(case.scribble, scribbles().astype(dtype), scribble=True)
    scribble = acdc.read(case).scribble
    assert scribble.dtype == np.uint8
    np.testing.assert_array_equal(scribble, scribbles().transpose(2, 1, 0))


def test_f14_the_unlabelled_code_is_no_reference_label(root):
    case = first(root)
    save(case.reference, scribbles())
    with pytest.raises(ValueError, match=r"frame01_gt.nii.gz: label id 4 \(\d+ voxels\); exp"):
        acdc.read(case)


def test_f15_a_reference_or_scribble_of_another_shape_names_both_files(root):
    case = first(root)
    save(case.scribble, scribbles()[:, :, :2], scribble=True)
    with pytest.raises(ValueError, match=r"frame01.nii.gz and .*scribble.nii.gz: shapes .*2, 10"):
        acdc.read(case)
    save(case.reference, labels()[1:])
    with pytest.raises(ValueError, match=r"frame01.nii.gz and .*gt.nii.gz: shapes .*3, 10, 11"):
        acdc.read(case)


@pytest.mark.parametrize(("shift", "accepted"), [(0.0005, True), (0.002, False)])
def test_f15_spacings_may_differ_by_a_thousandth_of_a_mm(root, shift, accepted):
    case = first(root)
    save(case.reference, labels(), spacing=(1.5, 1.5 + shift, 10.0))
    if accepted:
        assert acdc.read(case).spacing == SPACING[::-1]
    else:
        with pytest.raises(ValueError, match=r"frame01.nii.gz and .*gt.nii.gz: spacings"):
            acdc.read(case)


def test_f15_axes_stated_differently_are_rejected(root):
    case = first(root)
    edit_header(case.reference, srow_x=[1, 0, 0, 0])
    with pytest.raises(ValueError, match=r"frame01.nii.gz and .*gt.nii.gz: stated axes differ"):
        acdc.read(case)


def test_f16_a_file_that_states_no_axes_is_matched_by_index(root):
    case = first(root)
    edit_header(case.image, sform_code=0)
    with pytest.warns(UserWarning, match="no usable sform or qform"):
        assert acdc.read(case).spacing == SPACING[::-1]


def test_f13_a_volume_without_a_stroke_is_a_warning(root):
    case = first(root)
    save(case.scribble, np.full(SHAPE, 4, np.uint8), scribble=True)
    with pytest.warns(UserWarning, match=r"scribble.nii.gz: no stroke at all"):
        acdc.read(case)


@pytest.mark.parametrize("ending", ["", "_gt", "_scribble"])
def test_a_missing_file_is_named(root, patient, ending):
    (patient / f"patient001_frame12{ending}.nii.gz").unlink()
    cases, problems = acdc.find(root)
    assert len(cases) == 3
    assert problems == [f"no file {patient}/patient001_frame12{ending}.nii.gz (ES of patient001)"]


def test_a_missing_info_file_is_named_and_other_patients_are_still_found(root, patient):
    (patient / "Info.cfg").unlink()
    cases, problems = acdc.find(root)
    assert len(cases) == 2
    assert problems == [f"no file {patient}/Info.cfg (says which frames are ED and ES)"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ES: 12\nGroup: DCM", "ED is None; expected a line 'ED: 1'"),
        ("ED: one\nES: 12\nGroup: DCM", "ED is 'one'"),
        ("ED: 1\nES: 1\nGroup: DCM", "ED and ES are both frame 1"),
        ("ED: 1\nES: 01\nGroup: DCM", "ED and ES are both frame 1"),
        ("ED: 1\nES: 12\nGroup: XYZ", "Group is 'XYZ'; expected one of"),
        ("\x00\xff", "ED is None"),
    ],
)
def test_info_that_makes_no_sense_is_refused(root, patient, text, reason):
    (patient / "Info.cfg").write_bytes(text.encode("latin-1"))
    problems = acdc.find(root)[1]
    assert len(problems) == 1
    assert reason in problems[0]


def test_a_folder_without_patients_says_what_is_expected_and_where_it_comes_from(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError) as error:
            acdc.find(folder)
        for part in ("patient001_frame01_scribble.nii.gz", "ACDC challenge", "Valvano"):
            assert part in str(error.value)


def test_phantoms_are_told_by_their_mark(root):
    assert not acdc.SOURCE.synthetic(root)
    (root / "PHANTOM").touch()
    assert acdc.SOURCE.synthetic(root)
    assert acdc.SOURCE.synthetic(root / "training")


@pytest.mark.skipif(not Path(os.environ.get("WEAKSEG_ACDC", "-")).is_dir(), reason="no ACDC")
def test_the_real_download_has_two_hundred_cases_in_five_groups():
    cases, problems = acdc.find(Path(os.environ["WEAKSEG_ACDC"]))
    assert (len(cases), problems) == (200, [])
    assert {g: sum(c.group == g for c in cases) for g in acdc.GROUPS} == dict.fromkeys(
        acdc.GROUPS, 40
    )
