"""NCI-ISBI 2013 prostate MR (Bloch et al., TCIA 2015): T2-weighted series and NRRD labels.

Peripheral zone and central gland are merged into one class, as the released code of MSMT does, and
the three parts of the challenge are pooled: 60 + 10 + 10 cases, half from each of two scanners.

Most labels lie on the voxels of their series, with axes in another order or direction; some have
other slices (that of ProstateDx-01-0055 has 23 for the 34 of its series). So labels are placed by
position: a voxel of the image takes the label nearest to its centre. A label that reaches out of
its image is an error.
"""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data import itk_files, nifti
from weakseg.data.sources import dicom
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom

CLASSES: Final = ("prostate",)
"""Foreground classes; the label of a class is its place, from 1."""

ZONES: Final = ("peripheral zone", "central gland")
"""Structures of the official labels 1 and 2."""

SCANNERS: Final = {"Prostate3T": "3 T", "ProstateDx": "1.5 T"}
"""Groups by the start of a case's name: surface coil at 3 T, endorectal coil at 1.5 T."""

LAYOUT: Final = """expected layout (where the files of a case lie below SRC does not matter):
  SRC/manifest-*/Prostate-3T/Prostate3T-01-0001/STUDY/SERIES/*.dcm
  SRC/manifest-*/PROSTATE-DIAGNOSIS/ProstateDx-01-0001/STUDY/SERIES/*.dcm
  SRC/Training/Prostate3T-01-0001.nrrd, SRC/Leaderboard/..., SRC/Test/...     (0 to 2)
with 0 background, 1 peripheral zone, 2 central gland. Series: the three manifests of the challenge
(not the whole collections), fetched with TCIA's NBIA Data Retriever. Labels: its three archives,
from the same page, doi 10.7937/K9/TCIA.2015.zF0vlOPv."""

_LABEL: Final = re.compile(r"(Prostate(?:3T|Dx)-[0-9]{2}-[0-9]{4})((?:_[A-Za-z]+)?)\.nrrd")
_CORRECTED: Final = "_correctedLabels"  # replaces the label without it
_HALF: Final = 0.5 + 1e-3  # of a voxel, from its centre
_STRAY: Final = 0.05  # voxels; positions in headers are rounded


def find(src: Path) -> tuple[list[Found], list[str]]:
    """List the cases that have a label and what is missing or wrong, one line each.

    Raises:
        FileNotFoundError: there is no label file under ``src``.
    """
    labels: dict[str, dict[str, Path]] = {}
    for path in sorted(src.rglob("Prostate*.nrrd")):
        if match := _LABEL.fullmatch(path.name):
            labels.setdefault(match[1], {})[match[2]] = path
    if not labels:
        raise FileNotFoundError(f"no label Prostate*.nrrd in {src}; {LAYOUT}")
    series = _series(src)
    cases: list[Found] = []
    problems: list[str] = []
    for name, files in sorted(labels.items()):
        chosen = files.get(_CORRECTED) or next(iter(files.values()))
        folders = series.get(name, [])
        if len(files) > 1 and _CORRECTED not in files:
            problems.append(f"several labels of {name}: {_listed(files.values())}; expected one")
        elif not folders:
            problems.append(f"no series of {name} with .dcm files in {src}, for {chosen}")
        elif len(folders) > 1:
            problems.append(
                f"several series of {name}: {_listed(folders)}; expected the one of the challenge"
            )
        else:
            group = SCANNERS[name.partition("-")[0]]
            cases.append(Found(name, name, group, "", folders[0], chosen))
    return cases, problems


def read(case: Found) -> Arrays:
    """Read and check the files of one case.

    Raises:
        ValueError: a file is damaged, the slices are no series, see ``dicom.read``, or the label
            holds other values or reaches out of the image.
    """
    if case.reference is None:
        raise ValueError(f"{case.name} needs a label; see nci_isbi2013.find")
    series = dicom.read(case.image, "MR")
    label = itk_files.read_labels(case.reference, range(len(ZONES) + 1))
    reference = _placed(label._replace(array=label.array > 0), series, case.reference)
    return Arrays(series.array, reference.astype(np.uint8), None, series.spacing)


def _series(src: Path) -> dict[str, list[Path]]:
    """Return the folders with DICOM files below a folder named like a case, by that name."""
    found: dict[str, list[Path]] = {}
    for folder in sorted({path.parent for path in src.rglob("*.[dD][cC][mM]")}):
        parts = folder.relative_to(src).parts
        names = [part for part in parts if part.startswith(tuple(SCANNERS))]
        if names and dicom.by_name(folder, ".dcm"):
            found.setdefault(names[-1], []).append(folder)
    return found


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _placed(label: nifti.Volume, series: dicom.Series, path: Path) -> NDArray[np.bool_]:
    """Return a label on the voxels of a series, by position; outside the label is background.

    Raises:
        ValueError: a labelled voxel lies outside the image.
    """
    to_image = np.linalg.inv(series.affine) @ _lps(label)
    shape = series.array.shape
    places = np.argwhere(label.array) @ to_image[:3, :3].T + to_image[:3, 3]
    outside = ((places < -_HALF) | (places > np.array(shape) - 1 + _HALF)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"{path}: {outside.sum()} of {len(places)} labelled voxels lie outside the image; do "
            f"series and label belong together?"
        )
    if np.abs(to_image - to_image.round()).max() > _STRAY:
        warnings.warn(
            f"{path}: the label's voxels of {label.spacing} mm (z, y, x) are not those of the "
            f"image, {series.spacing} mm; each voxel of the image takes the nearest one",
            stacklevel=3,
        )
    to_label = np.linalg.inv(to_image)
    placed: NDArray[np.bool_] = ndimage.affine_transform(
        label.array, to_label, output_shape=shape, order=0, mode="grid-constant"
    )
    return placed


def _lps(volume: nifti.Volume) -> NDArray[np.float64]:
    """Return the affine of array indices (z, y, x) to mm along DICOM's axes, float64 [4, 4]."""
    affine: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    return affine[:, [2, 1, 0, 3]]


SOURCE: Final = Source(
    name="nci-isbi2013",
    licence="CC BY 3.0",
    citation="Bloch et al., NCI-ISBI 2013 Challenge, The Cancer Imaging Archive, 2015",
    layout=LAYOUT,
    channels=("T2 MRI",),
    classes=CLASSES,
    find=find,
    read=read,
    synthetic=is_phantom,
)
"""The source ``nci-isbi2013``."""
