"""MSCMRseg late gadolinium enhanced cardiac MR (Zhuang, TPAMI 2019) with scribbles.

The scribbles are those of CycleMix (Zhang & Zhuang, CVPR 2022), which also fixed the parts: 25
patients with strokes to learn from, 5 to select on and 15 to test, the latter two with dense
references. Files of a case are matched by array index and never resampled.

Known defect of the distributed files: the reference of subject43 states other axes than its
image. Its shape is the image's, so it is taken to lie on the image's voxels.
"""

import re
from pathlib import Path
from typing import Final

from weakseg.data.sources.nifti_case import read_case
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom

CLASSES: Final = ("RV", "MYO", "LV")
"""Foreground classes; the label of a class is its place, from 1."""

UNLABELLED: Final = 4
"""Code of undrawn pixels in scribble files; 0 is a stroke on the background."""

PARTS: Final = {"train": "train", "val": "val", "TestSet": "test"}
"""Folders and the parts of the official split that they hold."""

LAYOUT: Final = """expected layout (SRC may also be MSCMR_dataset itself):
  SRC/MSCMR_dataset/train/images/subject2_DE.nii.gz              (also val/ and TestSet/)
  SRC/MSCMR_dataset/train/labels/subject2_DE_scribble.nii.gz     (0 to 3, 4 = unlabelled)
  SRC/MSCMR_dataset/val/labels/subject1_DE_manual.nii.gz         (0 to 3; also TestSet/)
with 0 background, 1 RV, 2 MYO, 3 LV (the challenge's own files have 600, 200 and 500 for the
classes). Images and references: the MSCMRseg challenge of Zhuang (2019), after registration.
Scribbles and parts: the files published by Zhang and Zhuang (2022) with CycleMix."""

_ENDING: Final = ".nii.gz"
_ODD_AXES: Final = ("subject43",)


def find(src: Path) -> tuple[list[Found], list[str]]:
    """List the cases of the three parts and what is missing or wrong, one line each.

    Raises:
        FileNotFoundError: ``src`` holds no case.
    """
    root = _root(src)
    cases: dict[str, Found] = {}
    problems: list[str] = []
    for folder, part in PARTS.items():
        for image in sorted((root / folder / "images").glob(f"subject*_DE{_ENDING}")):
            case = _found(image, part)
            wanted = "scribble" if part == "train" else "manual"
            if (case.scribble if part == "train" else case.reference) is None:
                problems.append(f"no file {_label(image, wanted)} ({part} case {case.name})")
            elif case.name in cases:
                problems.append(
                    f"{case.name} is in two parts: {cases[case.name].image} and {image}"
                )
            else:
                cases[case.name] = case
    if not cases and not problems:
        raise FileNotFoundError(f"no image subject*_DE{_ENDING} in {src}; {LAYOUT}")
    return list(cases.values()), problems


def read(case: Found) -> Arrays:
    """Read and check the files of one case.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    odd = [p for p in (case.reference,) if p is not None and case.patient in _ODD_AXES]
    return read_case(case, len(CLASSES), UNLABELLED, aligned=odd)


def _root(src: Path) -> Path:
    return src / "MSCMR_dataset" if (src / "MSCMR_dataset").is_dir() else src


def _found(image: Path, part: str) -> Found:
    name = image.name.removesuffix(_ENDING)
    patient = re.sub("_DE$", "", name)
    manual, scribble = (_label(image, kind) for kind in ("manual", "scribble"))
    return Found(
        name=name,
        patient=patient,
        group="",
        frame="",
        image=image,
        reference=manual if manual.is_file() else None,
        scribble=scribble if scribble.is_file() else None,
        part=part,
    )


def _label(image: Path, kind: str) -> Path:
    name = image.name.removesuffix(_ENDING)
    return image.parents[1] / "labels" / f"{name}_{kind}{_ENDING}"


SOURCE: Final = Source(
    name="mscmr",
    licence="MSCMRseg challenge, research use after registration; scribbles without a licence",
    citation="Zhuang, IEEE TPAMI 41(12), 2019; Zhang & Zhuang, CycleMix, CVPR 2022",
    layout=LAYOUT,
    channels=("LGE MRI",),
    classes=CLASSES,
    find=find,
    read=read,
    synthetic=is_phantom,
)
"""The source ``mscmr``."""
