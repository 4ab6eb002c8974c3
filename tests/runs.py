"""Tiny runs of the tables, executed in a process of their own so that they can be killed."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.tables import TABLES
from benchmarks.worker import work
from weakseg.config import Compute
from weakseg.data.dataset import Dataset

CPU = Compute(accelerator="cpu", precision="32-true", threads=1)
# Forking saves seconds of imports, but not where a GPU has started threads.
CONTEXT = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "fork")


def tiny(
    dataset: Dataset,
    label: str = "AttenScribble",
    steps: int = 12,
    interval: int = 4,
    seed: int = 0,
    table: str = "acdc",
) -> Run:
    """Return one run of a row of a table under the tiny profile."""
    (row,) = (row for row in TABLES[table].rows if row.label == label)
    profile = replace(PROFILES["tiny"], seeds=(seed,))
    (run,) = runs(TABLES[table], profile, (row,), "phantom", dataset.content)
    return replace(run, budget=replace(run.budget, steps=steps, interval=interval))


def start(
    todo: list[Run],
    dataset: Dataset,
    root: Path,
    cache: Path,
    fault: Callable[[], None] | None = None,
) -> multiprocessing.process.BaseProcess:
    """Start a worker; ``fault`` is called in it first and may break what it likes."""
    process = CONTEXT.Process(target=_work, args=(todo, dataset.root, root, cache, fault))
    process.start()
    return process


def attempt(
    run: Run,
    dataset: Dataset,
    root: Path,
    cache: Path,
    fault: Callable[[], None] | None = None,
) -> int:
    """Let a worker do the run; return its exit code, minus the signal where one killed it."""
    process = start([run], dataset, root, cache, fault)
    process.join(120)
    assert process.exitcode is not None, "the worker hangs"
    return process.exitcode


def _work(
    todo: list[Run], data: Path, root: Path, cache: Path, fault: Callable[[], None] | None
) -> None:
    if fault is not None:
        fault()
    work(todo, data, root, cache, CPU, None, root / "worker.log")


def outcome(run: Run, root: Path) -> dict[str, bytes]:
    """Return everything a finished run leaves behind: weights, scores, curves, predictions."""
    out = run.directory(root)
    found = {name: (out / name).read_bytes() for name in ("values.csv", "curve.csv")}
    for name in ("last", "best-val", "best-test"):
        for key, value in torch.load(out / f"{name}.pt", weights_only=True).items():
            found[f"{name}/{key}"] = value.numpy().tobytes()
    for path in sorted((out / "predictions").iterdir()):
        found[path.name] = path.read_bytes()
    return found


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Return the names under which two outcomes are not the same bytes."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
