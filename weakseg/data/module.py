"""The data of one offline run: training draws, validation and test volumes."""

from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from weakseg.data.augment import Augmentation, transform
from weakseg.data.resident import Resident
from weakseg.data.sampler import Draw, DrawSampler
from weakseg.data.splits import Split
from weakseg.types import IGNORE_INDEX, Batch, Case


class DrawnSlices(TorchDataset[Batch]):
    """Slices kept on one device, fetched and augmented a batch at a time."""

    def __init__(
        self,
        source: Resident,
        cases: tuple[Case, ...],
        label: np.ndarray,
        augment: Augmentation | None,
        seed: int,
        batch: int,
        device: torch.device,
    ) -> None:
        rows = source.rows(cases)
        index = [row for row, _ in rows]
        self.image = torch.from_numpy(source.image[index]).to(device)
        self.label = torch.from_numpy(label[index]).to(device)
        self.names = [name for _, name in rows]
        self.augment, self.seed, self.batch = augment, seed, batch
        dense = not bool((self.label == IGNORE_INDEX).any())
        self.outside = 0 if dense else IGNORE_INDEX

    def __len__(self) -> int:
        return len(self.names)

    def __getitems__(self, draws: list[Draw]) -> Batch:
        """Return the batch of the draws, augmented; a function of (seed, draws) only."""
        rows, numbers = [row for row, _ in draws], [number for _, number in draws]
        image, label = self.image[rows], self.label[rows].long()
        matrices = torch.eye(2).expand(len(rows), 2, 2)
        if self.augment is not None:
            matrices = self.augment.matrices(self.seed, numbers)
            image, label = transform(image, label, matrices, self.outside)
            image = self.augment.intensity(image, self.seed, numbers)
        names, step = [self.names[row] for row in rows], numbers[0] // self.batch
        return Batch(image, label, names, step, torch.tensor(rows), matrices)


class Volumes(TorchDataset[Batch]):
    """Whole cases on the grid, one per item: image [Z, M, S, S] with its reference."""

    def __init__(self, source: Resident, cases: tuple[Case, ...]) -> None:
        self.source, self.cases = source, cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Batch:
        """Return one case as a batch of slices."""
        case = self.cases[index]
        at = self.source.where[case.name]
        image = torch.from_numpy(self.source.image[at.start : at.stop].copy())
        label = torch.from_numpy(self.source.reference[at.start : at.stop].copy()).long()
        return Batch(image, label, [case.name])


class SegmentationDataModule(lightning.LightningDataModule):
    """Batches for one run.

    Args:
        source: the slices of the data set on the run's grid.
        split: training, validation and test cases.
        label: uint8 [N, S, S], what training sees of the source's slices.
        batch: slices per step over all devices.
        interval: steps from one validation to the next.
        seed: of the run.
        augment: None trains on the slices as they are.
    """

    def __init__(
        self,
        source: Resident,
        split: Split,
        *,
        label: np.ndarray,
        batch: int,
        interval: int,
        seed: int,
        augment: Augmentation | None,
    ) -> None:
        super().__init__()
        self.source, self.split, self.label = source, split, label
        self.slices: DrawnSlices | None = None
        self.batch, self.interval, self.seed, self.augment = batch, interval, seed, augment

    def train_dataloader(self) -> DataLoader[Batch]:
        """Draws of the interval that training stands in."""
        trainer = self.trainer
        if trainer is None:
            raise RuntimeError("training draws depend on the step, so they need a trainer")
        self.slices = slices = DrawnSlices(
            self.source,
            self.split.train,
            self.label,
            self.augment,
            self.seed,
            self.batch,
            trainer.strategy.root_device,
        )
        sampler = DrawSampler(
            len(slices),
            self.batch,
            self.interval,
            self.seed,
            lambda: trainer.global_step,
            trainer.global_rank,
            trainer.world_size,
        )
        return DataLoader(slices, batch_sampler=sampler, collate_fn=_as_is)

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """Validation cases, then test cases; each rank takes every world-th case."""
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        return [
            DataLoader(Volumes(self.source, cases[rank::world]), batch_size=None)
            for cases in (self.split.val, self.split.test)
        ]


def _as_is(batch: Any) -> Any:
    return batch
