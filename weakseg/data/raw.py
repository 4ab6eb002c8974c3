"""nnU-Net's raw layout with ``scribblesTr`` beside ``labelsTr``: which files there are."""

import contextlib
import fcntl
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDERS: Final = ("imagesTr", "labelsTr", "scribblesTr")
INDEX: Final = "dataset.json"


class Files(NamedTuple):
    """Files of one case: an image per channel, and labels where it has them."""

    images: tuple[Path, ...]
    reference: Path | None
    scribble: Path | None

    def all(self) -> list[Path]:
        """Return those that should exist."""
        return [*self.images, *(p for p in (self.reference, self.scribble) if p is not None)]


def files(root: Path, name: str, channels: int, lacks: Collection[str] = ()) -> Files:
    """Return where a case lies; ``lacks`` may name ``reference`` and ``scribble``."""
    images, labels, scribbles = (root / folder for folder in FOLDERS)
    return Files(
        tuple(images / f"{name}_{channel:04d}.nii.gz" for channel in range(channels)),
        None if "reference" in lacks else labels / f"{name}.nii.gz",
        None if "scribble" in lacks else scribbles / f"{name}.nii.gz",
    )


def read_index(root: Path) -> dict[str, Any]:
    """Return dataset.json as this package wrote it, empty where it did not."""
    try:
        described = json.loads((root / INDEX).read_text(encoding="utf-8"))
        own = isinstance(described["weakseg"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return described if own else {}


def write_index(root: Path, described: dict[str, Any]) -> None:
    """Write dataset.json at once or not at all."""
    temporary = root / f".{INDEX}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(described, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, root / INDEX)


def is_complete(root: Path, fingerprint: str) -> bool:
    """Return whether ``root`` was made whole from files with this fingerprint."""
    described = read_index(root)
    if not described or described["weakseg"].get("fingerprint") != fingerprint:
        return False
    channels = len(described["channel_names"])
    return all(
        path.is_file()
        for name, detail in described["weakseg"]["cases"].items()
        for path in files(root, name, channels, detail.get("lacks", ())).all()
    )


def refuse_foreign(root: Path) -> None:
    """Make sure that nothing of others would be deleted.

    Raises:
        ValueError: ``root`` holds files that this package did not write.
    """
    names = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if INDEX in names and not read_index(root):
        raise ValueError(f"{root} holds another data set; expected an empty or a new folder")
    others = sorted(name for name in names - {*FOLDERS, INDEX} if not name.startswith("."))
    if others or (root.exists() and not root.is_dir()):
        raise ValueError(f"{root} holds other files ({others[:3]}); expected an empty folder")


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock beside ``root``; the kernel frees it when the process ends."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f".{root.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
