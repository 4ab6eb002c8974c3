"""How long a table will take on this machine, measured before it starts."""

import time
from collections.abc import Mapping

import torch

from benchmarks.plan import Run
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
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
    network = build_network(first.method, first.budget, dataset, seed=0).to(device)
    size = first.budget.grid.size
    image = torch.rand(first.budget.batch, dataset.modalities, size, size, device=device)
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
    steps = sum(costs[run.row] * run.budget.steps for run in runs)
    return START + OVERHEAD * min(times) * steps / jobs
