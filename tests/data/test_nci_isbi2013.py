"""NCI-ISBI 2013: series and labels of TCIA, labels placed by position."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from weakseg.data import itk_files
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import nci_isbi2013 as phantom
from weakseg.data.phantoms.files import dicom_slice, save_nrrd
from weakseg.data.prepare import prepare
from weakseg.data.sources import SOURCES, dicom, nci_isbi2013

REAL = Path(os.environ.get("WEAKSEG_PROSTATE", "-"))
NAME = "Prostate3T-01-0001"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("nci")
    phantom.write(root, patients=4, matrix=32)
    return root


@pytest.fixture
def root(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "nci"))


def found(root: Path, name: str = NAME):
    (case,) = (case for case in nci_isbi2013.find(root)[0] if case.name == name)
    return case


def series_of(case) -> dicom.Series:
    return dicom.read(case.image, "MR")


def zones(case) -> np.ndarray:
    """Labels of a case whose file lies on the voxels of its series, as they are."""
    return itk_files.read(case.reference).array


def test_the_source_is_registered(tmp_path):
    assert SOURCES["nci-isbi2013"](tmp_path) is nci_isbi2013.SOURCE
    assert nci_isbi2013.SOURCE.classes == ("prostate",)


def test_every_label_is_a_case_and_scanners_are_groups(root):
    cases, problems = nci_isbi2013.find(root)
    assert not problems
    assert [(case.name, case.patient, case.group) for case in cases] == [
        ("Prostate3T-01-0001", "Prostate3T-01-0001", "3 T"),
        ("Prostate3T-01-0002", "Prostate3T-01-0002", "3 T"),
        ("ProstateDx-01-0001", "ProstateDx-01-0001", "1.5 T"),
        ("ProstateDx-01-0002", "ProstateDx-01-0002", "1.5 T"),
    ]
    assert all(case.image.parts[-3] == case.name for case in cases)


def test_labels_of_all_three_parts_are_found_wherever_they_lie(root):
    label = found(root).reference
    other = root / "any" / "Test" / f"{NAME}_truth.nrrd"
    other.parent.mkdir(parents=True)
    label.rename(other)
    assert found(root).reference == other


def test_a_corrected_label_replaces_the_other(root):
    label = found(root).reference
    corrected = label.with_name(f"{NAME}_correctedLabels.nrrd")
    shutil.copy(label, corrected)
    assert found(root).reference == corrected


def test_two_labels_of_a_case_are_reported(root):
    label = found(root).reference
    shutil.copy(label, label.with_name(f"{NAME}_truth.nrrd"))
    assert f"several labels of {NAME}: " in nci_isbi2013.find(root)[1][0]


def test_a_missing_series_is_reported_with_the_layout(root, tmp_path):
    shutil.rmtree(found(root).image)
    with pytest.raises(ValueError, match=rf"(?s)no series of {NAME} .*expected layout.*NBIA"):
        prepare("nci-isbi2013", root, tmp_path / "dst")


def test_several_series_of_a_case_are_reported(root):
    series = found(root).image
    shutil.copytree(series, series.with_name("5.000000-t2tsecor"))
    assert f"several series of {NAME}: " in nci_isbi2013.find(root)[1][0]


def test_a_folder_without_labels_shows_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)no label Prostate.*expected layout"):
        nci_isbi2013.find(tmp_path)


def test_both_zones_become_one_class_on_the_voxels_of_the_series(root):
    case = found(root)
    arrays = nci_isbi2013.read(case)
    np.testing.assert_array_equal(arrays.reference, zones(case) > 0)
    np.testing.assert_array_equal(arrays.image, series_of(case).array)
    assert arrays.spacing == series_of(case).spacing and arrays.scribble is None
    assert arrays.reference.any() and set(np.unique(zones(case))) == {0, 1, 2}


@pytest.mark.parametrize("flips", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_labels_whose_axes_run_another_way_are_placed_by_position(root, flips, order):
    case = found(root)
    expected = nci_isbi2013.read(case).reference
    labels, affine = zones(case).astype(np.uint8), series_of(case).affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (labels.shape[axis] - 1)
        affine[:3, axis] *= -1
    labels = np.ascontiguousarray(np.flip(labels, flips).transpose(order))
    save_nrrd(case.reference, labels, affine[:, [*order, 3]])
    np.testing.assert_array_equal(nci_isbi2013.read(case).reference, expected)


def test_labels_with_fewer_slices_are_placed_by_position(root):
    case = found(root)
    expected, labels = nci_isbi2013.read(case).reference, zones(case).astype(np.uint8)
    inside = np.flatnonzero(labels.any(axis=(1, 2)))
    affine = series_of(case).affine.copy()
    affine[:3, 3] += affine[:3, 0] * inside[0]
    save_nrrd(case.reference, labels[inside[0] : inside[-1] + 1], affine)
    np.testing.assert_array_equal(nci_isbi2013.read(case).reference, expected)


def test_the_outermost_labelled_voxels_survive_a_shift_by_part_of_a_voxel(root):
    case = found(root)
    expected, labels = nci_isbi2013.read(case).reference, zones(case).astype(np.uint8)
    inside = np.flatnonzero(labels.any(axis=(1, 2)))
    for shift in (-0.3, 0.3):
        affine = series_of(case).affine.copy()
        affine[:3, 3] += affine[:3, 0] * (inside[0] + shift)
        save_nrrd(case.reference, labels[inside[0] : inside[-1] + 1], affine)
        with pytest.warns(UserWarning, match="not those of the image"):
            read = nci_isbi2013.read(case).reference
        np.testing.assert_array_equal(read, expected)


def test_labels_with_finer_voxels_give_each_voxel_the_nearest_and_a_warning(root):
    case = found(root)
    expected, labels = nci_isbi2013.read(case).reference, zones(case).astype(np.uint8)
    affine = series_of(case).affine.copy()
    affine[:3, 1:3] /= 3
    affine[:3, 3] -= affine[:3, 1] + affine[:3, 2]
    fine = labels.repeat(3, axis=1).repeat(3, axis=2)
    save_nrrd(case.reference, fine, affine)
    with pytest.warns(UserWarning, match=rf"{NAME}\.nrrd: .*takes the nearest"):
        read = nci_isbi2013.read(case).reference
    np.testing.assert_array_equal(read, expected)


def test_f15_a_label_that_reaches_out_of_the_image_is_rejected(root):
    case = found(root)
    affine = series_of(case).affine.copy()
    affine[2, 3] += 40
    save_nrrd(case.reference, zones(case).astype(np.uint8), affine)
    with pytest.raises(ValueError, match=rf"{NAME}\.nrrd: \d+ of \d+ labelled voxels lie outside"):
        nci_isbi2013.read(case)


def test_f14_other_labels_are_rejected(root):
    case = found(root)
    labels = zones(case).astype(np.uint8)
    labels[0, 0, 0] = 3
    save_nrrd(case.reference, labels, series_of(case).affine)
    with pytest.raises(ValueError, match=rf"{NAME}\.nrrd: label id 3 \(1 voxel\)"):
        nci_isbi2013.read(case)


def test_f18_a_truncated_label_is_named(root, tmp_path):
    path = found(root).reference
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"{NAME}\.nrrd: .*truncated or damaged"):
        prepare("nci-isbi2013", root, tmp_path / "dst")


def test_f19_a_series_with_a_gap_is_rejected(root, tmp_path):
    sorted(found(root).image.iterdir())[5].unlink()
    with pytest.raises(ValueError, match=rf"{NAME}.*is one missing\?"):
        prepare("nci-isbi2013", root, tmp_path / "dst")


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_the_image_and_the_label_lie_where_simpleitk_puts_them(root, number):
    sitk = pytest.importorskip("SimpleITK")
    case = nci_isbi2013.find(root)[0][number]
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(case.image)))
    image = reader.Execute()
    label = sitk.Resample(
        sitk.ReadImage(str(case.reference)), image, sitk.Transform(), sitk.sitkNearestNeighbor
    )
    read = nci_isbi2013.read(case)
    np.testing.assert_array_equal(read.image, sitk.GetArrayFromImage(image))
    np.testing.assert_array_equal(read.reference, sitk.GetArrayFromImage(label) > 0)


def test_the_phantom_is_prepared_like_the_real_files(root, tmp_path):
    data = Dataset.open(prepare("nci-isbi2013", root, tmp_path / "dst"))
    assert data.synthetic and data.classes == ("prostate",) and data.scribbles == "none"
    assert {case.group for case in data.cases} == {"3 T", "1.5 T"}
    assert all(data.load(case).reference.any() for case in data.cases)


@pytest.mark.skipif(not REAL.is_dir(), reason="no prostate case")
def test_a_real_case_survives_the_way_through_dicom_and_nrrd(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    path = next(REAL.glob("*_lab.nii.gz"))
    label = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    image = sitk.DICOMOrient(sitk.ReadImage(str(path).replace("_lab", "")), "LPS")
    stored = sitk.GetArrayFromImage(image).astype(np.uint16)
    folder = tmp_path / "Prostate-3T" / NAME / "study" / "series"
    folder.mkdir(parents=True)
    for i, plane in enumerate(stored):
        data = dicom_slice(plane, {"Modality": "MR"})
        data.SOPInstanceUID = f"2.25.{i + 1}"
        turn = np.reshape(image.GetDirection(), (3, 3))
        data.ImageOrientationPatient = [f"{v:.9f}" for v in turn[:, :2].T.ravel()]
        place = image.TransformIndexToPhysicalPoint((0, 0, i))
        data.ImagePositionPatient = [f"{value:.6f}" for value in place]
        data.PixelSpacing = [f"{mm:.6f}" for mm in image.GetSpacing()[1::-1]]
        data.save_as(folder / f"1-{i:02d}.dcm", enforce_file_format=True)
    (tmp_path / "Training").mkdir()
    label.CopyInformation(image)
    sitk.WriteImage(label, str(tmp_path / "Training" / f"{NAME}.nrrd"), True)
    read = nci_isbi2013.read(found(tmp_path))
    np.testing.assert_array_equal(read.image, stored)
    np.testing.assert_array_equal(read.reference, sitk.GetArrayFromImage(label) > 0)
    assert read.spacing == pytest.approx(image.GetSpacing()[::-1], abs=1e-4)
