"""The data of a table: the user's download, or a phantom in the same layout, prepared once."""

import hashlib
from pathlib import Path

from rich.console import Console

from benchmarks.profiles import Profile
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import PHANTOMS
from weakseg.data.prepare import prepare
from weakseg.data.scribblers import SCRIBBLERS


def dataset(
    name: str,
    download: Path | None,
    profile: Profile,
    folder: Path,
    console: Console,
    scribbles: str | None = None,
) -> Dataset:
    """Return the prepared data set, preparing it where that has not been done.

    Args:
        name: of the source, such as ``acdc``.
        download: the official layout, or None for a phantom.
        profile: sizes the phantom.
        folder: where phantoms and prepared data are kept.
        console: told what is being done.
        scribbles: a key of :data:`weakseg.data.scribblers.SCRIBBLERS`, to draw strokes where the
            data have none; None leaves that to the source.

    Raises:
        ValueError: the data are wrong, or none are given and there is no phantom of them.
    """
    if download is None and name not in PHANTOMS:
        raise ValueError(f"there is no phantom of {name}; give a folder with DATA= or --data")
    if download is None:
        tag = phantom_tag(profile)
        download = folder / "phantom" / f"{name}-{tag.removeprefix('phantom-')}"
        if not (download / "PHANTOM").exists():
            console.print(f"writing a phantom of {profile.patients} patients to {download}")
            PHANTOMS[name](download, profile.patients, profile.matrix, 0)
    else:
        tag = hashlib.sha256(str(download.resolve()).encode()).hexdigest()[:8]
    if scribbles is not None:
        tag += f"-{scribbles}"
    prepared = folder / "prepared" / f"{name}-{tag}"
    with console.status(f"checking and preparing {download}"):
        strokes = SCRIBBLERS[scribbles]() if scribbles is not None else None
        return Dataset.open(prepare(name, download, prepared, scribbles=strokes))


def phantom_tag(profile: Profile) -> str:
    """Name the phantom of a profile by its size."""
    return f"phantom-{profile.patients}" + (f"x{profile.matrix}" if profile.matrix else "")
