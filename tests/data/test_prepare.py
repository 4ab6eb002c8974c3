import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.data.official import SHAPE, labels, save, scribbles, write_acdc, write_patient
from weakseg.data.prepare import main, prepare

CASES = [f"patient{p}_frame{f}" for p in ("001", "021") for f in ("01", "12")]


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return write_acdc(tmp_path / "src")


def index(dst: Path) -> dict:
    return json.loads((dst / "dataset.json").read_text())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def times(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_the_layout_is_that_of_nnunet_with_scribbles(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "new" / "dst")
    expected = {"dataset.json"}
    for case in CASES:
        expected |= {f"imagesTr/{case}_0000.nii.gz", f"labelsTr/{case}.nii.gz"}
        expected |= {f"scribblesTr/{case}.nii.gz"}
    assert set(tree(dst)) == expected
    described = index(dst)
    assert described["channel_names"] == {"0": "cine MRI"}
    assert described["labels"] == {"background": 0, "RV": 1, "MYO": 2, "LV": 3, "ignore": 4}
    assert (described["numTraining"], described["file_ending"]) == (4, ".nii.gz")
    own = described["weakseg"]
    assert (own["source"], own["synthetic"], list(own["cases"])) == ("acdc", False, CASES)
    detail = own["cases"]["patient021_frame12"]
    assert (detail["patient"], detail["group"], detail["frame"]) == ("patient021", "HCM", "ES")
    assert (detail["spacing"], detail["shape"]) == ([10.0, 1.5, 1.5], list(SHAPE[::-1]))


def test_f16_prepared_files_have_one_proper_affine(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    for path in dst.rglob("*.nii.gz"):
        np.testing.assert_allclose(nib.load(path).affine, np.diag([-1.5, -1.5, 10, 1]))


def test_values_are_those_of_the_source(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    for folder, ending, kind in (
        ("imagesTr", "_0000", ""),
        ("labelsTr", "", "_gt"),
        ("scribblesTr", "", "_scribble"),
    ):
        prepared = nib.load(dst / folder / f"patient001_frame01{ending}.nii.gz")
        source = nib.load(src / f"training/patient001/patient001_frame01{kind}.nii.gz")
        np.testing.assert_array_equal(prepared.dataobj, np.asarray(source.dataobj))


@pytest.mark.parametrize(
    ("scale", "shift", "dtype"),
    [(1, 0, "int16"), (1, -40, "int16"), (0.5, 0, "float32"), (100, 0, "float32")],
)
def test_images_are_int16_only_where_that_is_exact(src, tmp_path, scale, shift, dtype):
    path = src / "training/patient001/patient001_frame01.nii.gz"
    array = np.asarray(nib.load(path).dataobj).astype(np.float32) * scale + shift
    save(path, array)
    image = nib.load(
        prepare("acdc", src, tmp_path / "d") / "imagesTr/patient001_frame01_0000.nii.gz"
    )
    assert image.get_data_dtype() == dtype
    np.testing.assert_array_equal(image.dataobj, array)


def test_a_second_call_does_nothing(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    before = times(dst)
    prepare("acdc", src, dst, report=lambda *_: pytest.fail("worked"))
    assert times(dst) == before


def test_f21_changed_sources_are_prepared_again_with_another_content(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    before = index(dst)["weakseg"]
    changed = labels()
    changed[0, 0, 0] = 1
    save(src / "training/patient001/patient001_frame01_gt.nii.gz", changed)
    write_patient(src / "training", 41)
    after = index(prepare("acdc", src, dst))["weakseg"]
    assert after["content"] != before["content"]
    assert after["fingerprint"] != before["fingerprint"]
    assert len(after["cases"]) == 6
    same = [n for n in CASES if after["cases"][n]["sha256"] == before["cases"][n]["sha256"]]
    assert same == CASES[1:]


def test_f21_content_depends_on_the_data_only(src, tmp_path):
    one = index(prepare("acdc", src, tmp_path / "a"))["weakseg"]
    two = index(prepare("acdc", write_acdc(tmp_path / "copy"), tmp_path / "b"))["weakseg"]
    assert one["content"] == two["content"]
    assert one["fingerprint"] != two["fingerprint"]


def test_f21_cases_that_left_the_source_leave_the_folder(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    (src / "training/patient021").rename(tmp_path / "away")
    prepare("acdc", src, dst)
    assert sum("patient021" in name for name in tree(dst)) == 0


@pytest.mark.parametrize("lost", ["dataset.json", "labelsTr/patient001_frame01.nii.gz"])
def test_f22_a_half_written_folder_is_built_again(src, tmp_path, lost):
    dst = prepare("acdc", src, tmp_path / "dst")
    whole = tree(dst)
    (dst / lost).unlink()
    (dst / "imagesTr" / ".left.nii.gz.123").write_bytes(b"half")
    assert tree(prepare("acdc", src, dst)) == whole


def test_f22_two_processes_build_one_folder_once(src, tmp_path):
    dst = tmp_path / "dst"
    code = (
        "import sys; from weakseg.data.prepare import prepare; steps = []; "
        "prepare('acdc', sys.argv[1], sys.argv[2], lambda *s: steps.append(s)); print(len(steps))"
    )
    with (tmp_path / ".dst.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        both = [
            subprocess.Popen([sys.executable, "-c", code, src, dst], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        with pytest.raises(subprocess.TimeoutExpired):
            both[0].wait(timeout=0.5)
    steps = sorted(int(process.communicate(timeout=60)[0]) for process in both)
    assert steps == [0, 8]


def test_f22_threads_of_one_process_build_once_too(src, tmp_path):
    steps: list[int] = []
    threads = [
        threading.Thread(
            target=prepare, args=("acdc", src, tmp_path / "dst", lambda *s: steps.append(1))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(steps) == 8


def test_f14_f15_f18_all_bad_cases_are_reported_together_and_nothing_is_written(src, tmp_path):
    one, two = src / "training/patient001", src / "training/patient021"
    bad = labels()
    bad[0, 0, :] = 255
    save(one / "patient001_frame01_gt.nii.gz", bad)
    save(one / "patient001_frame12_gt.nii.gz", labels()[:, 1:])
    (two / "patient021_frame01.nii.gz").write_bytes(b"")
    save(two / "patient021_frame12_scribble.nii.gz", scribbles() * 0.999, scribble=True)
    with pytest.raises(ValueError) as error:
        prepare("acdc", src, tmp_path / "dst")
    lines = str(error.value).splitlines()
    assert "nothing is written" in lines[0]
    assert len(lines) == 5
    for line, parts in zip(
        lines[1:],
        (
            ("patient001_frame01_gt.nii.gz", "255 (3 voxels)"),
            ("patient001_frame12.nii.gz", "patient001_frame12_gt.nii.gz", "shapes"),
            ("patient021_frame01.nii.gz", "empty"),
            ("patient021_frame12_scribble.nii.gz", "0.999"),
        ),
        strict=True,
    ):
        assert all(part in line for part in parts)
    assert not (tmp_path / "dst").exists()


def test_a_bad_source_leaves_an_earlier_result_alone(src, tmp_path):
    dst = prepare("acdc", src, tmp_path / "dst")
    before = tree(dst)
    (src / "training/patient001/patient001_frame01.nii.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        prepare("acdc", src, dst)
    assert tree(dst) == before


@pytest.mark.parametrize("lost", ["Info.cfg", "patient001_frame12_scribble.nii.gz"])
def test_a_missing_file_is_reported_with_the_layout(src, tmp_path, lost):
    (src / "training/patient001" / lost).unlink()
    with pytest.raises(ValueError, match=rf"(?s)no file .*{lost} .*expected layout.*Valvano"):
        prepare("acdc", src, tmp_path / "dst")
    assert not (tmp_path / "dst").exists()


def test_a_folder_with_other_files_is_never_touched(src, tmp_path):
    dst = tmp_path / "dst"
    dst.mkdir()
    (dst / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match=r"holds other files .*thesis.tex"):
        prepare("acdc", src, dst)
    (dst / "thesis.tex").rename(dst / "dataset.json")
    with pytest.raises(ValueError, match="holds another data set"):
        prepare("acdc", src, dst)
    with pytest.raises(ValueError, match="holds other files"):
        prepare("acdc", src, src)


def test_f23_read_only_sources_spaces_and_unicode(tmp_path):
    src = write_acdc(tmp_path / "Herz Bilder é 心 [1]", patients=(1,))
    for path in sorted(src.rglob("*"), reverse=True):
        path.chmod(0o444 if path.is_file() else 0o555)
    src.chmod(0o555)
    try:
        dst = prepare("acdc", src, tmp_path / "my ünï dst")
        assert len(tree(dst)) == 7
        dst.chmod(0o555)
        prepare("acdc", src, dst)
    finally:
        for path in (src, tmp_path / "my ünï dst", *src.rglob("*")):
            path.chmod(0o755)


def test_f23_relative_paths_work(src, monkeypatch):
    monkeypatch.chdir(src.parent)
    assert prepare("acdc", "src", "dst") == src.parent / "dst"
    assert prepare("acdc", Path("src/training"), "other") == src.parent / "other"


def test_f25_an_unknown_source_names_those_there_are(src, tmp_path):
    with pytest.raises(ValueError, match=r"no source 'acd'; expected one of \['acdc', "):
        prepare("acd", src, tmp_path / "dst")


def test_phantoms_are_marked_synthetic(src, tmp_path):
    (src / "PHANTOM").touch()
    assert index(prepare("acdc", src, tmp_path / "dst"))["weakseg"]["synthetic"] is True


def test_the_command_says_in_one_line_what_is_wrong(src, tmp_path, capsys):
    assert main(["acdc", str(src), str(tmp_path / "dst")]) == 0
    assert f"acdc is ready in {tmp_path / 'dst'}" in capsys.readouterr().err
    assert main(["acdc", str(tmp_path / "none"), str(tmp_path / "dst")]) == 1
    assert f"error: no patient folder in {tmp_path / 'none'}" in capsys.readouterr().err


def test_f17_the_command_shows_warnings_once(src, tmp_path, capsys):
    save(src / "training/patient001/patient001_frame01.nii.gz", np.full(SHAPE, 3, np.int16))
    assert main(["acdc", str(src), str(tmp_path / "dst")]) == 0
    shown = capsys.readouterr().err
    assert shown.count("warning: ") == 1
    assert "every voxel is 3" in shown


@pytest.mark.parametrize("arguments", [["acd", "a", "b"], ["acdc", "a"], ["acdc", "a", "b", "c"]])
def test_f25_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_module_is_the_command(src, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "weakseg.data.prepare", "acdc", src, tmp_path / "dst"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "dst" / "labelsTr")
