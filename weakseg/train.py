"""One offline run: a method trained on a split, resumed where it stopped, and scored."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, get_args

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from weakseg import checkpoints
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.module import SegmentationDataModule
from weakseg.data.resident import Resident, resident
from weakseg.data.splits import Split
from weakseg.data.supervision import labels_of
from weakseg.evaluate import evaluate
from weakseg.losses import Objective
from weakseg.method import Budget, FirstStage, Method
from weakseg.models import Network, build
from weakseg.recorder import Recorder, save_weights
from weakseg.results import RUN_CASES, Selection, write_csv
from weakseg.seeding import seed_from
from weakseg.segmenter import Segmenter
from weakseg.strategies import Task, predict_slices
from weakseg.trainer import fit, make_trainer
from weakseg.types import IGNORE_INDEX, Case

SELECTIONS: Final = get_args(Selection)


def build_network(method: Method, budget: Budget, dataset: Dataset, seed: int) -> Network:
    """Return the method's network with weights that depend on the seed only."""
    torch.manual_seed(seed_from(seed, "weights"))
    classes = len(dataset.classes) + 1
    size = (budget.grid.size,) * 2
    network = build(
        method.network, method.attention, dataset.modalities, classes, size, method.layers
    )
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
    job = _Job(dataset, source, split, seed, cache, compute, loggers, parent)
    label: np.ndarray = labels_of(method.supervision, dataset, source, budget.grid, cache)
    _check_references(split, method.supervision == "dense")
    recorder = Recorder(out, parent=job.watched)
    second = budget
    if method.first is not None:
        first = _first_steps(method.first, budget)
        second = replace(budget, steps=budget.steps - first.steps)
        label = _first_stage(method.first, first, budget.steps, job, label, out)
        recorder = Recorder(out, parent=job.watched, before=first.steps, total=budget.steps)
    trainer, network = _train(method, second, job, label, out, recorder)
    values = pd.DataFrame()
    if trainer.is_global_zero:
        values = _score(network, dataset, source, split, budget.grid, out)
        write_csv(out / "values.csv", values[list(RUN_CASES)])
        for checkpoint in out.glob("step-*.ckpt"):
            checkpoint.unlink()
    trainer.strategy.barrier()
    return values


class _Job(NamedTuple):
    """What all stages of one run share."""

    dataset: Dataset
    source: Resident
    split: Split
    seed: int
    cache: Path
    compute: Compute
    loggers: tuple[Logger, ...]
    parent: int | None

    @property
    def watched(self) -> int | None:
        """Process without which training stops itself."""
        return os.getpid() if self.compute.devices > 1 else self.parent


def _train(
    method: Method, budget: Budget, job: _Job, label: np.ndarray, out: Path, recorder: Recorder
) -> tuple[lightning.Trainer, Network]:
    """Train one stage, or finish it; return the network on the device it was trained on."""
    data = SegmentationDataModule(
        job.source,
        job.split,
        label=label,
        batch=budget.batch,
        interval=budget.interval,
        seed=job.seed,
        augment=method.augment or budget.augment,
    )
    _check_labels(label, job)
    network = build_network(method, budget, job.dataset, job.seed)
    companion = None
    if method.strategy is not None:
        torch.manual_seed(seed_from(job.seed, "companion"))
        companion = method.strategy.build(network, _task(budget, job))
    module = Segmenter(
        network,
        Objective(method.losses),
        budget.optim,
        steps=budget.steps,
        seed=job.seed,
        classes=job.dataset.classes,
        companion=companion,
    )
    trainer = make_trainer(
        job.compute, out, job.loggers, max_steps=budget.steps, callbacks=[recorder]
    )
    fit(trainer, module, data, checkpoints.newest(out))
    network.to(trainer.strategy.root_device)
    return trainer, network


def _task(budget: Budget, job: _Job) -> Task:
    return Task(
        steps=budget.steps,
        batch=budget.batch,
        modalities=job.dataset.modalities,
        classes=len(job.dataset.classes) + 1,
        slices=len(job.source.rows(job.split.train)),
        size=(budget.grid.size,) * 2,
    )


def _check_references(split: Split, dense: bool) -> None:
    """Say before training, not after, that cases cannot be scored or learnt from."""
    needed = (*split.val, *split.test, *(split.train if dense else ()))
    without = [case.name for case in needed if case.reference is None]
    if without:
        raise ValueError(
            f"{len(without)} cases to {'learn densely from, ' if dense else ''}validate or test on "
            f"have no reference: {', '.join(without[:5])}"
        )


def _check_labels(label: np.ndarray, job: _Job) -> None:
    rows = [row for row, _ in job.source.rows(job.split.train)]
    if (label[rows] == IGNORE_INDEX).all():
        raise ValueError(
            "no training slice has a label; the data set has no scribbles (or, for dense "
            "supervision, no references) in its training part"
        )


def _first_steps(stage: FirstStage, budget: Budget) -> Budget:
    intervals = budget.steps // budget.interval
    first = min(max(1, round(stage.share * intervals)), intervals - 1)
    if first < 1:
        raise ValueError("two stages need a budget of at least two intervals")
    return replace(budget, steps=first * budget.interval)


def _first_stage(
    stage: FirstStage, budget: Budget, total: int, job: _Job, label: np.ndarray, out: Path
) -> np.ndarray:
    """Train the first stage in a folder of its own; return what it says of all slices."""
    folder = out / "first"
    entry = folder / "labels.npy"
    if not entry.exists():
        folder.mkdir(exist_ok=True)
        recorder = Recorder(folder, parent=job.watched, shown=out, total=total)
        trainer, network = _train(stage.method, budget, job, label, folder, recorder)
        if trainer.is_global_zero:
            rows = [row for row, _ in job.source.rows(job.split.train)]
            image = torch.from_numpy(job.source.image[rows]).to(trainer.strategy.root_device)
            probs = predict_slices(network, image, budget.batch).cpu()
            made = np.array(label)
            made[rows] = stage.pseudo_labels(probs, torch.from_numpy(made[rows])).numpy()
            np.save(folder / "labels.tmp.npy", made)
            os.replace(folder / "labels.tmp.npy", entry)
            for checkpoint in folder.glob("step-*.ckpt"):
                checkpoint.unlink()
        trainer.strategy.barrier()
    found: np.ndarray = np.load(entry)
    return found


def _score(
    network: Network, dataset: Dataset, source: Resident, split: Split, grid: Grid, out: Path
) -> pd.DataFrame:
    save_weights(network, out / "last.pt")
    scored: list[tuple[dict[str, Tensor], pd.DataFrame]] = []
    parts = [_lines(network, dataset, source, split.val, grid, "last", "val")]
    for selection in SELECTIONS:
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
