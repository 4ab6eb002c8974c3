"""One run on a stream: its cases in order, resumed where it stopped, and scored."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from torch import nn

from weakseg import checkpoints
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
from weakseg.data.stream_order import stream_order
from weakseg.data.volumes import Volume, volumes
from weakseg.models import Network, build
from weakseg.online.journal import Journal
from weakseg.online.learner import InteractiveLearner
from weakseg.online.method import OnlineMethod, StreamBudget
from weakseg.online.stream import Stream, StreamDataModule
from weakseg.recorder import save_weights
from weakseg.seeding import seed_from
from weakseg.trainer import fit, make_trainer

COVERED: Final = 0.99
"""Share of a reference that a grid has to hold; less is warned of."""


class Cases(NamedTuple):
    """The volumes of a run: those that arrive, in order, and the fixed test set."""

    stream: list[Volume]
    test: list[Volume]


def build_stream_network(
    method: OnlineMethod, budget: StreamBudget, modalities: int, seed: int
) -> Network:
    """Return the method's network with weights that depend on the seed only."""
    torch.manual_seed(seed_from(seed, "weights"))
    size = budget.grid.size
    return build(method.network, method.attention, modalities, 1, size, method.layers)


def stream_and_score(
    method: OnlineMethod,
    budget: StreamBudget,
    dataset: Dataset,
    *,
    seed: int,
    out: Path,
    cache: Path,
    compute: Compute,
    loggers: tuple[Logger, ...] = (),
    parent: int | None = None,
) -> pd.DataFrame:
    """Send a stream of cases through a method, or the rest of it, and score it.

    Args:
        method: network, interaction, memory and losses.
        budget: grid, cases, updates and optimiser.
        dataset: prepared data with references.
        seed: of the order, weights, proposals, dropout and augmentation.
        out: directory of the run; everything it needs to be resumed lies there.
        cache: folder for the data on the grid.
        compute: devices and precision.
        loggers: mirrors of the curves.
        parent: process id without which the run stops itself, or None.

    Returns:
        One line per test case, also written to ``values.csv``; ``positions.csv``, ``rounds.csv``
        and ``windows.csv`` are beside it.
    """
    out.mkdir(parents=True, exist_ok=True)
    if compute.threads:
        torch.set_num_threads(compute.threads)
    _check(method, budget, compute)
    cases = arrange(dataset, budget, seed, cache)
    journal = Journal(cases.stream, cases.test, dataset.classes[0], out)
    network = build_stream_network(method, budget, dataset.modalities, seed)
    save_weights(network, out / "initial.pt")
    learner = InteractiveLearner(
        network, method, budget, journal, out=out, seed=seed, parent=parent
    )
    if (found := checkpoints.newest(out)) is not None:
        learner.restore(found)
    by_name = {volume.name: volume for volume in cases.stream}
    stream = Stream(by_name, list(by_name), method.interaction.user, seed)
    trainer = make_trainer(compute, out, loggers, max_epochs=1)
    fit(trainer, learner, StreamDataModule(stream, learner.cases_done))
    values = pd.DataFrame()
    if trainer.is_global_zero:
        finished = checkpoints.newest(out)
        if finished is None:
            raise RuntimeError(f"{out} has no checkpoint of the finished stream")
        learner.restore(finished)  # what was learnt in other processes, too
        learner.to(trainer.strategy.root_device)
        values = learner.conclude()
        save_weights(network, out / "last.pt")
        for checkpoint in out.glob("step-*.ckpt"):
            checkpoint.unlink()
    trainer.strategy.barrier()
    return values


def _check(method: OnlineMethod, budget: StreamBudget, compute: Compute) -> None:
    """Refuse before training what would go wrong in it."""
    several = compute.devices > 1
    if budget.batch % compute.devices:
        raise ValueError(
            f"a batch of {budget.batch} cannot be shared equally by {compute.devices} devices"
        )
    if compute.precision.startswith("16"):
        raise ValueError("streams train in 32-true or bf16-mixed; 16-mixed needs scaled gradients")
    network = build_stream_network(method, budget, 1, 0)
    normed = any(isinstance(module, nn.BatchNorm3d) for module in network.modules())
    if several and normed and not compute.on_gpu(torch.cuda.is_available()):
        raise ValueError(
            "batch statistics of several CPU processes differ; use one device, or instance norm"
        )


def arrange(dataset: Dataset, budget: StreamBudget, seed: int, cache: Path) -> Cases:
    """Return the volumes in the order of their arrival, and the test set.

    Raises:
        ValueError: the data set has too few cases, or cases without a reference.
    """
    without = [case.name for case in dataset.cases if case.reference is None]
    if without:
        raise ValueError(f"{len(without)} cases have no reference: {', '.join(without[:5])}")
    order = stream_order(
        [case.name for case in dataset.cases],
        pool_a=budget.pool,
        pool_b=budget.stream,
        test=budget.test,
        split_seed=budget.split_seed,
        order_seed=seed,
        patients={case.name: case.patient for case in dataset.cases},
    )
    by_name = {case.name: case for case in dataset.cases}

    def load(names: Sequence[str]) -> list[Volume]:
        return volumes(dataset, budget.grid, tuple(by_name[name] for name in names), cache)

    cases = Cases(load(order.stream), load(order.test))
    covered = [volume.covered for volume in (*cases.stream, *cases.test)]
    if min(covered) < COVERED:
        cut = sum(share < COVERED for share in covered)
        warnings.warn(
            f"the grid cuts off part of the reference in {cut} of {len(covered)} cases (at least "
            f"{min(covered):.2f} of it is inside); scores and effort are of what is inside",
            stacklevel=2,
        )
    return cases
