"""Hippocampus of the Medical Segmentation Decathlon (Antonelli et al., 2022), Task04.

Every case is a small box of T1 MRI around one hippocampus; sides and persons are not told, so each
case counts as a patient. The anterior and the posterior part are merged into one class, and the
voxels turned to run to the head, the back and the left.
"""

import json
from pathlib import Path
from typing import Any, Final

from weakseg.data.raw import INDEX
from weakseg.data.sources.merged import read_merged
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom

CLASSES: Final = ("hippocampus",)
"""Foreground classes; the label of a class is its place, from 1."""

PARTS: Final = ("Anterior", "Posterior")
"""Structures of the official labels 1 and 2."""

TASK: Final = "Task04_Hippocampus"
"""Name of the official folder."""

LAYOUT: Final = f"""expected layout (SRC may also be {TASK} itself):
  SRC/{TASK}/dataset.json                            (lists the cases)
  SRC/{TASK}/imagesTr/hippocampus_001.nii.gz
  SRC/{TASK}/labelsTr/hippocampus_001.nii.gz         (0 to 2)
with 0 background, 1 anterior, 2 posterior. It is Task04_Hippocampus.tar of the Medical
Segmentation Decathlon; its test images have no labels and are not read."""


def find(src: Path) -> tuple[list[Found], list[str]]:
    """List the training cases of ``dataset.json`` and what is missing or wrong, one line each.

    Raises:
        FileNotFoundError: there is no ``dataset.json``, or it lists no case.
        ValueError: it is damaged or describes another task.
    """
    root = src / TASK if (src / TASK).is_dir() else src
    listed = _listed(root / INDEX)
    if not listed:
        raise FileNotFoundError(f"{root / INDEX} lists no training case; {LAYOUT}")
    cases: dict[str, Found] = {}
    problems: list[str] = []
    for entry in listed:
        image, label = (root / entry[key].removeprefix("./") for key in ("image", "label"))
        name = image.name.removesuffix(".nii.gz")
        missing = [path for path in (image, label) if not path.is_file()]
        problems += [f"no file {path} (case {name})" for path in missing]
        if name in cases:
            problems.append(f"{root / INDEX} lists {name} twice")
        elif not missing:
            number = name.removeprefix("hippocampus_")
            cases[name] = Found(name, number, "", "", image, label, info=root / INDEX)
    return list(cases.values()), problems


def read(case: Found) -> Arrays:
    """Read and check the files of one case.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    return read_merged(case, len(PARTS))


def _listed(path: Path) -> list[dict[str, str]]:
    """Return the training cases that ``dataset.json`` lists: image and label of each."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; {LAYOUT}")
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        labels = {int(i): str(name).lower() for i, name in described["labels"].items()}
        training: list[dict[str, Any]] = described["training"]
        listed = [{key: str(entry[key]) for key in ("image", "label")} for entry in training]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the Decathlon's ({error!r}); {LAYOUT}") from error
    if labels != dict(enumerate(("background", *(part.lower() for part in PARTS)))):
        raise ValueError(f"{path}: labels are {labels}; expected those of {TASK}")
    return listed


SOURCE: Final = Source(
    name="hippocampus",
    licence="CC BY-SA 4.0",
    citation="Antonelli et al., Nature Communications 13, 2022; Simpson et al., arXiv 1902.09063",
    layout=LAYOUT,
    channels=("T1 MRI",),
    classes=CLASSES,
    find=find,
    read=read,
    synthetic=is_phantom,
)
"""The source ``hippocampus``."""
