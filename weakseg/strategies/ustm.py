"""USTM: a mean teacher that is heeded where it is sure (Liu et al., Pattern Recognition 2022)."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from weakseg.losses.terms import check_weight
from weakseg.models import Network
from weakseg.strategies.schedule import ramp
from weakseg.strategies.strategy import Companion, Task
from weakseg.types import Batch, Output, Share, channels_last


@dataclass(frozen=True, kw_only=True)
class USTM:
    """Uncertainty-aware self-ensembling, with the numbers of WSL4MIS.

    The teacher is the running mean of the student's weights (``decay``, less in the first steps).
    A right-angle turn of the image, with noise of standard deviation ``noise`` clipped at
    ``clip``, goes through the teacher ``passes`` times with dropout. Where the entropy of the mean
    prediction is below (0.75 + 0.25 r) ln C, the turned student is drawn to it; r is the ramp that
    also weighs the term. WSL4MIS has ln 2 there, inherited from a code for two classes.
    """

    weight: float = 1.0
    decay: float = 0.99
    passes: int = 8
    noise: float = 0.1
    clip: float = 0.2

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {self.decay}")
        if self.passes < 1:
            raise ValueError(f"passes must be at least 1, got {self.passes}")

    def build(self, network: Network, task: Task) -> "Teacher":
        """Return the teacher, equal to the student."""
        return Teacher(self, network, task)


class Teacher(Companion):
    """Running mean of the weights; it normalises by the batches it sees, as in training."""

    def __init__(self, config: USTM, network: Network, task: Task) -> None:
        super().__init__({"consistency": config.weight})
        self.config, self.steps = config, task.steps
        self.teacher = copy.deepcopy(network).requires_grad_(False)

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the squared distance to the sure teacher, weighted by the ramp."""
        turns = int(torch.randint(4, ()))
        target = self._target(torch.rot90(batch.image, turns, (2, 3)))
        rise = ramp(batch.step, self.steps)
        entropy = -(target * target.clamp_min(1e-6).log()).sum(dim=1)
        sure = entropy < (0.75 + 0.25 * rise) * math.log(target.shape[1])
        student = torch.rot90(out.logits.float().softmax(dim=1), turns, (2, 3))
        distance = (student - target).square().sum(dim=1) * sure / 2
        return {"consistency": Share(rise * distance.sum(), sure.sum().to(distance.dtype))}

    @torch.no_grad()
    def _target(self, image: Tensor) -> Tensor:
        """Return the mean prediction float [B, C, *S] over noisy passes with dropout."""
        self.teacher.train()
        total = torch.zeros((), device=image.device)
        for _ in range(self.config.passes):
            noise = (torch.randn_like(image) * self.config.noise).clamp(
                -self.config.clip, self.config.clip
            )
            logits = self.teacher.predict(channels_last(image + noise))
            total = total + logits.float().softmax(dim=1)
        return total / self.config.passes

    @torch.no_grad()
    def after_step(self, network: Network, step: int) -> None:
        """Move the teacher's weights towards the student's."""
        keep = min(1 - 1 / (step + 1), self.config.decay)
        pairs = zip(self.teacher.parameters(), network.parameters(), strict=True)
        for mean, value in pairs:
            mean.lerp_(value, 1 - keep)
