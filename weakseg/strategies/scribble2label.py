"""Scribble2Label: pseudo-labels from a running mean of predictions (Lee and Jeong, MICCAI 2020)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from weakseg.data.augment import transform_label
from weakseg.losses.terms import check_weight
from weakseg.models import Network
from weakseg.strategies.strategy import Companion, Task, TrainingSlices, predict_slices
from weakseg.types import IGNORE_INDEX, Batch, Output, Share


@dataclass(frozen=True, kw_only=True)
class Scribble2Label:
    """Cross-entropy on unlabelled pixels whose running prediction is above ``threshold``.

    All training slices are predicted ``updates`` times in the run, in evaluation mode (the
    released code leaves the network in training mode), and averaged with ``momentum``; the mean
    is divided by the weight it has gathered, since it starts at 0. The term acts after the share
    ``warmup`` of the run. WSL4MIS predicts every 100 of 60,000 steps and warms up for 6,000; as
    many passes would take longer than a short training, so 20 are made here, which adds about
    three quarters to the time of training on ACDC.
    """

    weight: float = 0.5
    threshold: float = 0.8
    momentum: float = 0.2
    warmup: float = 0.1
    updates: int = 20

    def __post_init__(self) -> None:
        check_weight(self.weight)
        for name in ("threshold", "momentum"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be in [0, 1), got {self.warmup}")
        if self.updates < 1:
            raise ValueError(f"updates must be at least 1, got {self.updates}")

    def build(self, network: Network, task: Task) -> "RunningLabels":
        """Return a running mean of nothing yet."""
        return RunningLabels(self, task)


class RunningLabels(Companion):
    """Running class probabilities of every training slice, in half precision."""

    probs: Tensor

    def __init__(self, config: Scribble2Label, task: Task) -> None:
        super().__init__({"pseudo_ce": config.weight})
        self.config, self.task = config, task
        self.every = math.ceil(task.steps / config.updates)
        shape = (task.slices, task.classes, *task.size)
        self.register_buffer("probs", torch.zeros(shape, dtype=torch.float16))

    def before_step(self, network: Network, step: int, slices: TrainingSlices) -> None:
        """Now and then, add a prediction of all slices to the mean."""
        if step == 0 or step % self.every:
            return
        for first in range(0, len(self.probs), self.task.batch):
            rows = slice(first, first + self.task.batch)
            new = predict_slices(network, slices.image[rows], self.task.batch)
            self.probs[rows] = self.probs[rows].float().lerp(new, self.config.momentum).half()

    def confident(self, rows: Tensor, step: int) -> Tensor:
        """Return the class int64 [B, S, S] of pixels above the threshold, else IGNORE_INDEX."""
        gathered = 1 - (1 - self.config.momentum) ** (step // self.every)
        best, label = self.probs[rows].float().max(dim=1)
        return label.where(best > self.config.threshold * gathered, IGNORE_INDEX)

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the cross-entropy on pseudo-labels turned the way their slices were."""
        if batch.rows is None or batch.matrices is None:
            raise ValueError("pseudo-labels need batches that name their rows and matrices")
        if batch.step < max(self.every, self.config.warmup * self.task.steps):
            nothing = out.logits.new_zeros((), dtype=torch.float32)
            return {"pseudo_ce": Share(nothing, nothing)}
        label = self.confident(batch.rows.to(self.probs.device), batch.step)
        label = transform_label(label, batch.matrices)
        label = label.where(batch.label == IGNORE_INDEX, IGNORE_INDEX)
        total = functional.cross_entropy(
            out.logits.float(), label, ignore_index=IGNORE_INDEX, reduction="sum"
        )
        return {"pseudo_ce": Share(total, (label != IGNORE_INDEX).sum().to(total.dtype))}
