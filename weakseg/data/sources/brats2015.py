"""BraTS 2015 brain tumours (Menze et al., TMI 2015), the training part; FLAIR and whole tumours.

All labels are merged into one class, as the released code of MSMT does. Every study is a case;
the TCIA part has several studies of some patients, which therefore share the patient. Numbers of
the BraTS 2013 part occur both in ``HGG`` and in ``LGG`` for different people, so the group is part
of names and patients.
"""

import re
from pathlib import Path
from typing import Final

from weakseg.data.sources.merged import read_merged
from weakseg.data.sources.source import Arrays, Found, Source, is_phantom

CLASSES: Final = ("tumour",)
"""Foreground classes; the label of a class is its place, from 1."""

STRUCTURES: Final = ("necrosis", "oedema", "non-enhancing", "enhancing")
"""Structures of the official labels 1 to 4."""

GROUPS: Final = ("HGG", "LGG")
"""Folders of high and low grade gliomas: 220 and 54 studies."""

IMAGE: Final = "VSD.Brain.XX.O.MR_Flair"
LABEL: Final = "VSD.Brain_3more.XX.O.OT"

LAYOUT: Final = f"""expected layout (SRC may also be the folder that holds BRATS2015_Training):
  SRC/HGG/brats_2013_pat0001_1/{IMAGE}.54512/{IMAGE}.54512.mha
  SRC/HGG/brats_2013_pat0001_1/{LABEL}.54517/{LABEL}.54517.mha   (0 to 4)
  SRC/LGG/...                                                    (alike)
with 0 background, 1 necrosis, 2 oedema, 3 non-enhancing, 4 enhancing; T1, T1c and T2 may be there
and are not read. It is BRATS2015_Training.zip of the BraTS 2015 challenge, from SMIR after
registration; the test set has no labels."""

_FOLDERS: Final = (".", "BRATS2015_Training", "Training")


def find(src: Path) -> tuple[list[Found], list[str]]:
    """List the studies of both groups and what is missing or wrong, one line each.

    Raises:
        FileNotFoundError: ``src`` holds no study.
    """
    for name in _FOLDERS:
        studies = [
            (group, folder)
            for group in GROUPS
            for folder in sorted((src / name / group).glob("brats_*"))
            if folder.is_dir()
        ]
        if studies:
            break
    else:
        raise FileNotFoundError(f"no study HGG/brats_* or LGG/brats_* in {src}; {LAYOUT}")
    cases: list[Found] = []
    problems: list[str] = []
    for group, folder in studies:
        image, label = (_only(folder, kind, problems) for kind in (IMAGE, LABEL))
        if image is not None and label is not None:
            name = f"{group}_{folder.name}"
            patient = re.sub(r"_[0-9]+$", "", name)
            cases.append(Found(name, patient, group, "", image, label))
    return cases, problems


def read(case: Found) -> Arrays:
    """Read and check the files of one study.

    Raises:
        ValueError: a file is damaged, holds labels outside its map, or differs from the image in
            shape, spacing or stated axes.
    """
    return read_merged(case, len(STRUCTURES))


def _only(folder: Path, kind: str, problems: list[str]) -> Path | None:
    """Return the file of a kind in a study; None, and a problem, where there is not just one."""
    found = sorted(p for p in folder.glob(f"{kind}.*/{kind}.*.mha") if p.is_file())
    if len(found) == 1:
        return found[0]
    listed = f": {', '.join(path.name for path in found)}" if found else ""
    problems.append(f"{len(found)} files {kind}.*.mha in {folder}{listed}; expected one")
    return None


SOURCE: Final = Source(
    name="brats2015",
    licence="BraTS 2015 challenge, research use after registration",
    citation="Menze et al., IEEE TMI 34(10), 2015",
    layout=LAYOUT,
    channels=("FLAIR MRI",),
    classes=CLASSES,
    find=find,
    read=read,
    synthetic=is_phantom,
)
"""The source ``brats2015``."""
