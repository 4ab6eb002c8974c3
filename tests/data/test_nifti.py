import gzip
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.official import SHAPE, SPACING, edit_header, labels, save
from weakseg.data import nifti
from weakseg.data.nifti_header import SpacingConflict

ARRAY = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
PROPER = np.diag([-1.5, -1.5, 10.0, 1.0])
SFORM = {"sform_code": 1, "srow_x": PROPER[0], "srow_y": PROPER[1], "srow_z": PROPER[2]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "image.nii.gz", ARRAY, scribble=True)


def test_arrays_come_as_slices_rows_columns_with_spacing_alike(path):
    volume = nifti.read(path)
    np.testing.assert_array_equal(volume.array, ARRAY.transpose(2, 1, 0))
    assert volume.array.dtype == np.int16
    assert volume.spacing == SPACING[::-1]
    np.testing.assert_allclose(volume.affine, PROPER)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_what_is_written_is_read_back_by_us_and_by_nibabel(tmp_path, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    nifti.write(tmp_path / "a.nii.gz", array, (8.0, 1.25, 0.75))
    volume, image = nifti.read(tmp_path / "a.nii.gz"), nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.array, array)
    assert volume.spacing == (8.0, 1.25, 0.75)
    np.testing.assert_array_equal(np.asarray(image.dataobj), array.transpose(2, 1, 0))
    np.testing.assert_allclose(image.affine, volume.affine)
    np.testing.assert_allclose(volume.affine, nifti.upright((8.0, 1.25, 0.75)))


def test_equal_volumes_are_equal_bytes_and_leave_no_other_file(tmp_path):
    array = labels().transpose(2, 1, 0)
    for name in ("a.nii.gz", "b.nii.gz"):
        nifti.write(tmp_path / name, array, (10.0, 1.5, 1.5))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_writing_refuses_two_dimensions_and_other_names(tmp_path):
    with pytest.raises(ValueError, match=r"expected a .nii.gz name and \[D, H, W\], got \(2, 3\)"):
        nifti.write(tmp_path / "a.nii.gz", np.zeros((2, 3), np.uint8), (1, 1, 1))
    with pytest.raises(ValueError, match=r"expected a .nii.gz name"):
        nifti.write(tmp_path / "a.png", np.zeros((2, 3, 4), np.uint8), (1, 1, 1))


def test_uncompressed_files_are_read(tmp_path):
    volume = nifti.read(save(tmp_path / "image.nii", ARRAY, scribble=True))
    np.testing.assert_array_equal(volume.array, ARRAY.transpose(2, 1, 0))


def test_big_endian_and_nifti_2_are_read(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    for kind, name in ((nib.Nifti1Image, "big.nii"), (nib.Nifti2Image, "two.nii.gz")):
        nib.save(kind(ARRAY, PROPER, header if kind is nib.Nifti1Image else None), tmp_path / name)
        volume = nifti.read(tmp_path / name)
        np.testing.assert_array_equal(volume.array, ARRAY.transpose(2, 1, 0))
        assert volume.array.dtype.isnative
        assert volume.spacing == SPACING[::-1]


@pytest.mark.parametrize(("value", "text"), [(255, "255"), (-1, "-1"), (0.999, "0.999")])
def test_f14_label_ids_outside_the_map_are_named_with_file_and_count(tmp_path, value, text):
    array = labels().astype(np.float32 if isinstance(value, float) else np.int16)
    array[0, 0, :2] = value
    path = save(tmp_path / "label.nii.gz", array, scribble=True)
    with pytest.raises(ValueError, match=rf"label.nii.gz: label id {text}\d* \(2 voxels\)"):
        nifti.read_labels(path, range(4))


def test_f14_nan_is_no_label_and_many_ids_are_summed_up(tmp_path):
    array = labels().astype(np.float64)
    array[0, 0, 0] = np.nan
    array[1, :9, 0] = np.arange(10, 19)
    path = save(tmp_path / "label.nii.gz", array, scribble=True)
    with pytest.raises(ValueError, match=r"10.0 \(1 voxel\).* and 5 more; expected only \[0, 1"):
        nifti.read_labels(path, range(4))


def test_labels_stored_as_exact_floats_become_bytes(tmp_path):
    path = save(tmp_path / "label.nii.gz", labels().astype(np.float64), scribble=True)
    array = nifti.read_labels(path, range(4)).array
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, labels().transpose(2, 1, 0))


