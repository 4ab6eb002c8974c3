"""Execute runs: identity, lock, resume, record. One run = one directory."""

import fcntl
import importlib.metadata
import json
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from benchmarks.plan import DONE, FAILED, Run
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
from weakseg.data.splits import Scheme, split
from weakseg.method import Budget, Method
from weakseg.online.method import OnlineMethod, StreamBudget
from weakseg.online.run import stream_and_score
from weakseg.recorder import seconds_spent
from weakseg.results import write_text
from weakseg.train import fit_and_test

PREEMPTED = 75
"""Exit code after SIGTERM: progress is saved, the same command goes on (EX_TEMPFAIL)."""


@contextmanager
def claimed(directory: Path) -> Iterator[bool]:
    """Hold the run's lock; yields False where another process holds it.

    The kernel frees the lock when its holder dies, however it dies.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def execute(
    run: Run,
    dataset: Dataset,
    *,
    root: Path,
    cache: Path,
    compute: Compute,
    parent: int | None = None,
) -> bool:
    """Finish one run unless it is done, has failed in this round, or is another worker's.

    Returns:
        True where nothing is left to do for this run in this round.
    """
    out = run.directory(root)
    with claimed(out) as mine:
        if not mine:
            return False
        if (out / DONE).exists() or (out / FAILED).exists():
            return True
        compute = _continued(compute, out)
        before = seconds_spent(out)
        started = time.monotonic()
        _record(run, out, compute, "running", before)
        try:
            _compute(
                run, dataset, seed=run.seed, out=out, cache=cache, compute=compute,
                loggers=_loggers(run, out), parent=parent,
            )  # fmt: skip
            status = "done"
        except (KeyboardInterrupt, SIGTERMException):
            _record(run, out, compute, "interrupted", before + time.monotonic() - started)
            raise
        except Exception as error:
            status = "failed"
            write_text(out / FAILED, f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}")
        _record(run, out, compute, status, before + time.monotonic() - started)
    return True


def _compute(run: Run, dataset: Dataset, **options: Any) -> None:
    """Train and score, on a split of the cases or on a stream of them."""
    match run:
        case Run(method=OnlineMethod() as method, budget=StreamBudget() as budget):
            stream_and_score(method, budget, dataset, **options)
        case Run(method=Method() as method, budget=Budget() as budget, scheme=scheme):
            parts = split(cast(Scheme, scheme), dataset.cases, run.fold)
            fit_and_test(method, budget, dataset, parts, **options)
        case _:
            raise TypeError(f"{run.row}: {run.method} does not go with {run.budget}")


def _continued(compute: Compute, out: Path) -> Compute:
    """Return the threads a run was begun with: another number may round differently."""
    record = out / "run.json"
    if compute.threads is None or not record.exists():
        return compute
    return replace(compute, threads=json.loads(record.read_text())["threads"])


def _record(run: Run, out: Path, compute: Compute, status: str, seconds: float) -> None:
    record: dict[str, Any] = {
        **run.describe(),
        "commit": commit(),
        "torch": torch.__version__,
        "lightning": importlib.metadata.version("lightning"),
        "device": cpu_name() if compute.accelerator == "cpu" else _device(),
        "threads": compute.threads or torch.get_num_threads(),
        "precision": compute.precision,
        "steps": run.budget.steps,
        "seconds": round(seconds, 1),
        "status": status,
    }
    write_text(out / "run.json", json.dumps(record, indent=1))


def commit() -> str:
    """Return the commit of the checkout, with + where files differ; empty outside one."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=here, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        dirty = subprocess.run(
            ["git", "diff", "--quiet", "HEAD", "--", "weakseg", "benchmarks"], cwd=here, check=False
        ).returncode
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if dirty else "")


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()


def cpu_name() -> str:
    """Return kind and number of the processors."""
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def _loggers(run: Run, out: Path) -> tuple[Logger, ...]:
    """Mirror to Weights & Biases where installed; offline unless WANDB_MODE says otherwise."""
    mode = os.environ.get("WANDB_MODE", "offline")
    if run.profile == "tiny" or mode == "disabled":
        return ()
    try:
        from lightning.pytorch.loggers import WandbLogger

        logger = WandbLogger(
            project="weakseg", id=run.id, name=f"{run.row} {run.scheme} {run.fold}",
            group=run.table, save_dir=out, offline=mode == "offline", resume="allow",
            config=run.describe(),
        )  # fmt: skip
    except ModuleNotFoundError:
        return ()
    return (logger,)
