"""Cases whose files are NIfTI volumes on one grid; they are compared, never resampled."""

import warnings
from collections.abc import Collection, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from weakseg.data import nifti
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
    codes = range(classes + 1)
    images = {path: nifti.read(path) for path in (case.image, *case.channels)}
    image = images[case.image]
    volumes = dict(images)
    for path, known in ((case.reference, codes), (case.scribble, [*codes, unlabelled])):
        if path is not None:
            label = nifti.read_labels(path, known)
            if path in aligned:
                label = label._replace(spacing=image.spacing, affine=image.affine)
            volumes[path] = label
    _match(*volumes.items())
    reference, scribble = (
        None if path is None else volumes[path].array for path in (case.reference, case.scribble)
    )
    if scribble is not None and (scribble == unlabelled).all():
        warnings.warn(f"{case.scribble}: no stroke at all", stacklevel=2)
    array = np.stack([i.array for i in images.values()]) if case.channels else image.array
    return Arrays(array, reference, scribble, image.spacing)


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
