"""DICOM series: read as they lie in space, whatever the files are called; else one clear line."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1

from weakseg.data.sources import dicom

PIXEL = (1.25, 0.75)  # mm between rows, between columns
BETWEEN = 2.0
HEIGHT, WIDTH = 5, 4


def plane(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3000, (HEIGHT, WIDTH)).astype(np.uint16)


def write(path: Path, pixels: np.ndarray, position, **fields) -> None:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = (
        CTImageStorage,
        f"1.2.3.{zlib.crc32(path.name.encode())}",
    )
    data.SeriesInstanceUID, data.InstanceNumber = "1.2.3", 1
    data.Modality, data.SliceThickness = "CT", 5.0
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.ImagePositionPatient = [float(value) for value in position]
    data.PixelSpacing = list(PIXEL)
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(pixels.dtype == np.int16)
    data.RescaleSlope, data.RescaleIntercept = 1, -1000
    data.PixelData = pixels.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = fields.pop("syntax", ExplicitVRLittleEndian)
    for name, value in fields.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def write_stack(folder: Path, heights=(0, 2, 4, 6), **fields) -> Path:
    """Write slices at these heights, in the order of names; slice i holds plane(i)."""
    for i, z in enumerate(heights):
        write(folder / f"{i:02d}.dcm", plane(i), (-10, -20, z), **fields)
    return folder


def stored(order=(0, 1, 2, 3)) -> np.ndarray:
    return np.stack([plane(i) for i in order]).astype(np.float32)


def test_slices_are_ordered_by_position_and_spaced_by_it(tmp_path):
    series = dicom.read(write_stack(tmp_path, (4, 0, 6, 2)), "CT")
    assert series.order == (1, 3, 0, 2)
    assert series.spacing == (BETWEEN, *PIXEL)  # not the 5 mm of SliceThickness
    np.testing.assert_array_equal(series.array, stored(series.order) - 1000)
    assert series.array.dtype == np.float32


def test_names_and_instance_numbers_do_not_matter_for_the_image(tmp_path):
    for i, name in enumerate(("z.dcm", "IMG-2.dcm", "IMG-10.DCM", "a.dcm")):
        write(tmp_path / name, plane(i), (0, 0, 2 * i), InstanceNumber=7 - i)
    series = dicom.read(tmp_path, "CT")
    np.testing.assert_array_equal(series.array, stored() - 1000)
    assert [path.name for path in dicom.by_name(tmp_path, ".dcm")] == [
        "IMG-2.dcm",
        "IMG-10.DCM",
        "a.dcm",
        "z.dcm",
    ]
    assert series.order == (3, 0, 1, 2)


@pytest.mark.parametrize(("right", "back"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_rows_and_columns_are_turned_to_left_and_back_and_slices_rise_to_the_head(
    tmp_path, right, back
):
    write_stack(tmp_path, ImageOrientationPatient=[right, 0, 0, 0, back, 0])
    series = dicom.read(tmp_path, "CT")
    expected = stored()[:, ::back, ::right]
    np.testing.assert_array_equal(series.array, expected - 1000)
    np.testing.assert_array_equal(series.arrange(stored()), expected)


def test_distances_of_oblique_slices_are_along_their_normal(tmp_path):
    cos, sin = np.cos(0.2), np.sin(0.2)
    for i in range(3):
        place = i * 3.0 * np.array([0, -sin, cos])
        tilted = [1, 0, 0, 0, cos, sin]
        write(tmp_path / f"{i}.dcm", plane(i), place, ImageOrientationPatient=tilted)
    np.testing.assert_allclose(dicom.read(tmp_path, "CT").spacing[0], 3.0, atol=1e-6)


def test_simpleitk_reads_the_same(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    write_stack(tmp_path, (6, 4, 2, 0), RescaleSlope="1.5", RescaleIntercept="-200")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    series = dicom.read(tmp_path, "CT")
    np.testing.assert_allclose(series.array, sitk.GetArrayFromImage(image), rtol=1e-6)
    np.testing.assert_allclose(series.spacing, image.GetSpacing()[::-1])


def test_signed_values_are_read(tmp_path):
    for i in range(2):
        write(tmp_path / f"{i}.dcm", plane(i).astype(np.int16) - 2000, (0, 0, i))
    assert dicom.read(tmp_path, "CT").array.min() < -2000


def test_mr_needs_no_rescaling_but_it_is_applied_per_slice(tmp_path):
    bare = {"Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None}
    write_stack(tmp_path, (0, 2), **bare)
    np.testing.assert_array_equal(dicom.read(tmp_path, "MR").array, stored((0, 1)))
    write(tmp_path / "00.dcm", plane(0), (-10, -20, 0), Modality="MR", RescaleSlope=2)
    np.testing.assert_array_equal(dicom.read(tmp_path, "MR").array[0], 2.0 * plane(0) - 1000)


def test_f19_slices_at_one_place_are_refused_with_the_place(tmp_path):
    write_stack(tmp_path, (0, 2, 2, 4))
    with pytest.raises(ValueError, match=r"several slices at 2\.00 mm \(01\.dcm, 02\.dcm"):
        dicom.read(tmp_path, "CT")


def test_f19_a_gap_is_refused_with_its_place(tmp_path):
    write_stack(tmp_path, (0, 2, 4, 8, 10))
    expected = r"2\.00 mm apart, but 4\.00 mm between 4\.00 and 8\.00; is one missing"
    with pytest.raises(ValueError, match=expected):
        dicom.read(tmp_path, "CT")


def test_positions_may_be_rounded(tmp_path):
    write_stack(tmp_path, (0, 2.01, 3.99, 6))
    assert dicom.read(tmp_path, "CT").spacing[0] == 2.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SeriesInstanceUID", "1.2.4"),
        ("PixelSpacing", [1.25, 0.8]),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0.8, 0.6]),
    ],
)
def test_f19_files_of_another_series_are_refused_with_their_place(tmp_path, field, value):
    write_stack(tmp_path)
    write(tmp_path / "07.dcm", plane(7), (-10, -20, 8), **{field: value})
    with pytest.raises(
        ValueError, match=rf"07\.dcm: {field} is .* 1 of 5 files differ, at \d+\.\d"
    ):
        dicom.read(tmp_path, "CT")


def test_f19_slices_of_another_size_are_refused(tmp_path):
    write_stack(tmp_path)
    write(tmp_path / "07.dcm", plane(7)[:, 1:], (-10, -20, 8))
    with pytest.raises(ValueError, match=r"07.dcm: size is \(5, 3\), that of 00.dcm is \(5, 4\)"):
        dicom.read(tmp_path, "CT")


def test_identifiers_that_differ_in_every_file_tell_nothing(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.dcm", plane(i), (0, 0, i), SeriesInstanceUID=f"1.2.{i}")
    assert len(dicom.read(tmp_path, "CT").array) == 3


def test_slices_that_are_not_above_each_other_are_refused(tmp_path):
    write_stack(tmp_path, (0, 2, 4))
    write(tmp_path / "09.dcm", plane(9), (-7, -20, 6))
    with pytest.raises(ValueError, match=r"slices at 6.00 mm are shifted sideways by up to 3.00"):
        dicom.read(tmp_path, "CT")


def test_one_slice_is_no_series(tmp_path):
    write_stack(tmp_path, (0,))
    with pytest.raises(ValueError, match="one slice only"):
        dicom.read(tmp_path, "CT")


def test_slices_that_are_not_axial_are_refused(tmp_path):
    write_stack(tmp_path, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    with pytest.raises(ValueError, match=r"00.dcm: ImageOrientationPatient is .* expected axial"):
        dicom.read(tmp_path, "CT")


def test_a_folder_without_files_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=f"no .dcm file in {folder}"):
            dicom.read(folder, "CT")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Modality": "MR"}, "Modality is 'MR'; expected 'CT'"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "is 'MONOCHROME1'; expected 'MONOCHROME2'"),
        ({"SamplesPerPixel": 3}, "SamplesPerPixel is 3; expected 1"),
        ({"NumberOfFrames": 2}, "NumberOfFrames is .2.*; expected 1"),
        ({"RescaleSlope": None}, "no RescaleSlope; expected both"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, "no RescaleSlope or RescaleIntercept"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is None; expected 3 finite"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "expected two unit vectors"),
        ({"PixelSpacing": [0, 1]}, "expected positive mm"),
        ({"PixelSpacing": [1, 1, 1]}, "PixelSpacing is .*; expected 2 finite numbers"),
        ({"Rows": 60000}, "Rows is 60000; expected 1 to 4096"),
        ({"Rows": 6}, "pixel data"),
        ({"Columns": 0}, "Columns is 0; expected 1"),
        ({"PixelData": None}, ""),
    ],
)
def test_files_that_are_no_grey_slices_say_so_in_one_line(tmp_path, fields, reason):
    write_stack(tmp_path, **fields)
    with pytest.raises(ValueError, match=rf"^{tmp_path}/00\.dcm: .*{reason}") as error:
        dicom.read(tmp_path, "CT")
    assert "\n" not in str(error.value)


def test_a_compression_nobody_here_reads_is_named(tmp_path):
    frame = encapsulate([plane(0).tobytes()])
    write_stack(tmp_path, syntax=JPEGLosslessSV1, PixelData=frame)
    with pytest.raises(ValueError, match=r"00.dcm: cannot decode transfer syntax 'JPEG Lossless"):
        dicom.read(tmp_path, "CT")


@pytest.mark.parametrize("keep", [0, 100, 132, 300, -1])
def test_truncated_files_are_named(tmp_path, keep):
    write_stack(tmp_path)
    content = (tmp_path / "02.dcm").read_bytes()
    (tmp_path / "02.dcm").write_bytes(content[:keep])
    with pytest.raises(ValueError, match=r"02\.dcm: "):
        dicom.read(tmp_path, "CT")


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6))
def test_f18_damaged_bytes_never_crash(tmp_path, changes):
    write_stack(tmp_path, (0, 2))
    content = bytearray((tmp_path / "01.dcm").read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "01.dcm").write_bytes(content)
    try:
        series = dicom.read(tmp_path, "CT")
    except ValueError as error:
        assert str(tmp_path) in str(error)
    else:
        assert len(series.array) == 2


def test_f17_a_constant_image_is_zeros_with_a_warning(tmp_path):
    for i in range(2):
        write(tmp_path / f"{i}.dcm", np.full((3, 3), 7, np.uint16), (0, 0, i))
    with pytest.warns(UserWarning, match=r"every voxel is -993\.0"):
        assert not dicom.read(tmp_path, "CT").array.any()


@pytest.mark.parametrize("heights", [(0, 2, 4, 6), (4, 0, 6, 2)])
@pytest.mark.parametrize(("left", "back"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_the_affine_places_every_voxel_where_its_file_puts_it(tmp_path, heights, left, back):
    row, column = np.array([0.8 * left, 0.6 * left, 0]), np.array([-0.6 * back, 0.8 * back, 0])
    write_stack(tmp_path, heights, ImageOrientationPatient=[*row, *column])
    series = dicom.read(tmp_path, "CT")
    down, along = np.mgrid[:HEIGHT, :WIDTH][..., None]
    inplane = down * PIXEL[0] * column + along * PIXEL[1] * row
    places = np.stack([inplane + np.array([-10, -20, z]) for z in heights])  # [files, H, W, 3]
    expected = np.stack([series.arrange(places[..., axis]) for axis in range(3)], axis=-1)
    index = np.moveaxis(np.indices(series.array.shape), 0, -1)
    found = index @ series.affine[:3, :3].T + series.affine[:3, 3]
    np.testing.assert_allclose(found, expected, atol=1e-9)
