import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.official import SHAPE, labels, save, scribbles, write_acdc
from weakseg.data.dataset import Dataset
from weakseg.data.prepare import prepare
from weakseg.data.splits import split


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    return prepare("acdc", write_acdc(root / "src"), root / "dst")


def test_a_prepared_folder_is_described_without_opening_an_image(prepared):
    dataset = Dataset.open(prepared)
    assert [case.name for case in dataset.cases][:2] == ["patient001_frame01", "patient001_frame12"]
    assert [case.group for case in dataset.cases] == ["DCM", "DCM", "HCM", "HCM"]
    assert dataset.classes == ("RV", "MYO", "LV")
    assert (dataset.modalities, dataset.synthetic, dataset.ignore) == (1, False, 4)
    assert len(dataset.content) == 64
    assert dataset.details["patient001_frame12"]["frame"] == "ES"


def test_the_arrays_of_a_case_have_channels_and_255_where_nobody_drew(prepared):
    dataset = Dataset.open(str(prepared))
    image, reference, scribble, spacing = dataset.load(dataset.cases[0])
    assert (image.shape, image.dtype) == ((1, *SHAPE[::-1]), np.float32)
    np.testing.assert_array_equal(reference, labels().transpose(2, 1, 0))
    expected = scribbles().transpose(2, 1, 0)
    np.testing.assert_array_equal(scribble, np.where(expected == 4, 255, expected))
    assert reference.dtype == scribble.dtype == np.uint8
    assert spacing == (10.0, 1.5, 1.5)


def test_a_case_without_scribbles_has_none(prepared):
    dataset = Dataset.open(prepared)
    assert dataset.load(dataset.cases[0]._replace(scribble=None)).scribble is None


def test_several_channels_are_stacked(prepared, tmp_path):
    dataset = Dataset.open(prepared)
    described = json.loads((prepared / "dataset.json").read_text())
    described["channel_names"]["1"] = "T2"
    (tmp_path / "dataset.json").write_text(json.dumps(described))
    for folder in ("imagesTr", "labelsTr", "scribblesTr"):
        (tmp_path / folder).mkdir()
        for path in (prepared / folder).iterdir():
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
            other = path.name.replace("_0000", "_0001")
            (tmp_path / folder / other).write_bytes(path.read_bytes())
    dataset = Dataset.open(tmp_path)
    assert dataset.modalities == 2
    assert dataset.load(dataset.cases[0]).image.shape == (2, *SHAPE[::-1])


def test_f15_files_that_were_swapped_later_are_noticed(prepared, tmp_path):
    dataset = Dataset.open(prepared)
    path = save(tmp_path / "other.nii.gz", labels()[1:], scribble=True)
    with pytest.raises(ValueError, match=r"other.nii.gz has shape \(3, 10, 11\).*\(3, 10, 12\)"):
        dataset.load(dataset.cases[0]._replace(reference=path))


def test_a_folder_that_was_not_prepared_says_how_to_prepare_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(?s)scribblesTr.*weakseg.data.prepare acdc SRC"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weakseg": 3, "labels": 2}', "\xff"])
def test_f26_another_dataset_file_is_refused(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"was not written by weakseg.data.prepare"):
        Dataset.open(tmp_path)


@pytest.mark.skipif(not Path(os.environ.get("WEAKSEG_ACDC", "-")).is_dir(), reason="no ACDC")
def test_the_real_splits_have_the_known_numbers_of_slices(tmp_path):
    dataset = Dataset.open(prepare("acdc", os.environ["WEAKSEG_ACDC"], tmp_path / "acdc"))

    def slices(cases) -> int:
        return sum(dataset.details[case.name]["shape"][0] for case in cases)

    folds = [split("five_fold", dataset.cases, fold) for fold in range(1, 6)]
    assert [len(parts.test) for parts in folds] == [40] * 5
    assert [slices(parts.test) for parts in folds] == [390, 378, 346, 340, 448]
    learned = [slices(parts.train) + slices(parts.val) for parts in folds]
    assert learned == [1512, 1524, 1556, 1562, 1454]
    small, large = (split(name, dataset.cases, 1) for name in ("maag_35", "maag_70"))
    assert [slices(part) for part in (small.test, small.val, small.train)] == [266, 314, 656]
    assert (slices(large.train), len(small.test)) == (1322, 30)
    assert not dataset.synthetic
    strokes = [int((dataset.load(case).scribble != 255).sum()) for case in dataset.cases]
    assert sum(strokes) == 1089126
