"""Registration of slice pairs against SimpleITK's, and the time a user waits in a round."""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch import Tensor

from weakseg.metrics import dice
from weakseg.online.annotation import Annotation
from weakseg.online.guidance import Guidance, propose
from weakseg.online.oracle import Oracle, Request
from weakseg.online.proxy import Propagation, Proxy, propagate
from weakseg.online.registration import Demons, Register, SimpleITKDemons, folding, warp
from weakseg.seeding import generator

STACKS: Final = {"small": (30, 55, 55), "paper": (20, 256, 256)}
"""Stacks [D, H, W] by size: a case of the released grid, and a stack of a scanner's slices."""


class Stack(NamedTuple):
    """Slices of a slowly changing organ: image float32 [D, H, W] and reference bool [D, H, W]."""

    image: np.ndarray
    reference: np.ndarray


def stack(shape: tuple[int, int, int]) -> Stack:
    """Return a smooth blob with texture that moves and deforms from slice to slice, and noise."""
    rng = generator("kernels", "stack", *shape)
    depth, height, width = shape
    z = np.linspace(-1, 1, depth)[:, None, None]
    y = np.linspace(-1, 1, height)[:, None] + 0.15 * np.sin(2 * z)
    x = np.linspace(-1, 1, width) + 0.12 * np.cos(3 * z) + 0 * y
    y = y + 0 * x
    angle = np.arctan2(y, x)
    radius = 0.5 * np.sqrt(np.clip(1 - 0.8 * z**2, 0, None)) * (1 + 0.2 * np.cos(3 * angle + 2 * z))
    reference = np.hypot(y, x) < radius
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), (depth / 6, 4, 4))
    image = reference + 0.5 * texture / texture.std() + 0.1 * rng.standard_normal(shape)
    return Stack(ndimage.gaussian_filter(image, (0, 1, 1)).astype(np.float32), reference)


def pairs(repeats: int, sizes: Sequence[str]) -> pd.DataFrame:
    """Return one line per size and register: neighbouring slices, all of a stack."""
    registers: dict[str, Register] = {"ours": Demons()}
    if find_spec("SimpleITK") is not None:
        registers["SimpleITK"] = SimpleITKDemons()
    lines = []
    for name in sizes:
        shape = STACKS[name]
        made = stack(shape)
        image, mask = (torch.from_numpy(part.astype(np.float32)) for part in made)
        fixed, moving, still = image[1:], image[:-1], list(made.reference)
        timed = taking_turns(
            {label: _call(register, fixed, moving) for label, register in registers.items()},
            repeats,
        )
        for label, (seconds, field) in timed.items():
            moved = warp(mask[:-1], field, "zeros").numpy() > 0.5
            there = [(m, r) for m, r in zip(moved, made.reference[1:], strict=True) if r.any()]
            lines.append(
                {
                    "size": f"{len(fixed)} pairs of {shape[1]}x{shape[2]} ({name})",
                    "registration": label,
                    "seconds": seconds,
                    "ms a pair": 1000 * seconds / len(fixed),
                    "Dice of the warped mask": float(np.mean([dice(m, r) for m, r in there])),
                    "Dice unmoved": float(np.nanmean(list(map(dice, still, still[1:])))),
                    "folded (%)": 100 * float(folding(field).mean()),
                }
            )
    return pd.DataFrame(lines)


def rounds(repeats: int, sizes: Sequence[str]) -> pd.DataFrame:
    """Return the seconds a user waits in a round: propose and propagate, nothing is trained."""
    lines = []
    for name in sizes:
        shape = STACKS[name]
        made = stack(shape)
        times = [_timed(partial(one_round, made))[0] for _ in range(repeats + 1)][1:]
        size = "x".join(map(str, shape))
        lines.append({"case": f"{size} ({name})", "seconds a round": statistics.median(times)})
    return pd.DataFrame(lines)


def one_round(made: Stack) -> Proxy:
    """Return the proxy of a first round: both ends are marked, two slices drawn."""
    shape = made.reference.shape
    user = Oracle().meets(made.reference, ("kernels",))
    marked = user.answer(Request(ends=(0,)), Annotation(shape))
    nothing = np.zeros(shape, np.float32)
    slices = propose(
        Guidance(), proxy=None, probs=nothing, before=nothing, annotation=marked,
        axes=(0,), each=2, allowed=user.allowed, key=(0,),
    )  # fmt: skip
    return propagate(made.image[None], user.answer(Request(slices), marked), Propagation())


def taking_turns(
    calls: dict[str, Callable[[], Tensor]], repeats: int
) -> dict[str, tuple[float, Tensor]]:
    """Return the median seconds and the result of each call, after one warm-up each."""
    results = {label: call() for label, call in calls.items()}
    taken: dict[str, list[float]] = {label: [] for label in calls}
    for _ in range(repeats):
        for label, call in calls.items():
            taken[label].append(_timed(call)[0])
    return {label: (statistics.median(taken[label]), results[label]) for label in calls}


def _call(register: Register, fixed: Tensor, moving: Tensor) -> Callable[[], Tensor]:
    return lambda: register(fixed, moving)


def _timed(call: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result
