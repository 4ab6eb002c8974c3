"""Offline training of a network with an objective."""

from collections.abc import Sequence

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from weakseg.config import Optim
from weakseg.diagnostics import grid_dice, similarity_statistics
from weakseg.losses import Objective
from weakseg.models import Network
from weakseg.seeding import seed_from
from weakseg.strategies import Companion, TrainingSlices
from weakseg.types import Batch, Share, channels_last

VALIDATION, TEST = 0, 1
"""Positions of the two evaluation loaders."""


CHECKED_EVERY = 50
"""Steps between two looks at the loss where a look stalls the device."""


class Segmenter(lightning.LightningModule):
    """A network, its objective and its optimiser.

    Args:
        network: float [B, M, *S] -> Output.
        objective: sum of weighted terms.
        companion: state and further terms of the method, or None.
        optim: optimiser and decay.
        steps: optimisation steps of the whole run; the rate reaches 0 there.
        seed: of the run; dropout of step i depends on (seed, i) only.
        classes: names of the foreground classes.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        optim: Optim,
        *,
        steps: int,
        seed: int,
        classes: tuple[str, ...],
        companion: Companion | None = None,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.optim = network, objective, optim
        self.companion = companion
        theirs = companion.weights.keys() if companion is not None else set()
        twice = sorted({term.name for term in objective.terms} & theirs)
        if twice:
            raise ValueError(f"a loss and a strategy share {twice}")
        self.steps, self.seed, self.classes = steps, seed, classes
        self.dice: dict[int, dict[str, Tensor]] = {VALIDATION: {}, TEST: {}}
        self.statistics: list[dict[str, float]] = []
        self.terms: dict[str, Tensor] = {}
        self._latest: tuple[int, list[str]] = (0, [])

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the objective of one batch.

        Raises:
            FloatingPointError: a term is not finite.
        """
        if self.companion is not None:
            self.companion.before_step(self.network, batch.step, self._slices())
        torch.manual_seed(seed_from(self.seed, "step", batch.step, self.global_rank))
        out = self.network(channels_last(batch.image))
        own = self.objective(out, batch)
        extra = self.companion.terms(self.network, out, batch) if self.companion else {}
        shares = {name: self._over_ranks(share) for name, share in (own | extra).items()}
        total = self.objective.total(shares)
        if self.companion is not None:
            for name in extra:
                total = total + self.companion.weights[name] * shares[name].mean()
        self.terms = {name: share.mean().detach() for name, share in shares.items()}
        self.terms["loss"] = total.detach()
        self._latest = batch.step, batch.case
        if self.device.type == "cpu" or batch.step % CHECKED_EVERY == 0:
            self._check()
        return total

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Let the companion follow the update."""
        if self.companion is not None:
            self.companion.after_step(self.network, batch.step)

    def validation_step(self, batch: Batch, index: int, dataloader_idx: int = VALIDATION) -> None:
        """Keep the Dice of one volume on the network's grid, and what its similarity looks like."""
        out = self.network(channels_last(batch.image))
        prediction = out.logits.argmax(dim=1)
        self.dice[dataloader_idx][batch.case[0]] = grid_dice(
            prediction, batch.label, len(self.classes)
        )
        if dataloader_idx == VALIDATION and out.similarity:
            self.statistics.append(similarity_statistics(out.similarity, batch.label))

    def on_validation_epoch_start(self) -> None:
        """Forget the previous evaluation; the step before it is always checked."""
        self._check()
        self.dice, self.statistics = {VALIDATION: {}, TEST: {}}, []

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Poly decay; the attention's parameters form a group of their own."""
        extra = self.companion.parameters() if self.companion is not None else ()
        optimizer = optimiser(self.network, self.optim, [p for p in extra if p.requires_grad])
        decay = LambdaLR(optimizer, lambda step: poly(step, self.steps, self.optim.power))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": decay, "interval": "step"}}

    def _slices(self) -> TrainingSlices:
        slices: TrainingSlices = self.trainer.datamodule.slices  # type: ignore[attr-defined]
        return slices

    def _over_ranks(self, share: Share) -> Share:
        """Return a share whose mean, averaged over ranks, is the mean of the global batch."""
        world = self.trainer.world_size
        if world == 1:
            return share
        weight: Tensor = self.trainer.strategy.reduce(
            share.weight.detach().clone(), reduce_op="sum"
        )
        return Share(share.total * world, weight)

    def _check(self) -> None:
        """Stop at a loss that is not finite; reading it stalls a GPU, so not at every step."""
        loss = self.terms.get("loss")
        if loss is None or torch.isfinite(loss):
            return
        terms = [f"{name} = {value.item()}" for name, value in self.terms.items() if name != "loss"]
        step, cases = self._latest
        since = "" if self.device.type == "cpu" else f" or up to {CHECKED_EVERY} steps before"
        raise FloatingPointError(
            f"the loss is {loss.item()} at step {step}{since}: {', '.join(terms)}; "
            f"cases {', '.join(cases)}"
        )


def poly(step: int, steps: int, power: float) -> float:
    """Return (1 - step / steps) ** power, 0 from ``steps`` on.

    The released code of AttenScribble lags one step behind: its steps 0 and 1 share a rate.

    Example:
        >>> round(0.01 * poly(30_000, 60_000, 0.9), 6)
        0.005359
    """
    return float(max(0.0, 1 - step / steps) ** power)


def optimiser(network: Network, optim: Optim, extra: Sequence[nn.Parameter] = ()) -> Optimizer:
    """Return the optimiser; the attention's parameters form a group of their own.

    Args:
        network: what is trained.
        optim: kind and rates.
        extra: further parameters, trained at the rate of the host.
    """
    attention = list(network.attention_parameters())
    own = {id(parameter) for parameter in attention}
    host = [parameter for parameter in network.parameters() if id(parameter) not in own]
    groups: list[dict[str, object]] = [{"params": [*host, *extra]}]
    if attention:
        rate = optim.lr if optim.attention_lr is None else optim.attention_lr
        groups.append({"params": attention, "lr": rate})
    if optim.name == "sgd":
        return SGD(groups, lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay)
    return AdamW(groups, lr=optim.lr, weight_decay=optim.weight_decay)
