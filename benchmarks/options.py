"""From what a user typed to what is meant, with an error that names the nearest valid thing."""

import difflib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.spec import AnyRow, Plan, Table
from weakseg.config import Compute
from weakseg.data.splits import FOLDS, Scheme

Why = str
STREAM: Final = (1,)
"""Folds of a stream: seeds change its order, not its test cases."""


def pick_profile(name: str, data: Path | None) -> tuple[str, Why]:
    """Return the profile to use and the reason.

    Example:
        >>> pick_profile("tiny", None)
        ('tiny', 'asked for')
    """
    if name != "auto":
        return name, "asked for"
    if torch.cuda.is_available():
        return "paper", f"there is a GPU ({torch.cuda.get_device_name()})"
    if data is not None:
        return "cpu", "real data and no GPU"
    return "quick", "no data given, so phantoms, and no GPU"


def chosen(table: Table, wanted: str, subset: bool = False) -> tuple[AnyRow, ...]:
    """Return the rows that ``wanted`` lists: "all", "default", or labels split by semicolons.

    Args:
        table: whose rows they are.
        wanted: what the user asked for.
        subset: whether "default" means the table's default rows, else all.

    Raises:
        SystemExit: no such row; the message names the nearest and all there are.
    """
    by_label = {row.label: row for row in table.rows}
    if wanted in ("all", "default"):
        labels = list(table.default) if subset and wanted == "default" else []
    else:
        labels = [part.strip() for part in wanted.split(";")]
    for label in labels:
        if label not in by_label:
            near = difflib.get_close_matches(label, by_label, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            rows = "\n  ".join(by_label)
            raise SystemExit(f"table {table.name} has no row {label!r}{hint}; rows:\n  {rows}")
    return tuple(row for row in table.rows if not labels or row.label in labels)


def planned(plan: Plan, scheme: Scheme | None, folds: tuple[int, ...]) -> Plan:
    """Return the plan with another scheme or other folds.

    Raises:
        SystemExit: the scheme has no such fold, or one is asked for where cases stream.
    """
    if scheme is not None:
        if dict(plan).keys() == {"stream"}:
            raise SystemExit(
                f"--scheme {scheme}: the cases of this table stream in one order a seed"
            )
        plan = ((scheme, folds or dict(plan).get(scheme, FOLDS[scheme][:1])),)
    elif folds:
        plan = tuple((known, folds) for known, _ in plan)
    for known, wanted in plan:
        there = STREAM if known == "stream" else FOLDS[known]
        unknown = sorted(set(wanted) - set(there))
        if unknown:
            raise SystemExit(f"{known} has the folds {there}, not {unknown}")
    return plan


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Return the whole numbers of a list such as ``1,2,5``; none for an empty text.

    Raises:
        SystemExit: something else than numbers and commas.

    Example:
        >>> numbers("1,2", "--folds")
        (1, 2)
    """
    parts = [part.strip(" []") for part in text.split(",") if part.strip(" []")]
    if not all(part.isdigit() for part in parts):
        raise SystemExit(f"{option} takes whole numbers with commas, such as 1,2; got {text!r}")
    return tuple(int(part) for part in parts)


def parse_shard(shard: str) -> tuple[int, int]:
    """Return (i, n) of ``i/n``.

    Raises:
        SystemExit: not of that form, or i is not below n.

    Example:
        >>> parse_shard("2/16")
        (2, 16)
    """
    part, _, parts = shard.partition("/")
    if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
        raise SystemExit(f"--shard takes i/n with 0 <= i < n, such as 0/4; got {shard!r}")
    return int(part), int(parts)


def resolved(compute: Compute, jobs: int | None, runs: int) -> tuple[Compute, int]:
    """Fill in what the machine decides: runs at once, threads of each, precision.

    On a CPU one run per core, at most four, since two small runs side by side are faster than
    one on two cores; on GPUs one run per GPU and bf16. The threads of a run do not depend on how
    many runs there are, since another number of threads rounds differently.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    gpu = torch.cuda.is_available() and compute.on_gpu(True)
    if jobs is None:
        jobs = torch.cuda.device_count() // compute.devices if gpu else min(4, cores)
    jobs = max(1, jobs)
    threads = compute.threads or max(1, cores // jobs)
    jobs = max(1, min(jobs, runs))
    precision = compute.precision
    if precision == "auto":
        precision = "bf16-mixed" if gpu and torch.cuda.is_bf16_supported() else "32-true"
    return replace(compute, threads=threads, precision=precision), jobs
