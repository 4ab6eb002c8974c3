"""The one callback of an offline run: curves, best weights, checkpoints, progress."""

import json
import os
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeVar, cast

import lightning
import pandas as pd
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from weakseg import checkpoints
from weakseg.diagnostics import similarity_parameters
from weakseg.results import CURVE, write_csv
from weakseg.segmenter import TEST, VALIDATION, Segmenter

T = TypeVar("T")

SPLITS = {VALIDATION: "val", TEST: "test"}


class Recorder(lightning.Callback):
    """Keep the record of one run in its directory.

    After each interval: ``curve.csv`` (learning curves), ``best-val.pt`` and ``best-test.pt``
    (weights with the highest mean Dice so far), a sealed checkpoint. Every second:
    ``progress.json``. On SIGTERM: a checkpoint after the current step, or after the evaluation
    that follows it, since Lightning would leave out an evaluation that was cut short.

    Args:
        out: directory of the run.
        every: steps between two readings of the loss terms.
        parent: process id that must stay alive, or None; an orphan stops itself.
        shown: directory of ``progress.json``, ``out`` unless another stage belongs to the run.
        before: steps of an earlier stage of the run.
        total: steps of all stages, or None where there is one stage.
    """

    def __init__(
        self,
        out: Path,
        every: int = 10,
        parent: int | None = None,
        *,
        shown: Path | None = None,
        before: int = 0,
        total: int | None = None,
    ) -> None:
        self.out, self.every, self.parent = out, every, parent
        self.shown, self.before, self.total = shown or out, before, total
        self.curve: list[dict[str, Any]] = []
        self.best = {"val": -1.0, "test": -1.0}
        self.stopping = False
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._told = 0.0
        self._started = time.monotonic() - seconds_spent(self.shown)
        self._rate: tuple[float, int] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on with the same record."""
        return {"curve": list(self.curve), "best": dict(self.best), "sums": dict(self._sums)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the record up again."""
        self.curve, self.best = state_dict["curve"], state_dict["best"]
        self._sums = defaultdict(list, state_dict["sums"])

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Take SIGTERM over from Lightning, which puts the former handler back after the fit."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._stop)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Stop and save between two steps, with Lightning's counters as the last one left them."""
        if self._must_stop(trainer):
            progress = trainer.fit_loop.epoch_loop.batch_progress
            progress.total.ready -= 1
            progress.current.ready -= 1
            progress.is_last_batch = False
            self._save(trainer)
            raise SIGTERMException

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Read the loss terms now and then, and say how far the run is."""
        module, step = cast(Segmenter, pl_module), trainer.global_step
        if step % self.every == 0 or step == 1:
            for name, value in module.terms.items():
                self._sums[name].append(float(_mean_over_ranks(trainer, value)))
        if time.monotonic() - self._told > 1.0 and trainer.is_global_zero:
            self._tell(step, module)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add a point to the curves; keep the weights if they are the best so far."""
        if trainer.sanity_checking:
            return
        module, step = cast(Segmenter, pl_module), trainer.global_step
        if trainer.is_global_zero:
            self._tell(step, module)
        for name, values in self._sums.items():
            self._add(step, "train", name, sum(values) / len(values))
        self._sums.clear()
        self._add(step, "train", "lr", trainer.optimizers[0].param_groups[0]["lr"])
        for loader, split in SPLITS.items():
            self._evaluate(trainer, module, loader, split, step)
        statistics = [row for part in _of_ranks(trainer, module.statistics) for row in part]
        for name in statistics[0] if statistics else ():
            known = torch.tensor([row[name] for row in statistics], dtype=torch.float64)
            self._add(step, "val", f"similarity/{name}", known.nanmean().item())
        for name, value in similarity_parameters(module.network).items():
            self._add(step, "val", f"similarity/{name}", value)
        if trainer.is_global_zero:
            write_csv(self.out / "curve.csv", pd.DataFrame(self.curve, columns=list(CURVE)))
        for logger in trainer.loggers:
            now = [row for row in self.curve if row["step"] == step]
            shown = {f"{r['split']}/{r['quantity']}": r["value"] for r in now}
            logger.log_metrics(shown, step + self.before)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Seal a checkpoint at the end of the interval."""
        self._save(trainer)
        if self._must_stop(trainer):
            raise SIGTERMException

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _must_stop(self, trainer: lightning.Trainer) -> bool:
        orphan = self.parent is not None and os.getppid() != self.parent
        stop: bool = self.stopping or orphan
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        return stop

    def _evaluate(
        self, trainer: lightning.Trainer, module: Segmenter, loader: int, split: str, step: int
    ) -> None:
        dice = _over_ranks(trainer, module.dice[loader])
        if not dice:
            return
        per_class = torch.stack([dice[name] for name in sorted(dice)]).nanmean(dim=0)
        for name, value in zip(module.classes, per_class.tolist(), strict=True):
            self._add(step, split, f"dice/{name}", value)
        mean = per_class.nanmean().nan_to_num().item()
        self._add(step, split, "dice", mean)
        if mean > self.best[split]:
            self.best[split] = mean
            if trainer.is_global_zero:
                save_weights(module.network, self.out / f"best-{split}.pt")

    def _add(self, step: int, split: str, quantity: str, value: float) -> None:
        self.curve.append({"step": step, "split": split, "quantity": quantity, "value": value})

    def _save(self, trainer: lightning.Trainer) -> None:
        written = self.out / "writing.ckpt"
        trainer.save_checkpoint(written)
        if trainer.is_global_zero:
            checkpoints.seal(written, trainer.global_step)

    def _tell(self, step: int, module: Segmenter) -> None:
        now = time.monotonic()
        if self._rate is None:
            self._rate = (now, step)
        seconds = (now - self._rate[0]) / max(1, step - self._rate[1])
        terms = {name: float(value) for name, value in module.terms.items()}
        status = {"step": step + self.before, "steps": self.total or module.steps, "terms": terms}
        status["seconds_per_step"] = seconds
        status["seconds"] = now - self._started
        written = self.shown / "progress.tmp"
        written.write_text(json.dumps(status))
        os.replace(written, self.shown / "progress.json")
        self._told = now


def seconds_spent(out: Path) -> float:
    """Return the seconds that attempts at a run have taken so far, killed ones included."""
    try:
        return float(json.loads((out / "progress.json").read_text())["seconds"])
    except (FileNotFoundError, ValueError):
        return 0.0


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write the weights, on the CPU, aside; flush and rename."""
    written = path.with_suffix(".tmp")
    weights = {name: value.cpu() for name, value in network.state_dict().items()}
    with open(written, "wb") as stream:
        torch.save(weights, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(written, path)


def _mean_over_ranks(trainer: lightning.Trainer, value: torch.Tensor) -> torch.Tensor:
    if trainer.world_size == 1:
        return value
    mean: torch.Tensor = trainer.strategy.reduce(value.clone(), reduce_op="mean")
    return mean


def _over_ranks(
    trainer: lightning.Trainer, dice: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    own = {name: value.cpu() for name, value in dice.items()}
    return {name: value for part in _of_ranks(trainer, own) for name, value in part.items()}


def _of_ranks(trainer: lightning.Trainer, own: T) -> list[T]:
    """Return what each rank holds; every rank has to call this."""
    if trainer.world_size == 1:
        return [own]
    parts = [own] * trainer.world_size
    torch.distributed.all_gather_object(parts, own)
    return parts
