"""Any folder in nnU-Net's raw layout (Isensee et al., Nature Methods 2021), named by its path.

Classes, channels and labels are those of its ``dataset.json``. A volume counts as a stack of
slices along the last axis of its NIfTI file, the first of the arrays; methods for slices train
and predict plane by plane along it. Prepared files keep the voxels as they are stored, without
the original orientation.

What is learnt from and scored:

* ``labelsTr`` with strokes in ``scribblesTr``: strokes train, ``labelsTr`` scores.
* ``labelsTr`` that use nnU-Net's ignore label: they are strokes, so they train, and only
  ``imagesTs`` with ``labelsTs`` can be scored, by the split ``official``.
* ``labelsTr`` alone: dense labels train and score; strokes can be drawn into them.
"""

import json
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from weakseg.data.raw import INDEX
from weakseg.data.sources.nifti_case import read_case
from weakseg.data.sources.source import PHANTOM, Arrays, Found, Source

LAYOUT: Final = """expected layout, nnU-Net's raw data folder:
  SRC/dataset.json                     (channel_names, labels, file_ending)
  SRC/imagesTr/CASE_0000.nii.gz        (a file per channel; CASE.nii.gz where there is one only)
  SRC/labelsTr/CASE.nii.gz             (0 background, 1 to n, or strokes with an ignore label)
  SRC/scribblesTr/CASE.nii.gz          (optional strokes; undrawn: the ignore label, else n + 1)
  SRC/imagesTs, SRC/labelsTs           (optional test cases)
dataset.json may have "patients": {"CASE": "PATIENT"}; else every case is a patient. Volumes are
stacks of slices along the last NIfTI axis."""

