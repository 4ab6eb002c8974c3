import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.profiles import PROFILES
from benchmarks.source import dataset, phantom_tag
from weakseg.data.dataset import Dataset

TINY = PROFILES["tiny"]
QUIET = Console(quiet=True)


@pytest.fixture
def raw(phantom: Dataset, tmp_path: Path) -> Path:
    """Six dense cases as nnU-Net expects them."""
    root = tmp_path / "Dataset001_Hearts"
    for case in phantom.cases[:6]:
        for folder, name in (("imagesTr", f"{case.name}_0000"), ("labelsTr", case.name)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(phantom.root / folder / f"{name}.nii.gz", root / folder)
    labels = {"background": 0, "right": 1, "wall": 2, "left": 3}
    described = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 6}
    (root / "dataset.json").write_text(json.dumps({**described, "file_ending": ".nii.gz"}))
    return root


def test_any_folder_of_nnunet_is_data_with_its_own_classes(raw: Path, tmp_path: Path) -> None:
    found = dataset("nnunet", raw, TINY, tmp_path / "data", QUIET)
    assert found.classes == ("right", "wall", "left")
    assert not found.synthetic
    assert all(case.scribble is None for case in found.cases)


def test_strokes_are_drawn_where_asked_for_and_kept_apart(raw: Path, tmp_path: Path) -> None:
    plain = dataset("nnunet", raw, TINY, tmp_path / "data", QUIET)
    drawn = dataset("nnunet", raw, TINY, tmp_path / "data", QUIET, "spline")
    assert drawn.root != plain.root
    assert drawn.content != plain.content
    assert all(case.scribble is not None for case in drawn.cases)


def test_data_without_a_phantom_have_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no phantom of nnunet; give a folder"):
        dataset("nnunet", None, TINY, tmp_path, QUIET)


def test_a_phantom_is_named_by_its_size_and_written_once(tmp_path: Path) -> None:
    assert phantom_tag(TINY) == "phantom-10x64"
    one = dataset("mscmr", None, TINY, tmp_path, QUIET)
    written = (tmp_path / "phantom" / "mscmr-10x64" / "PHANTOM").stat().st_mtime_ns
    assert one.synthetic
    assert dataset("mscmr", None, TINY, tmp_path, QUIET).content == one.content
    assert (tmp_path / "phantom" / "mscmr-10x64" / "PHANTOM").stat().st_mtime_ns == written
