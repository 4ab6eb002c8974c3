"""The masks that the drawn slices of one axis give its other slices, by registration."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import Tensor

from weakseg.online.field_cache import FieldCache
from weakseg.online.registration import Register, compose, folding, warp

BAND = 5
"""Pixels by which a mask is widened to judge the registration around it (Sec. 6.2)."""
TOLERATED = 0.01
"""Share of folded pixels above which a registration counts as diverged; our choice."""

Job = tuple[int, int]
"""A slice and the drawn slice whose mask it is to take."""


class Candidate(NamedTuple):
    """A drawn mask brought to another slice.

    Attributes:
        mask: float32 [H, W] in [0, 1]; as drawn if the registration failed.
        error: mean absolute difference of the images around the mask.
        folding: share of folded pixels.
        failure: why it failed, else empty.
    """

    mask: NDArray[np.float32]
    error: float
    folding: float
    failure: str = ""


def warped(
    stack: NDArray[np.float32],
    masks: dict[int, NDArray[np.bool_]],
    jobs: Sequence[Job],
    register: Register,
    cache: FieldCache,
    chained: bool,
) -> tuple[dict[Job, Candidate], int]:
    """Bring drawn masks to other slices of a stack.

    A field that brings the surroundings of the mask no closer is replaced by no movement.

    Args:
        stack: float32 [N, H, W], the slices of an axis.
        masks: drawn masks, bool [H, W], by index.
        jobs: slices and the drawn slice each takes its mask from.
        register: registers pairs of slices.
        cache: keeps the fields.
        chained: register neighbours only and compose their fields, instead of each pair directly.

    Returns:
        The candidates and the number of pairs registered now.
    """
    images = torch.from_numpy(np.ascontiguousarray(stack))
    follow = _chained if chained else _direct
    fields, pairs = follow(images, jobs, _blank(stack), register, cache)
    bands = {s: binary_dilation(masks[s], iterations=BAND) for s in {s for _, s in jobs}}
    result = _judged(images, masks, bands, fields) if fields else {}
    for index, source in (job for job in jobs if job not in fields):
        copy = masks[source].astype(np.float32)
        result[index, source] = Candidate(copy, np.inf, 0.0, "a blank slice")
    return result, pairs


def _blank(stack: NDArray[np.float32]) -> set[int]:
    return {i for i, s in enumerate(stack) if not np.isfinite(s).all() or s.min() == s.max()}


def _direct(
    images: Tensor, jobs: Sequence[Job], blank: set[int], register: Register, cache: FieldCache
) -> tuple[dict[Job, Tensor], int]:
    usable = [job for job in jobs if not blank.intersection(job)]
    fixed, moving = (images[[job[k] for job in usable]] for k in (0, 1))
    fields, pairs = cache.fields(register, fixed, moving)
    return dict(zip(usable, fields, strict=True)), pairs


def _chained(
    images: Tensor, jobs: Sequence[Job], blank: set[int], register: Register, cache: FieldCache
) -> tuple[dict[Job, Tensor], int]:
    reached = {(step, source) for index, source in jobs for step in _way(source, index)}
    needed = {(step, _before(step, source)) for step, source in reached}
    links, pairs = _direct(images, sorted(needed), blank, register, cache)
    fields: dict[Job, Tensor] = {}
    # Nearest slices first: each chain extends the one before it by one step.
    for step, source in sorted(reached, key=lambda job: abs(job[0] - job[1])):
        previous = _before(step, source)
        link = links.get((step, previous))
        if link is not None and previous == source:
            fields[step, source] = link
        elif link is not None and (previous, source) in fields:
            fields[step, source] = compose(link[None], fields[previous, source][None])[0]
    return {job: fields[job] for job in jobs if job in fields}, pairs


def _way(source: int, index: int) -> range:
    return range(source + 1, index + 1) if index > source else range(index, source)


def _before(step: int, source: int) -> int:
    return step - 1 if step > source else step + 1


def _judged(
    images: Tensor,
    masks: dict[int, NDArray[np.bool_]],
    bands: dict[int, NDArray[np.bool_]],
    fields: dict[Job, Tensor],
) -> dict[Job, Candidate]:
    jobs = list(fields)
    field = torch.stack([fields[job] for job in jobs])
    fixed, moving = (images[[job[k] for job in jobs]] for k in (0, 1))
    drawn = torch.from_numpy(np.stack([masks[s] for _, s in jobs])).float()
    folds = folding(field).tolist()
    finite = torch.isfinite(field).flatten(1).all(dim=1).tolist()
    brought = warp(drawn, field, "zeros").numpy()
    after = (fixed - warp(moving, field)).abs().numpy()
    before = (fixed - moving).abs().numpy()
    result = {}
    for place, (index, source) in enumerate(jobs):
        error, still = (float(e[place][bands[source]].mean()) for e in (after, before))
        failure = _failure(finite[place], folds[place])
        moved = error < still and not failure
        mask = brought[place] if moved else masks[source].astype(np.float32)
        result[index, source] = Candidate(mask, min(error, still), folds[place], failure)
    return result


def _failure(finite: bool, folds: float) -> str:
    if not finite:
        return "a field without numbers"
    return f"{folds:.0%} of a field folds" if folds > TOLERATED else ""
