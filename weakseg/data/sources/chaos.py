"""CHAOS abdominal MR and CT (Kavur et al., Medical Image Analysis 69, 2021), the training part.

Images. One folder of DICOM files a series, read by :mod:`weakseg.data.sources.dicom`: slices are
ordered by position, and the distance between them is that of their positions. SliceThickness
contradicts it in these data. MR values are rescaled where the file says how, CT is clipped to
``WINDOW``.

References. PNG n of a folder ``Ground`` belongs to DICOM file n, both in the order of names, as in
the organisers' evaluation code; the numbers themselves may differ (in T1DUAL they are those of
the in-phase files). Codes are ``MR_CODES`` and ``CT_CODES``; any other value is an error.

The four sources are the two phases of T1-DUAL, which share one reference, T2-SPIR, and CT. A
patient is the number of its folder, so that the MR series of a person belong together; persons of
CT are others. There are no scribbles; preparing draws them into the references.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakseg.data.sources import dicom
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom
from weakseg.data.strokes import Interior

CLASSES: Final = ("LIVER", "RK", "LK", "SPLEEN")
"""Foreground classes of MR: liver, right kidney, left kidney, spleen; CT has the first only."""

MR_CODES: Final[Mapping[range, int]] = MappingProxyType(
    {range(55, 71): 1, range(110, 136): 2, range(175, 201): 3, range(240, 256): 4}
)
"""Labels of the grey values in MR references; written as 63, 126, 189 and 252. 0 is background."""

CT_CODES: Final[Mapping[range, int]] = MappingProxyType({range(1, 2): 1, range(255, 256): 1})
"""Labels of the grey values in CT references, with one bit or eight. 0 is background."""

WINDOW: Final = (-160.0, 240.0)
"""Hounsfield units that CT is clipped to: the usual window of soft tissue, 400 around 40."""

LAYOUT: Final = """expected layout (SRC may also be Train_Sets or the folder MR or CT itself):
  SRC/Train_Sets/MR/1/T1DUAL/DICOM_anon/InPhase/IMG-0004-00002.dcm   (chaos-t1)
  SRC/Train_Sets/MR/1/T1DUAL/DICOM_anon/OutPhase/IMG-0004-00001.dcm  (chaos-t1-out)
  SRC/Train_Sets/MR/1/T1DUAL/Ground/IMG-0004-00002.png               (0, 63, 126, 189, 252)
  SRC/Train_Sets/MR/1/T2SPIR/DICOM_anon/IMG-0002-00001.dcm           (chaos-t2)
  SRC/Train_Sets/MR/1/T2SPIR/Ground/IMG-0002-00001.png
  SRC/Train_Sets/CT/1/DICOM_anon/i0000,0000b.dcm                     (chaos-ct)
  SRC/Train_Sets/CT/1/Ground/liver_GT_000.png                        (liver or not)