def test_f16_a_sform_of_zeros_falls_back_to_the_qform(path):
    edit_header(path, sform_code=2)
    with pytest.warns(UserWarning, match="sform is singular and is ignored"):
        volume = nifti.read(path)
    np.testing.assert_allclose(volume.affine, PROPER)


def test_f16_without_any_form_axes_are_as_stored_and_never_singular(path):
    edit_header(path, qform_code=0)
    with pytest.warns(UserWarning, match="no usable sform or qform"):
        volume = nifti.read(path)
    np.testing.assert_allclose(volume.affine, np.diag([1.5, 1.5, 10.0, 1.0]))
    assert not volume.oriented


def test_f16_of_two_differing_forms_the_sform_is_used(path):
    edit_header(path, **{**SFORM, "srow_x": [1.5, 0, 0, 7]})
    with pytest.warns(UserWarning, match="sform and qform differ; the sform is used"):
        volume = nifti.read(path)
    np.testing.assert_allclose(volume.affine[0], [1.5, 0, 0, 7])


def test_f16_a_sform_of_1_mm_gets_the_lengths_of_pixdim(tmp_path):
    with pytest.warns(SpacingConflict, match=r"sform says \[1. 1. 1.\] mm"):
        volume = nifti.read(save(tmp_path / "image.nii.gz", ARRAY))
    np.testing.assert_allclose(volume.affine, PROPER)


def test_f16_equal_forms_are_no_warning(path):
    edit_header(path, **SFORM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(nifti.read(path).affine, PROPER)


@pytest.mark.parametrize("bad", [0.0, -1.5, np.nan, np.inf])
def test_f16_a_voxel_size_that_is_not_positive_is_rejected(path, bad):
    edit_header(path, pixdim=[1, 1.5, bad, 10, 0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"voxel size .* in pixdim; expected positive"):
        nifti.read(path)


def test_f17_nan_and_inf_become_the_finite_range_with_a_warning(tmp_path):
    array = ARRAY.astype(np.float32) + 5
    array[0, 0, 0], array[1, 0, 0], array[2, 0, 0] = np.nan, -np.inf, np.inf
    with pytest.warns(UserWarning, match="3 voxels are not finite"):
        volume = nifti.read(save(tmp_path / "image.nii.gz", array, scribble=True))
    assert np.isfinite(volume.array).all()
    assert volume.array[0, 0, :3].tolist() == [6.0, 6.0, ARRAY.max() + 5]


def test_f17_an_image_without_a_finite_value_is_rejected(tmp_path):
    array = np.full(SHAPE, np.nan, np.float32)
    with pytest.raises(ValueError, match="no finite value"):
        nifti.read(save(tmp_path / "image.nii.gz", array, scribble=True))


def test_f17_a_constant_image_becomes_zeros_with_a_warning(tmp_path):
    path = save(tmp_path / "image.nii.gz", np.full(SHAPE, 7, np.int16), scribble=True)
    with pytest.warns(UserWarning, match="every voxel is 7"):
        assert not nifti.read(path).array.any()


@pytest.mark.parametrize(
    ("slope", "intercept", "first"), [(2.0, 10.0, 10), (0.0, 10.0, 0), (np.nan, 3.0, 0)]
)
def test_f17_slope_and_intercept_are_applied_where_they_count(path, slope, intercept, first):
    edit_header(path, scl_slope=slope, scl_inter=intercept)
    array = nifti.read(path).array
    assert array[0, 0, 0] == first
    np.testing.assert_allclose(array, np.asarray(nib.load(path).dataobj).transpose(2, 1, 0))


def test_f17_four_dimensions_need_a_frame(tmp_path):
    array = np.stack([ARRAY, ARRAY + 1], axis=-1)
    path = save(tmp_path / "4d.nii.gz", array, scribble=True)
    with pytest.raises(ValueError, match=r"4D with 2 frames.*extract a frame, or pass frame=0 to"):
        nifti.read(path)
    for frame in range(2):
        np.testing.assert_array_equal(
            nifti.read(path, frame).array, array[..., frame].transpose(2, 1, 0)
        )
    with pytest.raises(ValueError, match="got 2"):
        nifti.read(path, 2)


def test_f17_a_frame_of_a_single_volume_is_refused(path):
    with pytest.raises(ValueError, match="one volume only, got frame=3"):
        nifti.read(path, 3)


def test_f17_a_fourth_axis_of_length_one_is_a_volume(tmp_path):
    path = save(tmp_path / "4d.nii.gz", ARRAY[..., None], scribble=True)
    assert nifti.read(path).array.shape == SHAPE[::-1]


def test_f17_rgb_and_complex_are_rejected(tmp_path):
    rgb = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, PROPER), tmp_path / "rgb.nii.gz")
    with pytest.raises(ValueError, match="RGB voxels"):
        nifti.read(tmp_path / "rgb.nii.gz")
    path = save(tmp_path / "complex.nii.gz", ARRAY.astype(np.complex64), scribble=True)
    with pytest.raises(ValueError, match="expected integers or floats"):
        nifti.read(path)


