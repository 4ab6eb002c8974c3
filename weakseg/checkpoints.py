"""Checkpoints that a crash cannot spoil: written aside, renamed, verified before use."""

import hashlib
import os
import re
import warnings
from pathlib import Path

_NAME = re.compile(r"step-(\d+)-([0-9a-f]{12})\.ckpt")


def digest(path: Path) -> str:
    """Return 12 hex digits of the SHA-256 of a file."""
    sha = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()[:12]


def seal(written: Path, step: int, keep: int = 2) -> Path:
    """Flush a finished file and rename it to ``step-<step>-<digest>.ckpt``; prune older ones.

    Returns:
        The final path. The ``keep`` newest checkpoints stay, so that a damaged newest one can be
        replaced by the one before it; others of this step or a later one, which can only be
        damaged or older writings, go.
    """
    with open(written, "rb+") as stream:
        os.fsync(stream.fileno())
    final = written.with_name(f"step-{step:08d}-{digest(written)}.ckpt")
    os.replace(written, final)
    others = [path for path in _newest_first(final.parent) if path != final]
    earlier = [path for path in others if path.name < f"step-{step:08d}-"]
    for old in set(others) - set(earlier[: keep - 1]):
        old.unlink(missing_ok=True)
    return final


def newest(folder: Path) -> Path | None:
    """Return the newest intact checkpoint of a folder; None where none was ever written.

    Raises:
        RuntimeError: checkpoints exist and every one is damaged; starting over silently would
            hide it.
    """
    found = _newest_first(folder)
    for path in found:
        if path.stem.rpartition("-")[2] == digest(path):
            return path
        warnings.warn(f"{path} is damaged (its content does not match its name)", stacklevel=2)
    if found:
        raise RuntimeError(
            f"every checkpoint in {folder} is damaged; delete the folder to start over"
        )
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("step-*.ckpt") if _NAME.fullmatch(p.name)), reverse=True)
