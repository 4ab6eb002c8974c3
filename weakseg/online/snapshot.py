"""The state of a case between rounds as tensors and plain values, and back."""

from typing import Any

import torch

from weakseg.online.annotation import Annotation
from weakseg.online.interact import Progress


def pack_progress(progress: Progress | None) -> dict[str, Any] | None:
    """Return what a checkpoint keeps of a case that is under way."""
    if progress is None:
        return None
    return {
        "round": progress.round,
        "before": torch.from_numpy(progress.before),
        "annotation": progress.annotation.state(),
        "front": None if progress.front is None else torch.from_numpy(progress.front),
    }


def unpack_progress(state: dict[str, Any] | None) -> Progress | None:
    """Return what :func:`pack_progress` kept."""
    if state is None:
        return None
    front = None if state["front"] is None else state["front"].numpy()
    annotation = Annotation.restored(state["annotation"])
    return Progress(state["round"], state["before"].numpy(), annotation, front)
