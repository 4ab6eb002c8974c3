import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.prepare import main, prepare
from weakseg.data.sources import nnunet
from weakseg.data.splits import split

SHAPE = (4, 6, 5)
SPACING = (3.0, 1.0, 2.0)
LABELS = {"background": 0, "liver": 1, "spleen": 2}
SPARSE = {**LABELS, "ignore": 3}


def dense() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[1:, 1:3, 1:3], array[:, 4, 2:] = 1, 2
    return array


def strokes() -> np.ndarray:
    array = np.full(SHAPE, 3, np.uint8)
    array[:, 0], array[1:, 1, 1], array[:, 4, 3] = 0, 1, 2
    return array


def save(path: Path, array: np.ndarray, spacing=SPACING) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, array, spacing)
    return path


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 99, SHAPE).astype(np.int16)


def describe(root: Path, **fields: object) -> Path:
    described = {"channel_names": {"0": "CT"}, "labels": LABELS, "file_ending": ".nii.gz"}
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps({**described, **fields}))
    return root


def write(root: Path, names=("a", "b", "c"), kind="Tr", label=dense, channels=1) -> Path:
    for seed, name in enumerate(names):
        for m in range(channels):
            save(root / f"images{kind}" / f"{name}_{m:04d}.nii.gz", image(10 * seed + m))
        save(root / f"labels{kind}" / f"{name}.nii.gz", label())
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(describe(tmp_path / "Dataset007_Organs"))


def prepared(root: Path) -> Dataset:
    return Dataset.open(prepare("nnunet", root, root.parent / "prepared"))


def problems(root: Path) -> list[str]:
    return nnunet.open_source(root).find(root)[1]


def test_classes_channels_and_cases_are_those_of_the_folder(root):
    data = prepared(root)
    assert (data.classes, data.modalities, data.ignore) == (("liver", "spleen"), 1, 3)
    assert [(c.name, c.patient, c.group, c.part) for c in data.cases] == [
        (name, name, "", "") for name in "abc"
    ]
    assert not data.synthetic and data.scribbles == "none"
    sample = data.load(data.cases[1])
    np.testing.assert_array_equal(sample.image[0], image(10))
    np.testing.assert_array_equal(sample.reference, dense())
    assert sample.scribble is None and sample.spacing == SPACING


def test_volumes_are_slices_along_the_last_axis_of_the_file(root):
    stored = nib.load(root / "imagesTr" / "a_0000.nii.gz")
    data = prepared(root)
    sample = data.load(data.cases[0])
    assert stored.shape == (5, 6, 4)
    np.testing.assert_array_equal(sample.image[0, 2], np.asarray(stored.dataobj)[:, :, 2].T)


def test_any_data_set_can_be_stratified(tmp_path):
    data = prepared(write(describe(tmp_path / "raw"), names=[f"case{i}" for i in range(10)]))
    tested = [c.name for fold in range(1, 6) for c in split("stratified", data.cases, fold).test]
    assert sorted(tested) == [c.name for c in data.cases]


def test_several_channels_are_read_from_a_file_each(tmp_path):
    names = {"0": "T1", "1": "T2", "2": "FLAIR"}
    root = write(describe(tmp_path / "raw", channel_names=names), channels=3)
    data = prepared(root)
    expected = np.stack([image(m) for m in range(3)])
    np.testing.assert_array_equal(data.load(data.cases[0]).image, expected)
    (root / "imagesTr" / "b_0002.nii.gz").unlink()
    assert problems(root) == [f"no file {root / 'imagesTr' / 'b_0002.nii.gz'} (case b)"]