The training sets of the CHAOS challenge (Kavur et al., 2021): CHAOS_Train_Sets.zip of Zenodo's
record 3431873. The test sets have no references."""

_UNKNOWN: Final = 255
_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Which series of a patient is an image, and where its reference lies."""

    name: str
    modality: Literal["CT", "MR"]
    images: str  # folder below the patient's
    ground: str
    channel: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, from 1."""
        return CLASSES if self.modality == "MR" else CLASSES[:1]

    def find(self, src: Path) -> tuple[list[Found], list[str]]:
        """List the patients under ``src`` and what is missing or wrong, one line each.

        Raises:
            FileNotFoundError: ``src`` holds no patient folder.
        """
        for name in (f"Train_Sets/{self.modality}", self.modality, "."):
            folders = [p for p in (src / name).glob("*") if p.name.isdecimal() and p.is_dir()]
            if folders:
                break
        else:
            raise FileNotFoundError(f"no {self.modality} patient in {src}; {LAYOUT}")
        cases: list[Found] = []
        problems: list[str] = []
        for folder in sorted(folders, key=lambda p: int(p.name)):
            problem = self._problem(folder)
            if problem:
                problems.append(problem)
            else:
                cases.append(self._found(folder))
        return cases, problems

    def read(self, case: Found) -> Arrays:
        """Read and check the files of one patient.

        Raises:
            ValueError: a file is damaged, a reference has another size than its slice or other
                values than its codes, or the slices are no series; see ``dicom.read``.
        """
        if case.reference is None:
            raise ValueError(f"{case.name} needs a reference; see chaos.Kind.find")
        series = dicom.read(case.image, self.modality)
        files = dicom.by_name(case.reference, ".png")
        if len(files) != len(series.order):
            raise ValueError(_counts(case.image, len(series.order), case.reference, len(files)))
        codes = MR_CODES if self.modality == "MR" else CT_CODES
        stack = np.stack([_labels(path, series.array.shape[1:], codes) for path in files])
        image = np.clip(series.array, *WINDOW) if self.modality == "CT" else series.array
        return Arrays(image, series.arrange(stack), None, series.spacing)

    def source(self) -> Source:
        """Return the source that reads this kind."""
        return Source(
            name=self.name,
            licence="CC BY-NC-SA 4.0",
            citation="Kavur et al., Medical Image Analysis 69, 2021",
            layout=LAYOUT,
            channels=(self.channel,),
            classes=self.classes,
            find=self.find,
            read=self.read,
            synthetic=is_phantom,
            scribbles=Interior(),
        )

    def _problem(self, folder: Path) -> str:
        images, ground = folder / self.images, folder / self.ground
        slices, masks = len(dicom.by_name(images, ".dcm")), len(dicom.by_name(ground, ".png"))
        if not slices:
            return f"no .dcm file in {images}"
        return "" if slices == masks else _counts(images, slices, ground, masks)

    def _found(self, folder: Path) -> Found:
        suffix = self.name.removeprefix("chaos-").replace("-", "")
        return Found(
            name=f"{suffix}_{int(folder.name):02d}",
            patient=str(int(folder.name)),
            group="",
            frame="",
            image=folder / self.images,
            reference=folder / self.ground,
        )


def _labels(path: Path, shape: tuple[int, ...], codes: Mapping[range, int]) -> NDArray[np.uint8]:
    """Return the labels of one slice, uint8 [H, W]."""
    values = _grey(path, shape)
    table = np.full(256, _UNKNOWN, np.uint8)
    table[0] = 0
    for code, label in codes.items():
        table[code] = label
    labels = table[values]
    bad = labels == _UNKNOWN
    if bad.any():
        ids, counts = np.unique(values[bad], return_counts=True)
        shown = zip(ids[:_SHOWN], counts[:_SHOWN], strict=True)
        listed = ", ".join(f"{i} ({n} pixel{'' if n == 1 else 's'})" for i, n in shown)
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        known = ", ".join(f"{code[0]} to {code[-1]}" for code in codes)
        raise ValueError(f"{path}: value {listed}{more}; expected only 0, {known}")
    return labels


def _grey(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the grey values of a PNG, of one bit or eight."""
    try:
        with Image.open(path) as image:
            mode, size = image.mode, image.size[::-1]
            if size == shape and mode in ("1", "L"):
                return np.asarray(image, np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: no readable PNG ({error}); download it again") from error
    if size != shape:
        raise ValueError(f"{path}: {size} pixels (y, x); expected {shape} as in its DICOM file")
    raise ValueError(f"{path}: pixels of mode {mode!r}; expected grey values of one bit or eight")


def _counts(images: Path, slices: int, ground: Path, masks: int) -> str:
    return f"{images} has {slices} .dcm files and {ground} {masks} .png files; expected as many"


_T1: Final = "T1DUAL/DICOM_anon"

SOURCES: Final = tuple(
    kind.source()
    for kind in (
        Kind(
            name="chaos-t1",
            modality="MR",
            images=f"{_T1}/InPhase",
            ground="T1DUAL/Ground",
            channel="T1 in-phase MRI",
        ),
        Kind(
            name="chaos-t1-out",
            modality="MR",
            images=f"{_T1}/OutPhase",
            ground="T1DUAL/Ground",
            channel="T1 out-of-phase MRI",
        ),
        Kind(
            name="chaos-t2",
            modality="MR",
            images="T2SPIR/DICOM_anon",
            ground="T2SPIR/Ground",
            channel="T2-SPIR MRI",
        ),
        Kind(
            name="chaos-ct",
            modality="CT",
            images="DICOM_anon",
            ground="Ground",
            channel="CT",
        ),
    )
)
"""The sources ``chaos-t1`` (in-phase), ``chaos-t1-out``, ``chaos-t2`` and ``chaos-ct``."""
