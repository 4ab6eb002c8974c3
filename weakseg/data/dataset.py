"""A prepared data set: nnU-Net's raw layout with ``scribblesTr`` beside ``labelsTr``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.data import nifti, raw
from weakseg.types import IGNORE_INDEX, Case

LAYOUT = """expected layout:
  {root}/dataset.json
  {root}/imagesTr/CASE_0000.nii.gz
  {root}/labelsTr/CASE.nii.gz
  {root}/scribblesTr/CASE.nii.gz
make it with: python -m weakseg.data.prepare acdc SRC {root} (or another source)"""


class Sample(NamedTuple):
    """The arrays of one case.

    ``image`` is float32 [M, D, H, W] in the units of the file, ``reference`` uint8 [D, H, W]
    with 0 for background, ``scribble`` uint8 [D, H, W] with
    :data:`~weakseg.types.IGNORE_INDEX` where nobody drew, either None where there is none, and
    ``spacing`` the distance between voxels along D, H, W in mm.
    """

    image: NDArray[np.float32]
    reference: NDArray[np.uint8] | None
    scribble: NDArray[np.uint8] | None
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class Dataset:
    """A prepared folder and what its ``dataset.json`` says about it.

    ``classes`` are the foreground classes in the order of their label ids, from 1; ``modalities``
    is the number of channels of an image; ``ignore`` is the code of undrawn voxels in the files;
    ``content`` is the hash of every case; ``synthetic`` is true for phantoms; ``details`` holds,
    by case, patient, group, frame, spacing (mm), shape and hash; ``scribbles`` is "drawn" by
    experts, "none", or describes what has drawn the strokes that the data did not come with.
    """

    root: Path
    cases: tuple[Case, ...]
    classes: tuple[str, ...]
    modalities: int
    content: str
    synthetic: bool
    ignore: int
    details: Mapping[str, Mapping[str, Any]]
    scribbles: Any = "drawn"

    @classmethod
    def open(cls, root: Path | str) -> "Dataset":
        """Read ``root/dataset.json``; no image is opened.

        Raises:
            FileNotFoundError: there is no prepared data set; the message says how to make one.
            ValueError: the file was not written by ``weakseg.data.prepare``.
        """
        root = Path(root)
        path = root / "dataset.json"
        if not path.is_file():
            raise FileNotFoundError(f"no prepared data set in {root}; {LAYOUT.format(root=root)}")
        try:
            return cls._parse(root, json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} was not written by weakseg.data.prepare ({error!r}); "
                f"{LAYOUT.format(root=root)}"
            ) from error

    @classmethod
    def _parse(cls, root: Path, described: dict[str, Any]) -> "Dataset":
        own = described["weakseg"]
        labels: dict[str, int] = described["labels"]
        foreground = {i: name for name, i in labels.items() if i and name != "ignore"}
        modalities = len(described["channel_names"])
        return cls(
            root=root,
            cases=tuple(
                _case(root, name, detail, modalities)
                for name, detail in sorted(own["cases"].items())
            ),
            classes=tuple(foreground[i] for i in sorted(foreground)),
            modalities=modalities,
            content=own["content"],
            synthetic=bool(own["synthetic"]),
            ignore=labels["ignore"],
            details=own["cases"],
            scribbles=own.get("scribbles", "drawn"),
        )

    def load(self, case: Case) -> Sample:
        """Read the arrays of one case.

        Raises:
            FileNotFoundError: a file of the case is missing.
            ValueError: a file is damaged, or the files differ in shape.
        """
        stem = case.image.name.removesuffix("_0000.nii.gz")
        paths = [case.image.with_name(f"{stem}_{m:04d}.nii.gz") for m in range(self.modalities)]
        channels = [nifti.read(path) for path in paths]
        image = np.stack([channel.array.astype(np.float32) for channel in channels])
        known = range(len(self.classes) + 1)
        reference = _labels(case.reference, known)
        scribble = _labels(case.scribble, [*known, self.ignore])
        if scribble is not None:
            scribble = np.where(scribble == self.ignore, np.uint8(IGNORE_INDEX), scribble)
        for array, path in ((reference, case.reference), (scribble, case.scribble)):
            if array is not None and array.shape != image.shape[1:]:
                raise ValueError(
                    f"{path} has shape {array.shape}, {case.image} has {image.shape[1:]} (z, y, x)"
                )
        return Sample(image, reference, scribble, channels[0].spacing)


def _labels(path: Path | None, codes: Iterable[int]) -> NDArray[np.uint8] | None:
    return None if path is None else nifti.read_labels(path, codes).array


def _case(root: Path, name: str, detail: Mapping[str, Any], modalities: int) -> Case:
    files = raw.files(root, name, modalities, detail.get("lacks", ()))
    return Case(
        name=name,
        patient=detail["patient"],
        group=detail["group"],
        image=files.images[0],
        reference=files.reference,
        scribble=files.scribble,
        part=detail.get("part", ""),
    )