def test_f15_channels_on_different_grids_are_rejected(tmp_path):
    root = write(describe(tmp_path / "raw", channel_names={"0": "T1", "1": "T2"}), channels=2)
    save(root / "imagesTr" / "a_0001.nii.gz", image(1), (3.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"a_0000.nii.gz and .*a_0001.nii.gz: spacings"):
        prepared(root)


def test_files_of_the_old_version_and_of_the_decathlon_are_known(tmp_path):
    old = {"modality": {"0": "MRI"}, "labels": {"0": "background", "2": "b", "1": "a"}}
    root = tmp_path / "Task04"
    root.mkdir()
    (root / "dataset.json").write_text(json.dumps(old))
    save(root / "imagesTr" / "one_1.nii.gz", image(0))
    save(root / "imagesTr" / "._one_1.nii.gz", image(0))
    save(root / "labelsTr" / "one_1.nii.gz", dense())
    data = prepared(root)
    assert (data.classes, [c.name for c in data.cases]) == (("a", "b"), ["one_1"])


def test_strokes_beside_dense_labels_train_while_labels_score(tmp_path):
    root = write(describe(tmp_path / "raw", labels=SPARSE))
    for name in ("a", "b"):
        save(root / "scribblesTr" / f"{name}.nii.gz", strokes())
    data = prepared(root)
    assert [case.scribble is None for case in data.cases] == [False, False, True]
    assert all(case.reference is not None for case in data.cases)
    expected = np.where(strokes() == 3, 255, strokes())
    np.testing.assert_array_equal(data.load(data.cases[0]).scribble, expected)
    assert data.scribbles == "drawn"


def test_labels_with_an_ignore_label_are_strokes_and_it_is_said_what_is_not_scored(tmp_path):
    root = write(describe(tmp_path / "raw", labels=SPARSE), label=strokes)
    with pytest.warns(UserWarning, match="strokes, since it has an ignore label: .*nothing can be"):
        data = prepared(root)
    assert (data.classes, data.scribbles) == (("liver", "spleen"), "drawn")
    assert all(case.reference is None for case in data.cases)
    assert set(np.unique(data.load(data.cases[0]).scribble)) == {0, 1, 2, 255}


@pytest.mark.parametrize("settings", [[], ["coverage=[0.3,0.2]", "unit=mm"]])
def test_the_command_draws_strokes_into_dense_labels(root, settings):
    dst = root.parent / "dst"
    assert main(["nnunet", str(root), str(dst), "--scribbles", "interior", *settings]) == 0
    data = Dataset.open(dst)
    assert data.scribbles["type"] == "Interior"
    assert data.scribbles["unit"] == ("mm" if settings else "px")
    sample = data.load(data.cases[0])
    drawn = sample.scribble != 255
    np.testing.assert_array_equal(sample.scribble[drawn], sample.reference[drawn])
    assert set(np.unique(sample.scribble)) == {0, 1, 2, 255}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["interiro"], "error: no scribbler 'interiro'; expected one of ['interior', "),
        (["interior", "covrage=0.1"], "covrage=0.1: no field 'covrage' among"),
        (["interior", "coverage=2"], "error: coverage must be between 0 and 1, got 2"),
        (["interior", "coverage=half"], "--scribbles interior coverage=half: "),
    ],
)
def test_f25_strokes_that_cannot_be_drawn_are_one_line(root, capsys, words, message):
    dst = root.parent / "dst"
    assert main(["nnunet", str(root), str(dst), "--scribbles", *words]) == 1
    assert message in capsys.readouterr().err
    assert not dst.exists()


def test_test_cases_make_an_official_split_and_are_scored_densely(tmp_path):
    root = write(describe(tmp_path / "raw", labels=SPARSE), label=strokes)
    write(root, names=("x", "y"), kind="Ts")
    with pytest.warns(UserWarning, match="only the cases of imagesTs can be scored, .*'official'"):
        data = prepared(root)
    parts = split("official", data.cases, 1)
    assert [case.name for case in parts.test] == ["x", "y"]
    assert all(case.reference is not None for case in parts.test)
    assert len(parts.train) == 2 and len(parts.val) == 1


def test_test_images_without_labels_are_left_out(root):
    save(root / "imagesTs" / "x_0000.nii.gz", image(5))
    data = prepared(root)
    assert [(case.name, case.part) for case in data.cases] == [(name, "") for name in "abc"]


def test_f20_patients_may_be_stated(tmp_path):
    root = write(describe(tmp_path / "raw", patients={"a": "p1", "b": "p1"}))
    assert [case.patient for case in prepared(root).cases] == ["p1", "p1", "c"]


def test_f25_a_patient_of_no_case_is_a_typo(tmp_path):
    root = write(describe(tmp_path / "raw", patients={"A": "p1"}))
    assert problems(root) == ["dataset.json: patients names 'A', which is no case"]