def test_f18_a_truncated_file_is_rejected(path):
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"image.nii.gz: truncated or damaged"):
        nifti.read(path)


def test_f18_a_flipped_bit_is_noticed(path):
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="damaged"):
        nifti.read(path)


def test_f18_zero_bytes_and_no_file(path):
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"image.nii.gz: the file is empty \(0 bytes\)"):
        nifti.read(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no file"):
        nifti.read(path)


def test_f18_wrong_extensions_are_rejected(path, tmp_path):
    with pytest.raises(ValueError, match=r"expected a file ending in .nii.gz or .nii"):
        nifti.read(path.rename(tmp_path / "image.mha"))
    (tmp_path / "plain.nii.gz").write_bytes(b"\x89PNG" + bytes(600))
    with pytest.raises(ValueError, match=r"plain.nii.gz: truncated or damaged"):
        nifti.read(tmp_path / "plain.nii.gz")
    (tmp_path / "other.nii").write_bytes(b"\x89PNG" + bytes(600))
    with pytest.raises(ValueError, match=r"other.nii: not a single-file NIfTI"):
        nifti.read(tmp_path / "other.nii")


@pytest.mark.parametrize(
    "dim",
    [
        [3, 32767, 32767, 32767, 1, 1, 1, 1],
        [3, 1000, 1000, 1000, 1, 1, 1, 1],
        [4, 100, 100, 100, 32767, 1, 1, 1],
        [3, 0, 10, 3, 1, 1, 1, 1],
        [3, -12, 10, 3, 1, 1, 1, 1],
        [0, 12, 10, 3, 1, 1, 1, 1],
        [9, 12, 10, 3, 1, 1, 1, 1],
        [2, 12, 10, 1, 1, 1, 1, 1],
        [5, 12, 10, 3, 1, 3, 1, 1],
    ],
)
def test_f18_absurd_dimensions_are_rejected_before_allocation(path, dim, monkeypatch):
    edit_header(path, dim=dim)
    monkeypatch.setattr(nifti, "_voxels", lambda *_: pytest.fail("read on"))
    with pytest.raises(ValueError, match=r"image.nii.gz: (the header claims|expected a volume)"):
        nifti.read(path)


def test_f18_a_damaged_offset_or_intercept_is_rejected(path):
    for fields in ({"vox_offset": 3}, {"vox_offset": np.nan}, {"vox_offset": 1e30}):
        with pytest.raises(ValueError, match=r"image.nii.gz: (damaged header|the header claims)"):
            nifti.read(edit_header(path, **fields))
    edit_header(path, vox_offset=352, scl_slope=2, scl_inter=np.inf)
    with pytest.raises(ValueError, match="intercept inf"):
        nifti.read(path)


def _read_or_refuse(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            volume = nifti.read(path)
        except ValueError as error:
            assert name in str(error)
        else:
            assert np.isfinite(volume.array).all()
            assert abs(np.linalg.det(volume.affine)) > 0


def _plain() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder) / "a.nii", ARRAY, scribble=True).read_bytes()


PLAIN = _plain()
BYTES = st.dictionaries(st.integers(0, 351), st.integers(0, 255), min_size=1, max_size=8)
FIELDS = st.sampled_from([40, 42, 44, 46, 48, 70, 72, 80, 84, 88, 108, 112, 116, 252, 254, 256])


@settings(max_examples=150, deadline=2000)
@given(BYTES | st.dictionaries(FIELDS, st.integers(0, 255), min_size=1, max_size=4))
def test_f18_fuzzed_headers_are_read_or_refused(changes):
    data = bytearray(PLAIN)
    for place, value in changes.items():
        data[place] = value
    _read_or_refuse(bytes(data), "fuzz.nii")
    _read_or_refuse(gzip.compress(bytes(data), 1), "fuzz.nii.gz")


@settings(max_examples=100, deadline=2000)
@given(st.data())
def test_f18_fuzzed_compressed_bytes_are_read_or_refused(draw):
    data = bytearray(gzip.compress(PLAIN, 1))
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    _read_or_refuse(bytes(data[: draw.draw(st.integers(1, len(data)))]), "fuzz.nii.gz")
