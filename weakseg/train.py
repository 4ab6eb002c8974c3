"""One offline run: a method trained on a split, resumed where it stopped, and scored."""

import os
import signal
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import lightning
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from weakseg import checkpoints
from weakseg.config import Compute, Optim
from weakseg.data.augment import Augment
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.module import SegmentationDataModule
from weakseg.data.resident import Resident, resident
from weakseg.data.splits import Split
from weakseg.evaluate import evaluate
from weakseg.losses import Objective, Term
from weakseg.models import Attention, Network, UNet, build
from weakseg.recorder import Recorder, save_weights
from weakseg.results import RUN_CASES, write_csv
from weakseg.seeding import seed_from
from weakseg.segmenter import Segmenter
from weakseg.types import Case

Selection = Literal["last", "best-val", "best-test"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """What is compared: a network, what it may see, and what it minimises."""

    network: UNet = field(default_factory=UNet)
    attention: Attention | None = None
    losses: tuple[Term, ...]
    supervision: Literal["scribble", "dense"] = "scribble"

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("a method needs at least one loss term")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every method gets alike: grid, batch, steps, optimiser."""

    grid: Grid
    batch: int
    steps: int
    interval: int
    optim: Optim
    augment: Augment | None = field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.steps % self.interval:
            raise ValueError(
                f"steps must be a multiple of interval, got {self.steps} and {self.interval}"
            )


def build_network(method: Method, budget: Budget, dataset: Dataset, seed: int) -> Network:
    """Return the method's network with weights that depend on the seed only."""
    torch.manual_seed(seed_from(seed, "weights"))
    classes = len(dataset.classes) + 1
    size = (budget.grid.size,) * 2
    network = build(method.network, method.attention, dataset.modalities, classes, size)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def fit_and_test(
    method: Method,
    budget: Budget,
    dataset: Dataset,
    split: Split,
    *,
    seed: int,
    out: Path,
    cache: Path,
    compute: Compute,
    loggers: tuple[Logger, ...] = (),
    parent: int | None = None,
) -> pd.DataFrame:
    """Train a method, or finish its training, and score it on the test cases.

    Args:
        method: network, supervision and losses.
        budget: grid, batch, steps and optimiser.
        dataset: prepared data.
        split: training, validation and test cases.
        seed: of weights, order, augmentation and dropout.
        out: directory of the run; everything it needs to be resumed lies there.
        cache: folder for the data on the grid.
        compute: devices and precision.
        loggers: mirrors of the curves.
        parent: process id without which the run stops itself, or None.

    Returns:
        One line per selection, split, case and class, also written to ``values.csv``.
    """
    out.mkdir(parents=True, exist_ok=True)
    if compute.threads:
        torch.set_num_threads(compute.threads)
    source = resident(dataset, budget.grid, cache)
    data = SegmentationDataModule(
        source,
        split,
        supervision=method.supervision,
        batch=budget.batch,
        interval=budget.interval,
        seed=seed,
        augment=budget.augment,
    )
    network = build_network(method, budget, dataset, seed)
    module = Segmenter(
        network,
        Objective(method.losses),
        budget.optim,
        steps=budget.steps,
        seed=seed,
        classes=dataset.classes,
    )
    trainer = _trainer(budget, compute, out, loggers, parent)
    _fit(trainer, module, data, checkpoints.newest(out))
    values = pd.DataFrame()
    if trainer.is_global_zero:
        network.to(trainer.strategy.root_device)
        values = _score(network, dataset, source, split, budget.grid, out)
        write_csv(out / "values.csv", values[list(RUN_CASES)])
        for checkpoint in out.glob("step-*.ckpt"):
            checkpoint.unlink()
    trainer.strategy.barrier()
    return values


def _fit(
    trainer: lightning.Trainer,
    module: Segmenter,
    data: SegmentationDataModule,
    checkpoint: Path | None,
) -> None:
    """Train to the end; pass SIGTERM on to the processes started from here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*logging interval.*")
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
        try:
            trainer.fit(module, data, ckpt_path=checkpoint)
        except SIGTERMException:
            if trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signal.SIGTERM)
            raise


def _trainer(
    budget: Budget,
    compute: Compute,
    out: Path,
    loggers: tuple[Logger, ...],
    parent: int | None,
) -> lightning.Trainer:
    several = compute.devices > 1
    cuda = compute.on_gpu(torch.cuda.is_available())
    bf16 = cuda and torch.cuda.is_bf16_supported()
    auto = "bf16-mixed" if bf16 else "32-true"
    precision = auto if compute.precision == "auto" else compute.precision
    return lightning.Trainer(
        accelerator=compute.accelerator,
        devices=compute.devices,
        strategy="ddp_spawn_find_unused_parameters_true" if several else "auto",
        precision=precision,  # type: ignore[arg-type]
        sync_batchnorm=several and cuda,
        use_distributed_sampler=False,
        max_steps=budget.steps,
        check_val_every_n_epoch=1,
        num_sanity_val_steps=0,
        logger=list(loggers) or False,
        callbacks=[Recorder(out, parent=os.getpid() if several else parent)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        deterministic="warn" if cuda else True,
    )


def _score(
    network: Network, dataset: Dataset, source: Resident, split: Split, grid: Grid, out: Path
) -> pd.DataFrame:
    save_weights(network, out / "last.pt")
    scored: list[tuple[dict[str, Tensor], pd.DataFrame]] = []
    parts = [_lines(network, dataset, source, split.val, grid, "last", "val")]
    for selection in get_args(Selection):
        weights = torch.load(out / f"{selection}.pt", map_location="cpu", weights_only=True)
        scores = next((found for known, found in scored if _equal(known, weights)), None)
        if scores is None:
            network.load_state_dict(weights)
            keep = out / "predictions" if selection == "last" else None
            scores = _lines(network, dataset, source, split.test, grid, selection, "test", keep)
            scored.append((weights, scores))
        parts.append(scores.assign(selection=selection))
    return pd.concat(parts, ignore_index=True)


def _lines(
    network: Network,
    dataset: Dataset,
    source: Resident,
    cases: tuple[Case, ...],
    grid: Grid,
    selection: str,
    split: str,
    keep: Path | None = None,
) -> pd.DataFrame:
    scores = evaluate(network, dataset, source, cases, grid, keep)
    return scores.assign(selection=selection, split=split)


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())
