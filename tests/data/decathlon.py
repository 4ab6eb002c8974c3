"""A tiny Task04_Hippocampus in the Decathlon's layout."""

import json
from pathlib import Path

import numpy as np

from weakseg.data import nifti

SHAPE = (6, 8, 7)  # z, y, x
SPACING = (1.0, 1.0, 1.0)
LABELS = {"0": "background", "1": "Anterior", "2": "Posterior"}


def label(shape=SHAPE) -> np.ndarray:
    array = np.zeros(shape, np.uint8)
    array[2:5, 2:5, 2:4], array[2:4, 5:7, 3:5] = 1, 2
    return array


def image(number: int, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 900, shape).astype(np.int16)


def write_case(root: Path, name: str, image, label, spacing=SPACING, affine=None) -> None:
    for folder, array in (("imagesTr", image), ("labelsTr", label)):
        path = root / "Task04_Hippocampus" / folder / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nifti.write(path, array, spacing, affine)


def write_index(root: Path, names, **change) -> Path:
    listed = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names]
    described = {"labels": LABELS, "training": listed, "numTraining": len(listed), **change}
    path = root / "Task04_Hippocampus" / "dataset.json"
    path.write_text(json.dumps(described))
    return path


def write_task(root: Path, numbers=(1, 3, 12)) -> Path:
    names = [f"hippocampus_{number:03d}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        write_case(root, name, image(number), label())
    write_index(root, names)
    return root
