"""MetaImage and NRRD, against SimpleITK as an independent writer and reader."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weakseg.data import itk_files

sitk = pytest.importorskip("SimpleITK")

ENDINGS = [".mha", ".nrrd"]
TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\n"
    "ElementSpacing = 1 2 3\nDimSize = 2 3 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
NRRD = (
    "NRRD0004\n# a comment: with a colon\ntype: short\ndimension: 3\n"
    "space: left-posterior-superior\nsizes: 2 3 4\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n"
    "kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (1,2,3)\n"
    "key:=value: more\n\n"
)
SMALL = np.arange(24, dtype="<i2").reshape(4, 3, 2)


def write(path: Path, array: np.ndarray, turn=TURN, packed: bool = True) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-11.0, 7.5, 30.25))
    image.SetDirection(turn.ravel().tolist())
    sitk.WriteImage(image, str(path), packed)
    return path


def by_hand(path: Path, header: str | None = None, data: bytes = SMALL.tobytes()) -> Path:
    text = {".mha": META, ".nrrd": NRRD}[path.suffix] if header is None else header
    path.write_bytes(text.encode() + data)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"], ids=lambda name: name
)
def test_every_type_is_read_as_simpleitk_reads_it(tmp_path, ending, packed, dtype):
    array = np.random.default_rng(0).integers(0, 100, (4, 6, 5)).astype(dtype)
    path = write(tmp_path / f"x{ending}", array, packed=packed)
    volume = itk_files.read(path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.array.dtype == np.dtype(dtype) and volume.oriented
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7), abs=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_affine_places_voxels_where_simpleitk_does(tmp_path, ending):
    path = write(tmp_path / f"x{ending}", np.zeros((4, 6, 5), np.uint8) + np.arange(5, dtype="u1"))
    image, volume = sitk.ReadImage(str(path)), itk_files.read(path)
    for index in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (1, 2, 3)):
        left, back, head = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(volume.affine @ (*index, 1), (-left, -back, head, 1), atol=1e-4)


@pytest.mark.parametrize("ending", ENDINGS)
def test_headers_written_by_hand_are_read(tmp_path, ending):
    volume = itk_files.read(by_hand(tmp_path / f"x{ending}"))
    np.testing.assert_array_equal(volume.array, SMALL)
    expected = np.diag([-1.0, -2.0, 3.0, 1.0])
    expected[:3, 3] = -1, -2, 3
    np.testing.assert_array_equal(volume.affine, expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_big_endian_voxels_are_read(tmp_path, ending):
    header = {".mha": META, ".nrrd": NRRD}[ending]
    header = header.replace("MSB = False", "MSB = True").replace("little", "big")
    volume = itk_files.read(by_hand(tmp_path / f"x{ending}", header, SMALL.astype(">i2").tobytes()))
    np.testing.assert_array_equal(volume.array, SMALL)
    assert volume.array.dtype.isnative


def test_the_space_of_nrrd_turns_the_axes(tmp_path):
    header = NRRD.replace("left-posterior-superior", "RAS")
    affine = itk_files.read(by_hand(tmp_path / "x.nrrd", header)).affine
    np.testing.assert_array_equal(affine[:3], [[1, 0, 0, 1], [0, 2, 0, 2], [0, 0, 3, 3]])


@pytest.mark.parametrize(
    ("ending", "old", "new"),
    [
        (".mha", "TransformMatrix = 1 0 0 0 1 0 0 0 1\n", ""),
        (".nrrd", "space directions: (1,0,0) (0,2,0) (0,0,3)", "spacings: 1 2 3"),
    ],
)
def test_a_file_that_states_no_axes_says_so(tmp_path, ending, old, new):
    header = {".mha": META, ".nrrd": NRRD}[ending].replace(old, new)
    volume = itk_files.read(by_hand(tmp_path / f"x{ending}", header))
    assert not volume.oriented and volume.spacing == (3.0, 2.0, 1.0)


@pytest.mark.parametrize("ending", ENDINGS)
def test_f14_labels_are_checked_and_f17_images_repaired(tmp_path, ending):
    labels = np.zeros((2, 3, 4), np.float32)
    labels[0, 0], labels[1, 0] = 2, 1
    path = write(tmp_path / f"x{ending}", labels)
    assert itk_files.read_labels(path, range(3)).array.dtype == np.uint8
    with pytest.raises(ValueError, match=rf"x{ending}: label id 2.0 \(4 voxels\)"):
        itk_files.read_labels(path, range(2))
    labels[0, 0] = np.nan
    with pytest.warns(UserWarning, match=rf"x{ending}: 4 voxels are not finite"):
        itk_files.read(write(path, labels))


@pytest.mark.parametrize(
    ("ending", "old", "new", "message"),
    [
        (".mha", "NDims = 3", "NDims = 4", "NDims is '4'"),
        (".mha", "MET_SHORT", "MET_LONG_DOUBLE", "type 'MET_LONG_DOUBLE'"),
        (".mha", "LOCAL", "x.raw", "ElementDataFile is 'x.raw'; expected 'LOCAL'"),
        (".mha", "NDims", "ElementNumberOfChannels = 3\nNDims", "Channels is '3'"),
        (".mha", "ElementSpacing = 1 2 3\n", "", "header has no 'ElementSpacing'"),
        (".mha", "Spacing = 1 2 3", "Spacing = 1 0 3", "voxel sizes are .* positive"),
        (".mha", "Spacing = 1 2 3", "Spacing = 1 nan 3", "voxel sizes are .* positive"),
        (".mha", "0 1 0 0 0 1", "1 0 0 0 0 1", "singular"),
        (".mha", "2 3 4", "2 -3 4", "sizes are"),
        (".mha", "2 3 4", "2000 3000 4000", "sizes are"),
        (".mha", "2 3 4", "200 300 400", "cannot hold; it is truncated or damaged"),
        (".mha", "2 3 4", "2 3 four", "invalid literal"),
        (".nrrd", "dimension: 3", "dimension: 4", "dimension is '4'"),
        (".nrrd", "type: short", "type: block", "type 'block'"),
        (".nrrd", "encoding: raw", "encoding: hex", "encoding is 'hex'"),
        (".nrrd", "encoding: raw", "encoding: raw\ndata file: x.raw", "data file is 'x.raw'"),
        (".nrrd", "left-posterior", "up-posterior", "space is 'up-posterior-superior'"),
        (".nrrd", "(0,2,0) ", "", "input array|broadcast"),
        (".nrrd", "(0,2,0)", "none", "input array|broadcast"),
        (".nrrd", "(0,2,0)", "(2,0,0)", "singular"),
        (".nrrd", "sizes: 2 3 4\n", "", "header has no 'sizes'"),
    ],
)
def test_f18_a_header_that_is_not_a_volume_is_rejected(tmp_path, ending, old, new, message):
    header = {".mha": META, ".nrrd": NRRD}[ending]
    assert old in header
    path = by_hand(tmp_path / f"x{ending}", header.replace(old, new))
    with pytest.raises(ValueError, match=rf"x{ending}: .*({message})"):
        itk_files.read(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kept", [0, 10, 200, -1])
@pytest.mark.parametrize("packed", [True, False])
def test_f18_a_truncated_file_is_rejected(tmp_path, ending, kept, packed):
    array = np.random.default_rng(0).integers(0, 255, (4, 6, 5)).astype(np.uint8)
    path = write(tmp_path / f"x{ending}", array, packed=packed)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"x{ending}: "):
        itk_files.read(path)


def test_f18_packed_voxels_are_never_inflated_beyond_what_the_header_says(tmp_path):
    header = META.replace("CompressedData = False", "CompressedData = True")
    path = by_hand(tmp_path / "x.mha", header, zlib.compress(bytes(10_000_000)))
    with pytest.raises(ValueError, match=r"x\.mha: 49 of 48 bytes"):
        itk_files.read(path)


def test_f18_a_damaged_checksum_is_noticed(tmp_path):
    data = bytearray(gzip.compress(SMALL.tobytes()))
    data[-6] ^= 1
    header = NRRD.replace("raw", "gzip")
    with pytest.raises(ValueError, match=r"x\.nrrd: "):
        itk_files.read(by_hand(tmp_path / "x.nrrd", header, bytes(data)))


def test_other_names_and_missing_files_are_told_apart(tmp_path):
    with pytest.raises(ValueError, match=r"x\.nhdr: expected a file ending in \.mha or \.nrrd"):
        itk_files.read(tmp_path / "x.nhdr")
    with pytest.raises(FileNotFoundError, match=r"no file .*x\.mha"):
        itk_files.read(tmp_path / "x.mha")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(ENDINGS), st.integers(0, 250), st.binary(max_size=12))
def test_f18_fuzzed_headers_are_read_or_refused_never_crash(tmp_path, ending, at, noise):
    header = bytearray({".mha": META, ".nrrd": NRRD}[ending].encode())
    header[at : at + len(noise)] = noise
    path = tmp_path / f"x{ending}"
    path.write_bytes(bytes(header) + SMALL.tobytes())
    try:
        volume = itk_files.read(path)
    except ValueError as error:
        assert path.name in str(error)
    else:
        assert volume.array.ndim == 3
