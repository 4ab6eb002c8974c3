"""The data of a table: the user's download, or a phantom in the same layout, prepared once."""

import hashlib
from pathlib import Path

from rich.console import Console

from benchmarks.profiles import Profile
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import PHANTOMS
from weakseg.data.prepare import prepare


def dataset(
    name: str, download: Path | None, profile: Profile, folder: Path, console: Console
) -> Dataset:
    """Return the prepared data set, preparing it where that has not been done.

    Args:
        name: of the source, such as ``acdc``.
        download: the official layout, or None for a phantom.
        profile: sizes the phantom.
        folder: where phantoms and prepared data are kept.
        console: told what is being done.
    """
    if download is None:
        tag = phantom_tag(profile)
        download = folder / "phantom" / f"{name}-{tag.removeprefix('phantom-')}"
        if not (download / "PHANTOM").exists():
            console.print(f"writing a phantom of {profile.patients} patients to {download}")
            PHANTOMS[name](download, profile.patients, profile.matrix, 0)
    else:
        tag = hashlib.sha256(str(download.resolve()).encode()).hexdigest()[:8]
    prepared = folder / "prepared" / f"{name}-{tag}"
    with console.status(f"checking and preparing {download}"):
        return Dataset.open(prepare(name, download, prepared))


def phantom_tag(profile: Profile) -> str:
    """Name the phantom of a profile by its size."""
    return f"phantom-{profile.patients}" + (f"x{profile.matrix}" if profile.matrix else "")