ENDINGS: Final = (".nii.gz", ".nii")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What ``dataset.json`` says.

    ``classes`` are the names of the labels, from 1; ``ignore`` is the code of undrawn voxels;
    ``sparse`` tells that the labels themselves are strokes; ``own`` holds what this package wrote
    about the cases, by name, and ``patients`` the patients of cases where they are stated.
    """

    root: Path
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    ignore: int
    sparse: bool
    ending: str
    patients: dict[str, str]
    own: dict[str, dict[str, Any]]

    def find(self, _: Path) -> tuple[list[Found], list[str]]:
        """List the cases of the folder and what is missing or wrong, one line each.

        Raises:
            FileNotFoundError: there is no image.
        """
        problems: list[str] = []
        cases = self._cases("Tr", problems)
        tested = self._cases("Ts", problems) if (self.root / "labelsTs").is_dir() else []
        if not cases and not problems:
            raise FileNotFoundError(
                f"no image *{self.ending} in {self.root / 'imagesTr'}; {LAYOUT}"
            )
        if tested:
            cases = [case._replace(part=case.part or "train") for case in cases]
        names = {case.name for case in cases}
        others = {case.name for case in tested}
        problems += [f"{name} is in imagesTr and imagesTs" for name in sorted(names & others)]
        strangers = sorted(self.patients.keys() - names - others)
        problems += [f"{INDEX}: patients names {name!r}, which is no case" for name in strangers]
        if not problems and self.sparse:
            _warn_of_strokes(self.root, bool(tested))
        return cases + tested, problems

    def _cases(self, kind: str, problems: list[str]) -> list[Found]:
        folder = self.root / f"images{kind}"
        paths = sorted(p for p in folder.glob(f"*{self.ending}") if not p.name.startswith("."))
        first = f"_0000{self.ending}"
        ending = first if any(p.name.endswith(first) for p in paths) else self.ending
        names = [p.name.removesuffix(ending) for p in paths if p.name.endswith(ending)]
        return [case for name in names for case in self._case(kind, name, ending, problems)]

    def _case(self, kind: str, name: str, ending: str, problems: list[str]) -> list[Found]:
        """Return the case, or nothing and a problem for each missing file."""
        folder = self.root / f"images{kind}"
        channels = tuple(
            folder / f"{name}_{m:04d}{self.ending}" for m in range(1, len(self.channels))
        )
        label = self.root / f"labels{kind}" / f"{name}{self.ending}"
        drawn = self.root / f"scribbles{kind}" / f"{name}{self.ending}"
        sparse = self.sparse and kind == "Tr"
        reference = label if label.is_file() and not sparse else None
        scribble = label if sparse else drawn if drawn.is_file() else None
        needed = (*channels, *([label] if reference is None and scribble in (None, label) else []))
        missing = [path for path in needed if not path.is_file()]
        problems += [f"no file {path} (case {name})" for path in missing]
        own = self.own.get(name, {})
        case = Found(
            name=name,
            patient=self.patients.get(name, own.get("patient", name)),
            group=own.get("group", ""),
            frame=own.get("frame", ""),
            image=folder / f"{name}{ending}",
            reference=reference,
            scribble=scribble,
            info=self.root / INDEX,
            part=own.get("part", "") or ("test" if kind == "Ts" else ""),
            channels=channels,
        )
        return [] if missing else [case]


def open_source(src: Path) -> Source:
    """Return the source that the ``dataset.json`` of a folder describes.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged or describes labels that this package does not know.
    """
    path = src / INDEX
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; {LAYOUT}")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        folder = _parse(src, described)
    except (AttributeError, KeyError, TypeError, UnicodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not nnU-Net's ({error!r}); {LAYOUT}") from error
    own = described.get("weakseg", {})
    marked = bool(own.get("synthetic", False)) or (src / PHANTOM).exists()
    licence = described.get("licence", described.get("license", "not stated"))
    return Source(
        name="nnunet",
        licence=str(own.get("licence", licence)),
        citation=str(own.get("citation", described.get("reference", src.resolve().name))),
        layout=LAYOUT,
        channels=folder.channels,
        classes=folder.classes,
        find=folder.find,
        read=partial(_read, folder),
        synthetic=lambda _: marked,
    )


def _read(folder: Folder, case: Found) -> Arrays:
    """Return the arrays of a case, undrawn voxels with the code after the last class."""
    return read_case(case, len(folder.classes), folder.ignore)


def _parse(src: Path, described: dict[str, Any]) -> Folder:
    named = described.get("channel_names") or described["modality"]
    if not named or set(named) != {str(m) for m in range(len(named))}:
        raise ValueError(f"{src / INDEX}: channels are {list(named)}; expected '0', '1', ...")
    ending = described.get("file_ending", ENDINGS[0])
    if ending not in ENDINGS:
        raise ValueError(f"{src / INDEX}: file_ending is {ending!r}; expected one of {ENDINGS}")
    classes, sparse = _classes(src / INDEX, described["labels"])
    own = described.get("weakseg", {})
    return Folder(
        root=src,
        channels=tuple(str(named[key]) for key in sorted(named, key=int)),
        classes=classes,
        ignore=len(classes) + 1,
        sparse=sparse and not (src / "scribblesTr").is_dir(),
        ending=ending,
        patients={str(case): str(name) for case, name in described.get("patients", {}).items()},
        own=dict(own.get("cases", {})),
    )


def _classes(path: Path, labels: dict[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Return the foreground classes in the order of their ids, and whether ids are ignored.

    Newer files map names to ids, older ones ids to names.
    """
    count = len(labels)
    regions = sorted(name for name, value in labels.items() if isinstance(value, (list, tuple)))
    if regions:
        raise ValueError(
            f"{path}: labels {regions} are regions of several ids, which may overlap; expected "
            "one id for each class"
        )
    if all(name.isdigit() for name in labels):
        labels = {str(name): int(i) for i, name in labels.items()}
    wrong = [name for name, i in labels.items() if type(i) is not int or i < 0]
    ids = {i: name for name, i in labels.items() if name not in wrong}
    taken = {"background", "mean", "all"} & {name for i, name in ids.items() if i}
    if wrong or len(ids) < count or taken:
        raise ValueError(
            f"{path}: labels are {labels}; expected different names with an id each, from 0 for "
            "the background, and no class called background, mean or all"
        )
    last = max(ids, default=0)
    missing = sorted(set(range(last + 1)) - ids.keys())
    if missing:
        raise ValueError(
            f"{path}: labels have the ids {sorted(ids)} without {missing}; expected 0 for the "
            "background and 1, 2, ... without a gap; renumber them here and in the files"
        )
    ignored = [i for i, name in ids.items() if name == "ignore"]
    if ignored not in ([], [last]) or last == len(ignored):
        raise ValueError(
            f"{path}: labels are {labels}; expected a class, and 'ignore' as the last id if at all"
        )
    return tuple(ids[i] for i in range(1, last + 1 - len(ignored))), bool(ignored)


def _warn_of_strokes(root: Path, tested: bool) -> None:
    scored = (
        "only the cases of imagesTs can be scored, by the split 'official'"
        if tested
        else "models can be trained but nothing can be scored; add imagesTs and labelsTs, or "
        "dense labels in labelsTr with the strokes in scribblesTr"
    )
    warnings.warn(
        f"{root}: labelsTr holds strokes, since it has an ignore label: {scored}", stacklevel=3
    )
