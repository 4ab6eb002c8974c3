"""Cases of one image and one label file whose structures count as one class."""

import numpy as np

from weakseg.data import nifti
from weakseg.data.sources.nifti_case import read_matched
from weakseg.data.sources.source import Arrays, Found


def read_merged(case: Found, structures: int) -> Arrays:
    """Read and check a case; the labels 1 to ``structures`` become the class 1.

    The arrays are turned to run to the patient's head, back and left, which is what prepared
    files state; only axes are exchanged or reversed, voxels are never resampled.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    if case.reference is None:
        raise ValueError(f"{case.name} needs a label file")
    volumes = read_matched(case, structures, structures + 1)
    image, label = volumes[case.image], volumes[case.reference]
    label = label._replace(affine=image.affine, oriented=image.oriented)
    merged = label._replace(array=(label.array > 0).astype(np.uint8))
    turned = turn(image)
    return Arrays(turned.array, turn(merged).array, None, turned.spacing)


def turn(volume: nifti.Volume) -> nifti.Volume:
    """Return a volume whose array runs to the patient's head, back and left.

    Oblique axes count as the nearest straight ones. Nothing is done where the file states none.

    Raises:
        ValueError: two axes are nearest to one direction.
    """
    if not volume.oriented:
        return volume
    axes = volume.affine[:3, 2::-1]  # columns: where D, H and W run to; rows: right, front, head
    axes = axes / np.linalg.norm(axes, axis=0)
    nearest = np.abs(axes).argmax(axis=0).tolist()
    if sorted(nearest) != [0, 1, 2]:
        raise ValueError(f"axes {axes.round(3).tolist()} do not run along the body's; turn them")
    order = [nearest.index(world) for world in (2, 1, 0)]
    wrong = [axes[2, order[0]] < 0, axes[1, order[1]] > 0, axes[0, order[2]] > 0]
    array = np.flip(volume.array.transpose(order), tuple(i for i in range(3) if wrong[i]))
    z, y, x = (volume.spacing[axis] for axis in order)
    return nifti.Volume(np.ascontiguousarray(array), (z, y, x), nifti.upright((z, y, x)))
