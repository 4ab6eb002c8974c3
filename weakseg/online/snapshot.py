"""The state of a case between rounds as tensors and plain values, and back."""

from typing import Any

import torch

from weakseg.online.annotation import Annotation
from weakseg.online.interact import Progress
from weakseg.online.memory import Sample

_ARRAYS = ("image", "target", "weight")


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


def pack_sample(sample: Sample | None) -> dict[str, Any] | None:
    """Return what a checkpoint keeps of a training sample."""
    if sample is None:
        return None
    arrays = {name: torch.tensor(getattr(sample, name)) for name in _ARRAYS}
    return {"name": sample.name, "position": sample.position, **arrays}


def unpack_sample(state: dict[str, Any] | None) -> Sample | None:
    """Return what :func:`pack_sample` kept."""
    if state is None:
        return None
    arrays = {name: state[name].numpy() for name in _ARRAYS}
    return Sample(name=state["name"], position=state["position"], **arrays)
