"""Time and peak memory, each in a process of its own."""

import ctypes
import gc
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor

from benchmarks.kernels.cases import Size, Step

P = ParamSpec("P")
R = TypeVar("R")

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Timing(NamedTuple):
    """Median seconds by form, and the largest relative difference between the forms."""

    seconds: dict[str, float]
    difference: float | None


def alone(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Return the function's result in a fresh process; None where memory ran out."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except (BrokenProcessPool, torch.OutOfMemoryError, MemoryError):
            return None


def peak_memory(kernel: str, size: Size, form: str, device: str) -> int:
    """Return the bytes that one forward and backward pass needs on top of its inputs."""
    place = torch.device(device)
    Step(kernel, Size(1, 2, 16, 8), form, place)()  # loads what loads once
    step = Step(kernel, size, form, place)
    if place.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() - before
    before = _reset_peak()
    step()
    return max(0, _peak() - before)


def timings(kernel: str, size: Size, forms: list[str], device: str, repeats: int) -> Timing:
    """Return the median time of each form, the forms taking turns after one warm-up each."""
    steps = {form: Step(kernel, size, form, torch.device(device)) for form in forms}
    results = {form: step() for form, step in steps.items()}
    difference = None if len(forms) < 2 else _difference(*results.values())
    results.clear()
    taken: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(repeats):
        for form, step in steps.items():
            _synchronise(device)
            start = time.perf_counter()
            step()
            _synchronise(device)
            taken[form].append(time.perf_counter() - start)
    return Timing({form: statistics.median(t) for form, t in taken.items()}, difference)


def _difference(ours: dict[str, Tensor], plain: dict[str, Tensor]) -> float:
    """Return max |ours - plain| / max |plain|, the worst over value and gradients."""
    return max(
        float((ours[name] - plain[name]).abs().max() / plain[name].abs().max()) for name in plain
    )


def _synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def _reset_peak() -> int:
    """Reset the high-water mark where the system allows, and return the memory in use, bytes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # else memory freed earlier is used again without being seen
        trim(0)
    try:
        _CLEAR.write_text("5")
        return _status("VmRSS")
    except OSError:
        return _peak()


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no field {field}")
