"""CHAOS in its official layout: images by position, references by name, exact codes."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import chaos as phantom
from weakseg.data.prepare import prepare
from weakseg.data.sources import SOURCES, chaos, dicom
from weakseg.metrics import case_metrics, dice, surface_distances
from weakseg.types import IGNORE_INDEX

T1, T1_OUT, T2, CT = chaos.SOURCES
REAL = Path(os.environ.get("WEAKSEG_CHAOS", "-"))
needs_chaos = pytest.mark.skipif(not REAL.is_dir(), reason="no CHAOS")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("chaos")
    for write in (phantom.write_t1, phantom.write_t2, phantom.write_ct):
        write(root, patients=2, matrix=40)
    return root


@pytest.fixture
def root(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "chaos"))


def first(root: Path, source=T1):
    return source.find(root)[0][0]


def grounds(case) -> list[Path]:
    return sorted(case.reference.iterdir())


def paint(path: Path, **values: int) -> None:
    """Set pixels (0, 0), (0, 1), ... of a reference."""
    pixels = np.array(Image.open(path))
    for column, value in enumerate(values.values()):
        pixels[0, column] = value
    Image.fromarray(pixels).save(path)


def test_the_four_sources_are_registered(tmp_path):
    names = ["chaos-t1", "chaos-t1-out", "chaos-t2", "chaos-ct"]
    assert [source.name for source in chaos.SOURCES] == names
    assert [SOURCES[name](tmp_path) for name in names] == list(chaos.SOURCES)
    assert T1.classes == ("LIVER", "RK", "LK", "SPLEEN") and CT.classes == ("LIVER",)


def test_the_series_of_a_person_share_the_patient(root):
    found = {source.name: source.find(root) for source in chaos.SOURCES}
    assert not any(problems for _, problems in found.values())
    patients = {name: [case.patient for case in cases] for name, (cases, _) in found.items()}
    assert patients["chaos-t1"] == patients["chaos-t1-out"] == patients["chaos-t2"] == ["1", "15"]
    assert [case.name for case in found["chaos-t1-out"][0]] == ["t1out_01", "t1out_15"]
    names = [case.name for cases, _ in found.values() for case in cases]
    assert len(set(names)) == len(names) == 8


@pytest.mark.parametrize("below", ["Train_Sets", "Train_Sets/MR"])
def test_folders_further_down_may_be_named_too(root, below):
    cases, problems = T1.find(root / below)
    assert (len(cases), problems) == (2, [])
    assert T1.synthetic(root) and T1.synthetic(root / below)


def test_patients_are_in_the_order_of_their_numbers(root):
    folder = root / "Train_Sets" / "MR"
    (folder / "15").rename(folder / "2")
    (folder / "1").rename(folder / "10")
    assert [case.patient for case in T1.find(root)[0]] == ["2", "10"]


@pytest.mark.parametrize("source", chaos.SOURCES, ids=lambda source: source.name)
def test_images_and_references_lie_on_each_other_from_feet_to_head(root, source):
    sitk = pytest.importorskip("SimpleITK")
    for case in source.find(root)[0]:
        arrays = source.read(case)
        files = zip(sorted(case.image.iterdir()), grounds(case), strict=True)
        slices = [(sitk.ReadImage(str(dcm)), np.array(Image.open(png))) for dcm, png in files]
        slices.sort(key=lambda pair: pair[0].GetOrigin()[2])
        pixels = np.concatenate([sitk.GetArrayFromImage(image) for image, _ in slices])
        limits = chaos.WINDOW if source is CT else (None, None)
        np.testing.assert_allclose(arrays.image, np.clip(pixels, *limits))
        codes = (0, 255) if source is CT else phantom.MR_GREY
        grey = np.stack([mask for _, mask in slices])
        np.testing.assert_array_equal(np.take(codes, arrays.reference), grey)
        heights = [image.GetOrigin()[2] for image, _ in slices]
        np.testing.assert_allclose(arrays.spacing[0], np.diff(heights).mean(), rtol=1e-6)
        assert arrays.scribble is None


def test_both_directions_of_slices_occur(written):
    ordered = {
        dicom.read(case.image, "MR").order[0]
        for source in (T1, T2)
        for case in source.find(written)[0]
    }
    assert 0 in ordered and len(ordered) > 1


def test_the_two_phases_share_one_reference_and_differ(root):
    one, other = (source.read(first(root, source)) for source in (T1, T1_OUT))
    np.testing.assert_array_equal(one.reference, other.reference)
    assert one.spacing == other.spacing and np.abs(one.image - other.image).mean() > 20


def test_references_may_be_numbered_on_their_own(root):
    case = first(root)
    before = T1.read(case)
    for i, path in enumerate(grounds(case)):
        path.rename(path.with_name(f"ground-{i}.png"))  # 10 after 9, not after 1
    np.testing.assert_array_equal(T1.read(case).reference, before.reference)


def test_names_in_another_order_than_the_slices_are_read_the_same(root):
    case = first(root)
    before = T1.read(case)
    files = list(zip(sorted(case.image.iterdir()), grounds(case), strict=True))
    for new, old in enumerate(np.random.default_rng(0).permutation(len(files))):
        for path in files[old]:
            path.rename(path.with_name(f"mixed-{new:03d}{path.suffix}"))
    after = T1.read(case)
    np.testing.assert_array_equal(after.image, before.image)
    np.testing.assert_array_equal(after.reference, before.reference)


def test_hidden_files_are_ignored(root):
    case = first(root)
    (case.image / "._IMG-0004-00002.dcm").write_bytes(b"x")
    (case.reference / "._IMG-0004-00002.png").write_bytes(b"x")
    assert len(T1.find(root)[0]) == 2
    T1.read(case)


@pytest.mark.parametrize(
    ("low", "high", "label"), [(55, 70, 1), (110, 135, 2), (175, 200, 3), (240, 255, 4)]
)
def test_codes_are_labels_within_their_ranges(root, low, high, label):
    case = first(root)
    paint(grounds(case)[3], one=low, other=high)
    arrays = T1.read(case)
    changed = dicom.read(case.image, "MR").order.index(3)
    np.testing.assert_array_equal(arrays.reference[changed, 0, :2], label)


@pytest.mark.parametrize("value", [1, 54, 71, 109, 136, 174, 201, 239])
def test_f14_other_values_are_refused_with_file_value_and_count(root, value):
    case = first(root)
    path = grounds(case)[3]
    paint(path, one=value, other=value, third=2)
    shown = rf"{path}: value .*{value} \(2 pixels\).*expected only 0, 55 to 70, 110 to 135, 175"
    with pytest.raises(ValueError, match=shown):
        T1.read(case)


@pytest.mark.parametrize("kind", ["bit", "one", "grey"])
def test_ct_references_are_of_one_bit_or_eight(root, kind):
    case = first(root, CT)
    before = CT.read(case).reference
    for path in grounds(case):
        liver = np.array(Image.open(path)) > 0
        value = {"bit": liver, "one": liver.astype(np.uint8), "grey": 255 * liver.astype(np.uint8)}
        Image.fromarray(value[kind]).save(path)
    np.testing.assert_array_equal(CT.read(case).reference, before)


def test_f14_the_codes_of_mr_are_no_liver_of_ct(root):
    case = first(root, CT)
    paint(grounds(case)[0], one=63)
    with pytest.raises(ValueError, match=r"liver_GT_000.png: value 63 \(1 pixel\); expected only"):
        CT.read(case)


def test_ct_is_in_hounsfield_units_within_the_window(root):
    arrays = CT.read(first(root, CT))
    assert (arrays.image.min(), arrays.image.max()) == chaos.WINDOW
    assert 90 < np.median(arrays.image[arrays.reference == 1]) < 130


def test_as_many_references_as_slices_are_needed(root):
    case = first(root)
    grounds(case)[5].unlink()
    cases, problems = T1.find(root)
    count = len(list(case.image.iterdir()))
    expected = rf"{case.image} has {count} .dcm files and {case.reference} {count - 1} .png files"
    assert [found.patient for found in cases] == ["15"]
    assert problems == [f"{expected}; expected as many"]
    with pytest.raises(ValueError, match="expected as many"):
        T1.read(case)


def test_a_missing_series_is_named_and_the_others_are_found(root):
    folder = root / "Train_Sets" / "MR" / "1" / "T2SPIR" / "DICOM_anon"
    shutil.rmtree(folder)
    cases, problems = T2.find(root)
    assert ([case.patient for case in cases], problems) == (["15"], [f"no .dcm file in {folder}"])
    assert len(T1.find(root)[0]) == 2


def test_a_reference_of_another_size_is_refused(root):
    path = grounds(first(root))[2]
    Image.fromarray(np.zeros((39, 40), np.uint8)).save(path)
    with pytest.raises(ValueError, match=rf"{path}: \(39, 40\) pixels .* expected \(40, 40\)"):
        T1.read(first(root))


def test_a_coloured_reference_is_refused(root):
    path = grounds(first(root))[2]
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match=rf"{path}: pixels of mode 'RGB'; expected grey"):
        T1.read(first(root))


@pytest.mark.parametrize("keep", [0, 20, 60, 90])
def test_a_damaged_reference_is_refused(root, keep):
    path = grounds(first(root))[2]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=rf"{path}: no readable PNG"):
        T1.read(first(root))


def test_a_missing_slice_is_an_error_even_where_its_reference_misses_too(root):
    case = first(root)
    sorted(case.image.iterdir())[5].unlink()
    grounds(case)[5].unlink()
    with pytest.raises(ValueError, match="is one missing"):
        T1.read(case)


@pytest.mark.parametrize("source", chaos.SOURCES, ids=lambda source: source.name)
def test_a_folder_without_patients_says_what_is_expected_and_where_it_comes_from(tmp_path, source):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"T1DUAL/DICOM_anon/InPhase(.|\n)*3431873"):
            source.find(folder)


@pytest.mark.parametrize("source", chaos.SOURCES, ids=lambda source: source.name)
def test_prepared_cases_keep_spacing_and_labels_and_get_strokes(root, tmp_path, source):
    dataset = Dataset.open(prepare(source.name, root, tmp_path / "prepared"))
    assert dataset.classes == source.classes
    for case, found in zip(dataset.cases, source.find(root)[0], strict=True):
        sample, arrays = dataset.load(case), source.read(found)
        assert (case.patient, sample.spacing) == (found.patient, pytest.approx(arrays.spacing))
        np.testing.assert_array_equal(sample.reference, arrays.reference)
        drawn = sample.scribble != IGNORE_INDEX
        np.testing.assert_array_equal(sample.scribble[drawn], arrays.reference[drawn])
        assert set(np.unique(sample.scribble[drawn])) == set(np.unique(arrays.reference))
        assert drawn.any(axis=(1, 2)).all() and drawn.mean() < 0.1


@needs_chaos
def test_the_real_ct_is_spaced_by_position():
    arrays = CT.read(first(REAL, CT))
    assert arrays.image.shape == (78, 512, 512)
    np.testing.assert_allclose(arrays.spacing, (2.0, 0.7265625, 0.7265625))
    assert not CT.synthetic(REAL)
    assert 80 < np.median(arrays.image[arrays.reference == 1]) < 200
    assert arrays.reference[0].any() and not arrays.reference[-1].any()  # cut off at the feet


@pytest.fixture(scope="module")
def submission() -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """The organisers' sample submission and the reference, [D, H, W], and their spacing."""
    files = dicom.by_name(REAL / "sample_submission_CT_3", ".png")
    if not files:
        pytest.skip("no sample submission of the organisers")
    case = first(REAL, CT)
    series = dicom.read(case.image, "CT")
    prediction = series.arrange(np.stack([np.array(Image.open(path)) > 0 for path in files]))
    return prediction, CT.read(case).reference > 0, series.spacing


@needs_chaos
def test_dice_is_what_the_organisers_print(submission):
    prediction, reference, _ = submission
    assert round(dice(prediction, reference), 3) == 0.978


@needs_chaos
@pytest.mark.slow
def test_distances_are_what_the_organisers_print(submission):
    """Theirs are pooled means, and the liver goes on where the volume ends: its cut is no surface.

    Slices repeated beyond the end have that effect, where their own surfaces are left out.
    """
    prediction, reference, spacing = submission
    beyond = 10  # 20 mm, more than any distance
    masks = [np.pad(m, ((beyond, 0), (0, 0), (0, 0)), "edge") for m in (prediction, reference)]
    distances = surface_distances(*masks, spacing)
    added = [(m & ~ndimage.binary_erosion(m))[:beyond].sum() for m in masks]
    pooled = np.concatenate([d[n:] for d, n in zip(distances, added, strict=True)])
    assert (round(pooled.mean(), 3), pooled.max()) == (0.734, 14.0)
    (liver,) = case_metrics(
        prediction.astype(np.uint8), reference.astype(np.uint8), spacing, CT.classes
    )
    assert liver.assd == pytest.approx(0.734, rel=0.04)  # medpy's, with the cut as a surface
