"""Sources unlike ACDC: several channels, missing labels, folders of files, generated strokes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from weakseg.data import prepare as preparation
from weakseg.data.dataset import Dataset
from weakseg.data.prepare import prepare
from weakseg.data.sources.source import Arrays, Found, Source

SHAPE = (3, 6, 5)
SPACING = (4.0, 1.0, 1.0)
REFERENCE = np.zeros(SHAPE, np.uint8)
REFERENCE[:, 1:4, 1:4] = 1


@dataclass(frozen=True)
class Corner:
    """Draws one pixel of each class into the first slice, at a place the seed decides."""

    classes: int = 2

    def __call__(self, reference, spacing, seed):
        drawn = np.full_like(reference, 255)
        for cls in range(self.classes):
            places = np.argwhere(reference == cls)
            drawn[tuple(places[seed % len(places)])] = cls
        return drawn


def source(kinds: Mapping[str, str], channels: int = 1, draw=None) -> Source:
    """Return a source whose cases have the labels that ``kinds`` names."""

    def find(src: Path):
        found = []
        for name, labels in kinds.items():
            scribble = src / name / "image" / "2.txt" if "scribble" in labels else None
            image, part = src / name / "image", "test" if "test" in labels else "train"
            found.append(Found(name, name, "", "", image, None, scribble, None, part))
        return found, []

    def read(case: Found) -> Arrays:
        value = int((case.image / "1.txt").read_text())
        image = np.arange(value, value + channels * 90).reshape(channels, *SHAPE)
        labels = kinds[case.name]
        scribble = np.where(REFERENCE == 1, 1, 2).astype(np.uint8)
        return Arrays(
            image,
            REFERENCE if "reference" in labels else None,
            scribble if "scribble" in labels else None,
            SPACING,
        )

    names = tuple(f"channel {m}" for m in range(channels))
    return Source(
        name="fake", licence="", citation="", layout="", channels=names, classes=("organ",),
        find=find, read=read, synthetic=lambda _: True, scribbles=draw,
    )  # fmt: skip


@pytest.fixture
def src(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / "src" / name / "image").mkdir(parents=True)
        for slice_ in (1, 2):
            (tmp_path / "src" / name / "image" / f"{slice_}.txt").write_text("7")
    return tmp_path / "src"


def prepared(made: Source, src: Path, monkeypatch: pytest.MonkeyPatch, **options) -> Dataset:
    monkeypatch.setattr(preparation, "SOURCES", {"fake": lambda _: made})
    return Dataset.open(prepare("fake", src, src.parent / "dst", **options))


def test_channels_are_written_and_read_one_file_each(src, monkeypatch):
    data = prepared(source({"a": "reference scribble"}, channels=2), src, monkeypatch)
    names = {path.name for path in (data.root / "imagesTr").iterdir()}
    assert names == {"a_0000.nii.gz", "a_0001.nii.gz"}
    image = data.load(data.cases[0]).image
    np.testing.assert_array_equal(image, np.arange(7, 187).reshape(2, *SHAPE))
    assert (data.modalities, data.details["a"]["shape"]) == (2, list(SHAPE))


def test_another_number_of_channels_than_promised_is_an_error(src, monkeypatch):
    made = replace(source({"a": "reference"}, channels=2), channels=("T1",))
    with pytest.raises(ValueError, match=r"a/image: 2 channels; expected \('T1',\)"):
        prepared(made, src, monkeypatch)


def test_labels_that_are_absent_are_not_written_and_read_as_none(src, monkeypatch):
    kinds = {"a": "scribble", "b": "reference test"}
    data = prepared(source(kinds), src, monkeypatch)
    one, other = data.cases
    assert (one.reference, other.scribble) == (None, None)
    assert data.load(one).reference is None and data.load(other).scribble is None
    assert data.load(one).scribble is not None and data.load(other).reference is not None
    written = {str(p.relative_to(data.root)) for p in data.root.glob("*/[ab].nii.gz")}
    assert written == {"scribblesTr/a.nii.gz", "labelsTr/b.nii.gz"}
    assert data.scribbles == "drawn"


def test_a_folder_with_absent_labels_is_complete(src, monkeypatch):
    made = source({"a": "scribble", "b": "reference test"})
    prepared(made, src, monkeypatch)
    prepared(made, src, monkeypatch, report=lambda *_: pytest.fail("worked"))


def test_data_without_any_strokes_say_so(src, monkeypatch):
    data = prepared(source({"a": "reference"}), src, monkeypatch)
    assert (data.scribbles, data.cases[0].scribble) == ("none", None)


def test_official_parts_reach_the_cases_and_the_content(src, monkeypatch):
    data = prepared(source({"a": "scribble", "b": "reference test"}), src, monkeypatch)
    assert [case.part for case in data.cases] == ["train", "test"]
    (src / "a" / "image" / "2.txt").write_text("changed, so that it is prepared again")
    other = prepared(source({"a": "scribble", "b": "reference"}), src, monkeypatch)
    assert other.content != data.content


def test_f21_a_change_in_a_folder_of_files_is_noticed(src, monkeypatch):
    made = source({"a": "reference", "b": "reference"})
    before = prepared(made, src, monkeypatch)
    (src / "a" / "image" / "1.txt").write_text("11")
    after = prepared(made, src, monkeypatch)
    assert after.content != before.content
    assert after.load(after.cases[0]).image.min() == 11


def test_a_case_without_any_label_is_an_error(src, monkeypatch):
    with pytest.raises(ValueError, match=r"a/image: neither a reference nor strokes"):
        prepared(source({"a": ""}), src, monkeypatch)


def test_strokes_are_drawn_where_there_are_none_and_only_there(src, monkeypatch):
    data = prepared(
        source({"a": "reference", "b": "reference scribble"}, draw=Corner()), src, monkeypatch
    )
    made, drawn = (data.load(case).scribble for case in data.cases)
    assert (made != 255).sum() == 2 and (drawn != 255).sum() == (REFERENCE == 1).sum()
    np.testing.assert_array_equal(made[made != 255], REFERENCE[made != 255])
    assert data.scribbles == {"type": "Corner", "classes": 2}
    stored = np.asarray(nib.load(data.root / "scribblesTr" / "a.nii.gz").dataobj)
    assert set(np.unique(stored)) == {0, 1, 2}


def test_drawn_strokes_depend_on_the_name_of_the_case_only(src, monkeypatch):
    both = {"a": "reference", "b": "reference"}
    data = prepared(source(both, draw=Corner()), src, monkeypatch)
    one, other = (data.load(case).scribble for case in data.cases)
    assert (one != other).any()
    (src / "a" / "image" / "2.txt").write_text("changed, so that it is prepared again")
    again = prepared(source({"b": "reference"}, draw=Corner()), src, monkeypatch)
    np.testing.assert_array_equal(again.load(again.cases[0]).scribble, other)


def test_f21_another_generator_makes_other_strokes_of_the_same_files(src, monkeypatch):
    made = source({"a": "reference"}, draw=Corner())
    before = prepared(made, src, monkeypatch)
    after = prepared(made, src, monkeypatch, scribbles=Corner(classes=1))
    assert after.content != before.content
    assert after.scribbles == {"type": "Corner", "classes": 1}


def test_strokes_are_not_drawn_over_those_of_experts(src, monkeypatch):
    with pytest.raises(ValueError, match=r"every case in .* has strokes"):
        made = source({"a": "reference scribble"})
        prepared(made, src, monkeypatch, scribbles=Corner())


def test_folders_prepared_before_absent_labels_were_known_can_be_opened(src, monkeypatch):
    data = prepared(source({"a": "reference scribble"}), src, monkeypatch)
    described = json.loads((data.root / "dataset.json").read_text())
    for key in ("part", "lacks"):
        del described["weakseg"]["cases"]["a"][key]
    del described["weakseg"]["scribbles"]
    (data.root / "dataset.json").write_text(json.dumps(described))
    old = Dataset.open(data.root)
    assert (old.cases[0].part, old.scribbles) == ("", "drawn")
    assert old.load(old.cases[0]).scribble is not None
