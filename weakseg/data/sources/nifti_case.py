"""Cases whose files are volumes on one grid; they are compared, never resampled.

Files are NIfTI, or MetaImage and NRRD by their ending.
"""

import warnings
from collections.abc import Collection, Sequence
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np

from weakseg.data import itk_files, nifti
from weakseg.data.nifti_header import TOLERANCE
from weakseg.data.sources.source import Arrays, Found


def read_case(case: Found, classes: int, unlabelled: int, aligned: Collection[Path] = ()) -> Arrays:
    """Read and check the files of one case.

    Args:
        case: files of NIfTI, all but the image optional.
        classes: number of foreground classes, with labels from 1.
        unlabelled: code of undrawn voxels in strokes.
        aligned: label files known to lie on the voxels of the image, whatever they state.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    volumes = read_matched(case, classes, unlabelled, aligned)
    images = [volumes[path] for path in (case.image, *case.channels)]
    reference, scribble = (
        None if path is None else volumes[path].array for path in (case.reference, case.scribble)
    )
    if scribble is not None and (scribble == unlabelled).all():
        warnings.warn(f"{case.scribble}: no stroke at all", stacklevel=2)
    array = np.stack([i.array for i in images]) if case.channels else images[0].array
    return Arrays(array, reference, scribble, images[0].spacing)


def read_matched(
    case: Found, classes: int, unlabelled: int, aligned: Collection[Path] = ()
) -> dict[Path, nifti.Volume]:
    """Read the files of one case as :func:`read_case` does; return each volume by its path."""
    codes = range(classes + 1)
    volumes = {path: _format(path).read(path) for path in (case.image, *case.channels)}
    image = volumes[case.image]
    for path, known in ((case.reference, codes), (case.scribble, [*codes, unlabelled])):
        if path is not None:
            label = _format(path).read_labels(path, known)
            if path in aligned:
                label = label._replace(spacing=image.spacing, affine=image.affine)
            volumes[path] = label
    _match(*volumes.items())
    return volumes


def _format(path: Path) -> ModuleType:
    return itk_files if path.suffix in itk_files.ENDINGS else nifti


def _match(*files: tuple[Path, nifti.Volume]) -> None:
    """Make sure that an index means the same place in all files of a case."""
    for (one, a), (other, b) in combinations(files, 2):
        for what, of_one, of_other in (
            ("shapes (z, y, x)", a.array.shape, b.array.shape),
            ("spacings (z, y, x) in mm", a.spacing, b.spacing),
        ):
            if _differ(of_one, of_other):
                raise ValueError(
                    f"{one} and {other}: {what} {of_one} and {of_other}; expected equal ones"
                )
        axes = [v.affine[:3, :3] / np.linalg.norm(v.affine[:3, :3], axis=0) for v in (a, b)]
        if a.oriented and b.oriented and np.abs(axes[0] - axes[1]).max() > TOLERANCE:
            raise ValueError(
                f"{one} and {other}: stated axes differ, {axes[0].round(3).tolist()} and "
                f"{axes[1].round(3).tolist()}; export them in one orientation"
            )


def _differ(one: Sequence[float], other: Sequence[float]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) > TOLERANCE
