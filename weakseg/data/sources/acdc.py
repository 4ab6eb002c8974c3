"""ACDC cine cardiac MR (Bernard et al., TMI 2018) with scribbles (Valvano et al., TMI 2021).

Known defect of the download: the sform of images and references is diag(-1, -1, 1), as if voxels
were 1 mm wide, while the true voxel size is in ``pixdim``; the scribbles have a proper affine.
The rule here: voxel sizes are those of ``pixdim``, the three files of a case are matched by array
index and never resampled or reoriented, and prepared files get the proper affine
diag(-dx, -dy, dz), which is that of the scribbles. Files whose sizes or stated axes differ are
rejected, since an index then means two places.
"""

import re
import warnings
from pathlib import Path
from typing import Final

from weakseg.data.nifti_header import SpacingConflict
from weakseg.data.sources.nifti_case import read_case
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom

CLASSES: Final = ("RV", "MYO", "LV")
"""Foreground classes; the label of a class is its place, from 1."""

GROUPS: Final = ("DCM", "HCM", "MINF", "NOR", "RV")
"""Disease groups of ``Info.cfg``, twenty training patients each."""

UNLABELLED: Final = 4
"""Code of undrawn pixels in scribble files; 0 is a stroke on the background."""

LAYOUT: Final = """expected layout (SRC may also be the training folder itself):
  SRC/training/patient001/Info.cfg                            (ED: 1, ES: 12, Group: DCM)
  SRC/training/patient001/patient001_frame01.nii.gz           (image; also of frame 12)
  SRC/training/patient001/patient001_frame01_gt.nii.gz        (reference, 0 to 3)
  SRC/training/patient001/patient001_frame01_scribble.nii.gz  (0 to 3, 4 = unlabelled)
Images and references: the training set of the ACDC challenge (Bernard et al., 2018), from its
site at CREATIS, Lyon. Scribbles: the expert scribbles published by Valvano et al. (2021) with
'Learning to Segment from Scribbles using Multi-scale Adversarial Attention Gates'; put each file
beside its image."""

_FOLDERS: Final = ("training", "database/training", ".")


def find(src: Path) -> tuple[list[Found], list[str]]:
    """List the ED and ES cases under ``src`` and what is missing or wrong, one line each.

    Anything else in the folders, such as the 4D files, is ignored.

    Raises:
        FileNotFoundError: ``src`` holds no patient folder.
    """
    for name in _FOLDERS:
        folders = sorted(p for p in (src / name).glob("patient*") if _is_patient(p))
        if folders:
            break
    else:
        raise FileNotFoundError(f"no patient folder in {src}; {LAYOUT}")
    cases: list[Found] = []
    problems: list[str] = []
    for folder in folders:
        try:
            cases += _patient(folder, problems)
        except (ValueError, OSError) as error:
            problems.append(str(error))
    return cases, problems


def read(case: Found) -> Arrays:
    """Read and check the files of one case.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    with warnings.catch_warnings():
        known = r".*sform says \[1\. 1\. 1\.\] mm"  # the defect of ACDC's own headers
        warnings.filterwarnings("ignore", known, SpacingConflict)
        return read_case(case, len(CLASSES), UNLABELLED)


def _is_patient(path: Path) -> bool:
    return re.fullmatch(r"patient[0-9]{3}", path.name) is not None and path.is_dir()


def _patient(folder: Path, problems: list[str]) -> list[Found]:
    info = _info(folder / "Info.cfg")
    cases = []
    for phase in ("ED", "ES"):
        name = f"{folder.name}_frame{int(info[phase]):02d}"
        image, reference, scribble = (
            folder / f"{name}{kind}.nii.gz" for kind in ("", "_gt", "_scribble")
        )
        missing = [path for path in (image, reference, scribble) if not path.is_file()]
        problems += [f"no file {path} ({phase} of {folder.name})" for path in missing]
        if not missing:
            cases.append(
                Found(
                    name=name,
                    patient=folder.name,
                    group=info["Group"],
                    frame=phase,
                    image=image,
                    reference=reference,
                    scribble=scribble,
                    info=folder / "Info.cfg",
                )
            )
    return cases


def _info(path: Path) -> dict[str, str]:
    """Return the fields of ``Info.cfg``; ED, ES and Group are present and sensible."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path} (says which frames are ED and ES)")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.partition(":") for line in lines if ":" in line]
    info = {key.strip(): value.strip() for key, _, value in pairs}
    for key in ("ED", "ES"):
        if not re.fullmatch(r"[0-9]{1,4}", info.get(key, "")):
            raise ValueError(f"{path}: {key} is {info.get(key)!r}; expected a line '{key}: 1'")
    if int(info["ED"]) == int(info["ES"]):
        raise ValueError(f"{path}: ED and ES are both frame {int(info['ED'])}")
    if info.get("Group") not in GROUPS:
        raise ValueError(f"{path}: Group is {info.get('Group')!r}; expected one of {GROUPS}")
    return info


SOURCE: Final = Source(
    name="acdc",
    licence="CC BY-NC-SA 4.0, research use (images and references); Apache-2.0 (scribbles)",
    citation="Bernard et al., IEEE TMI 37(11), 2018; Valvano et al., IEEE TMI 40(8), 2021",
    layout=LAYOUT,
    channels=("cine MRI",),
    classes=CLASSES,
    find=find,
    read=read,
    synthetic=is_phantom,
)
"""The source ``acdc``."""