def test_a_case_for_training_and_test_is_reported(root):
    write(root, names=("a",), kind="Ts")
    assert problems(root) == ["a is in imagesTr and imagesTs"]


def test_a_missing_label_is_reported_with_the_layout(root):
    (root / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"(?s)no file .*labelsTr/b.nii.gz \(case b\).*expected l"):
        prepared(root)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "whole": [1, 2], "core": 2}, r"\['whole'\] are regions of several ids"),
        ({"background": 0, "a": 1, "b": 3}, r"ids \[0, 1, 3\] without \[2\]"),
        ({"a": 1, "b": 2}, r"without \[0\]"),
        ({"background": 0, "a": 1, "b": 1}, "different names with an id each"),
        ({"0": "background", "1": "a", "2": "a"}, "different names with an id each"),
        ({"other": 0, "background": 1}, "different names with an id each"),
        ({"background": 0, "a": 1.5}, "different names with an id each"),
        ({"background": 0, "a": -1}, "different names with an id each"),
        ({"background": 0, "ignore": 1, "a": 2}, "'ignore' as the last id"),
        ({"background": 0, "ignore": 1}, "expected a class"),
        ({"background": 0}, "expected a class"),
    ],
)
def test_labels_that_make_no_classes_are_refused(tmp_path, labels, message):
    root = describe(tmp_path / "raw", labels=labels)
    with pytest.raises(ValueError, match=message):
        nnunet.open_source(root)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"file_ending": ".png"}, r"file_ending is '.png'; expected one of \('.nii.gz', '.nii'\)"),
        ({"channel_names": {"1": "CT"}}, r"channels are \['1'\]; expected '0'"),
        ({"channel_names": None}, "is not nnU-Net's"),
        ({"labels": ["liver"]}, "is not nnU-Net's"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        nnunet.open_source(describe(tmp_path / "raw", **fields))


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff"])
def test_a_damaged_description_is_refused(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="is not nnU-Net's"):
        nnunet.open_source(tmp_path)


def test_a_folder_without_description_or_images_shows_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)no file .*dataset.json; expected layout"):
        nnunet.open_source(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"(?s)no image \*.nii.gz in .*expected layout"):
        prepared(describe(tmp_path / "raw"))


def test_f14_label_ids_that_are_not_described_are_rejected(root):
    save(root / "labelsTr" / "a.nii.gz", dense() * 2)
    with pytest.raises(ValueError, match=r"a.nii.gz: label id 4 .*expected only \[0, 1, 2\]"):
        prepared(root)


def test_f21_a_changed_description_prepares_again(root):
    before = prepared(root)
    describe(root, patients={"a": "p", "b": "p", "c": "p"})
    assert prepared(root).content != before.content


def test_uncompressed_files_are_read(tmp_path):
    root = write(describe(tmp_path / "raw", file_ending=".nii"))
    for path in root.rglob("*.nii.gz"):
        nib.save(nib.load(path), str(path).removesuffix(".gz"))
        path.unlink()
    assert [case.name for case in prepared(root).cases] == ["a", "b", "c"]


def test_a_prepared_folder_is_such_a_folder_and_keeps_its_content(tmp_path):
    root = write(describe(tmp_path / "raw", patients={"a": "p"}))
    save(root / "scribblesTr" / "a.nii.gz", strokes())
    write(root, names=("x",), kind="Ts")
    data = prepared(root)
    again = Dataset.open(prepare("nnunet", data.root, tmp_path / "again"))
    assert again.content == data.content


def test_f23_a_folder_without_write_permission_works(root):
    for path in [*root.rglob("*"), root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert len(prepared(root).cases) == 3
    finally:
        for path in [root, *root.iterdir()]:
            path.chmod(0o755)


@pytest.mark.skipif(not Path(os.environ.get("WEAKSEG_NNUNET", "-")).is_dir(), reason="no folder")
def test_a_real_folder_is_read_whole(tmp_path):
    src = Path(os.environ["WEAKSEG_NNUNET"])
    data = Dataset.open(prepare("nnunet", src, tmp_path / "dst"))
    assert len(data.cases) == json.loads((src / "dataset.json").read_text())["numTraining"]
    for case in data.cases[:3]:
        sample = data.load(case)
        assert sample.reference is not None
        assert set(np.unique(sample.reference)) == set(range(len(data.classes) + 1))
