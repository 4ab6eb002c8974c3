"""The phantom of ACDC: official layout, reproducible bytes, and anatomy that makes sense."""

import hashlib
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from weakseg.data.phantoms.acdc import write
from weakseg.data.phantoms.heart import GROUPS, sample_heart
from weakseg.seeding import generator


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write(folder, patients=10, matrix=72)
    return folder


def info(patient: Path) -> dict[str, str]:
    return dict(line.split(": ") for line in (patient / "Info.cfg").read_text().splitlines())


def frames(patient: Path) -> dict[str, np.ndarray]:
    """Reference of the two phases, [x, y, z]."""
    found = info(patient)
    stem = {key: f"{patient.name}_frame{int(found[key]):02d}_gt.nii.gz" for key in ("ED", "ES")}
    return {key: np.asarray(nib.load(patient / name).dataobj) for key, name in stem.items()}


def patients(root: Path) -> list[Path]:
    return sorted((root / "training").iterdir())


def hashes(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_layout_is_acdcs(root):
    assert "ynthetic" in (root / "PHANTOM").read_text()
    names = [patient.name for patient in patients(root)]
    assert names == [f"patient{20 * block + k:03d}" for block in range(5) for k in (1, 2)]
    for patient, group in zip(patients(root), np.repeat(GROUPS, 2), strict=True):
        assert info(patient)["Group"] == group
        assert set(info(patient)) == {"ED", "ES", "Group", "Height", "NbFrame", "Weight"}
        stems = [f"{patient.name}_frame{int(info(patient)[key]):02d}" for key in ("ED", "ES")]
        expected = {f"{s}{kind}.nii.gz" for s in stems for kind in ("", "_gt", "_scribble")}
        assert {path.name for path in patient.iterdir()} == {"Info.cfg", *expected}


def test_headers_carry_acdcs_defect(root):
    for path in root.rglob("*.nii.gz"):
        image = nib.load(path)
        spacing = np.array(image.header.get_zooms())
        diagonal = np.abs(np.diag(image.affine))[:3]
        assert spacing[2] in (5, 6.5, 7, 10) and spacing[0] == spacing[1] > 1
        np.testing.assert_allclose(diagonal, spacing if "scribble" in path.name else 1, rtol=1e-6)
        assert image.get_data_dtype() == (np.uint8 if "_" in path.name[16:] else np.int16)


def test_scribbles_are_sparse_and_true(root):
    for path in root.rglob("*_scribble.nii.gz"):
        scribble = np.asarray(nib.load(path).dataobj)
        gt = np.asarray(nib.load(str(path).replace("_scribble", "_gt")).dataobj)
        drawn = scribble != 4
        assert (scribble[drawn] == gt[drawn]).all()
        assert drawn.any(axis=(0, 1)).all()
        assert drawn.mean() < 0.04


def test_the_same_seed_gives_the_same_bytes(root, tmp_path):
    write(tmp_path, patients=10, matrix=72)
    assert hashes(tmp_path) == hashes(root)


def test_more_patients_leave_the_others_unchanged(root, tmp_path):
    write(tmp_path, patients=5, matrix=72)
    few, many = hashes(tmp_path / "training"), hashes(root / "training")
    assert few.items() <= many.items()


def test_another_seed_gives_other_patients(root, tmp_path):
    write(tmp_path, patients=1, matrix=72, seed=1)
    few, many = hashes(tmp_path / "training"), hashes(root / "training")
    assert not set(few.values()) & set(many.values())


def test_the_lv_contracts_as_its_group_does(root):
    ejection = {}
    for patient in patients(root):
        volumes = {phase: (gt == 3).sum() for phase, gt in frames(patient).items()}
        ejection.setdefault(info(patient)["Group"], []).append(1 - volumes["ES"] / volumes["ED"])
    mean = {group: np.mean(values) for group, values in ejection.items()}
    assert max(mean["DCM"], mean["MINF"]) < 0.45 < 0.48 < min(mean["NOR"], mean["HCM"])


def test_the_wall_lies_around_the_lv(root):
    for patient in patients(root):
        gt = frames(patient)["ED"]
        middle = gt[..., gt.shape[2] // 2]
        cavity = middle == 3
        neighbours = np.zeros_like(cavity)
        for axis in (0, 1):
            for step in (-1, 1):
                neighbours |= np.roll(cavity, step, axis)
        assert cavity.any() and set(middle[neighbours & ~cavity]) == {2}


def test_some_slices_lack_classes(root):
    present = {
        tuple(np.unique(plane))
        for patient in patients(root)
        for gt in frames(patient).values()
        for plane in np.moveaxis(gt, 2, 0)
    }
    assert {(0, 1, 2, 3), (0, 2, 3)} < present and len(present) > 2


def test_surroundings_are_as_bright_as_blood_and_muscle(root):
    for path in root.rglob("*_gt.nii.gz"):
        gt = np.asarray(nib.load(path).dataobj)
        image = np.asarray(nib.load(str(path).replace("_gt", "")).dataobj)
        for cls in (1, 2, 3):
            low, high = np.percentile(image[gt == cls], (25, 75))
            alike = (image >= low) & (image <= high) & (gt == 0)
            assert alike.sum() > 0.5 * (gt == cls).sum()


def test_the_groups_differ_in_shape():
    means = {}
    for group in GROUPS:
        hearts = [sample_heart(group, generator("shape", k))[0] for k in range(20)]
        fields = ("radius", "wall", "rv_depth")
        means[group] = {field: np.mean([getattr(h, field) for h in hearts]) for field in fields}
    for field, group in (("radius", "DCM"), ("wall", "HCM"), ("rv_depth", "RV")):
        assert max(means, key=lambda name: means[name][field]) == group
    with pytest.raises(ValueError, match="DCM"):
        sample_heart("XYZ", generator("shape"))


def test_impossible_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="between 1 and 100"):
        write(tmp_path, patients=101)
    with pytest.raises(ValueError, match="32 pixels"):
        write(tmp_path, matrix=16)


@pytest.mark.slow
def test_thirty_patients_take_less_than_twenty_seconds_of_one_core(tmp_path):
    start = time.process_time()
    write(tmp_path, patients=30)
    assert time.process_time() - start < 20
    shapes = {nib.load(path).shape for path in tmp_path.rglob("*_gt.nii.gz")}
    assert len(shapes) > 20 and max(max(shape) for shape in shapes) <= 230
