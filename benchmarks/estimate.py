"""How long a table will take on this machine, measured before it starts."""

import time
from collections.abc import Mapping
from typing import cast

import torch

from benchmarks.plan import Run
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
from weakseg.method import Budget, Method
from weakseg.models import Network
from weakseg.online.method import OnlineMethod, StreamBudget
from weakseg.online.run import build_stream_network
from weakseg.train import build_network
from weakseg.types import channels_last

OVERHEAD = 1.5
"""Loss terms and evaluation on top of the plain network's steps."""

START = 10.0
"""Seconds a worker takes to start."""


def seconds_for(
    runs: list[Run],
    costs: Mapping[str, float],
    dataset: Dataset,
    jobs: int,
    compute: Compute,
) -> float:
    """Return the seconds the runs should take: a few plain steps, timed and multiplied.

    ``costs`` are the multiples of plain training that the rows take, by label.
    """
    first = runs[0]
    device = "cuda" if torch.cuda.is_available() and compute.accelerator != "cpu" else "cpu"
    threads = torch.get_num_threads()
    torch.set_num_threads(compute.threads or threads)
    network, size = _network(first, dataset)
    network.to(device)
    image = torch.rand(first.budget.batch, dataset.modalities, *size, device=device)
    times = []
    for _ in range(4):
        started = time.monotonic()
        with torch.autocast(device, torch.bfloat16, enabled=compute.precision == "bf16-mixed"):
            logits = network(channels_last(image)).logits
        logits.float().square().mean().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - started)
    torch.set_num_threads(threads)
    steps = sum(costs[run.row] * most_steps(run) for run in runs)
    return START + OVERHEAD * min(times) * steps / jobs


def _network(run: Run, dataset: Dataset) -> tuple[Network, tuple[int, ...]]:
    """Return the network of a run and the size of its images."""
    if isinstance(run.method, OnlineMethod) and isinstance(run.budget, StreamBudget):
        network = build_stream_network(run.method, run.budget, dataset.modalities, seed=0)
        return network, run.budget.grid.size
    method, budget = cast(Method, run.method), cast(Budget, run.budget)
    return build_network(method, budget, dataset, seed=0), (budget.grid.size,) * 2


def most_steps(run: Run) -> int:
    """Return the most optimiser steps that a run can make."""
    if not isinstance(run.method, OnlineMethod) or not isinstance(run.budget, StreamBudget):
        return run.budget.steps
    plan, updates = run.method.interaction, run.budget.updates
    if run.method.setting == "offline-long":
        return max(run.budget.steps, 3 * run.budget.decay_updates)
    rounds = range(1, plan.stop.rounds + 1)
    return run.budget.stream * sum(plan.updates(number, updates) for number in rounds)
