"""A network that learns from a stream of cases."""

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from weakseg import checkpoints
from weakseg.config import identity
from weakseg.data.volumes import Volume
from weakseg.models import Network
from weakseg.online.interact import Progress, StreamCase, full_sample, interact
from weakseg.online.journal import Journal
from weakseg.online.memory import Sample, pack_sample, unpack_sample
from weakseg.online.method import OnlineMethod, StreamBudget, window_ends
from weakseg.online.snapshot import pack_progress, unpack_progress
from weakseg.online.stream import Stream
from weakseg.online.updates import draws, stacked
from weakseg.recorder import seconds_spent
from weakseg.results import write_text
from weakseg.seeding import Key, seed_from
from weakseg.segmenter import optimiser
from weakseg.types import Output

Array = NDArray[np.float32]
CHUNK = 4
"""Volumes predicted at once."""


class InteractiveLearner(lightning.LightningModule):
    """Network, replay memory and frozen teacher; one training step is one case of the stream.

    A sealed checkpoint follows every round, so that an interrupted run loses one round at most.
    The randomness of an update depends on (seed, position, round, update) only.

    Args:
        network: float [B, M, *S] to one logit, float [B, 1, *S].
        method: what is compared.
        budget: what every method gets alike.
        journal: keeps the scores; the learner never reads a reference.
        out: directory of the run.
        seed: of the run.
        parent: process id without which the run stops itself, or None.
    """

    def __init__(
        self,
        network: Network,
        method: OnlineMethod,
        budget: StreamBudget,
        journal: Journal,
        *,
        out: Path,
        seed: int,
        parent: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network, self.method, self.budget = network, method, budget
        self.journal, self.out, self.seed, self.parent = journal, out, seed, parent
        self.optim = method.optim or budget.optim
        self.identity = identity({"method": method, "budget": budget, "seed": seed})
        self.total = len(journal.stream)
        self.teacher: list[Network] = []
        self.memory = method.memory.build()
        self.done = 0
        self.updates = 0
        self.case: StreamCase | None = None
        self.progress: Progress | None = None
        self.sample: Sample | None = None
        self.losses: dict[str, float] = {}
        self.stopping = False
        self._everything: list[Sample] = []
        self._resumed: dict[str, Any] | None = None
        self._started = time.monotonic() - seconds_spent(out)
        self._begun = (time.monotonic(), 0)

    # What Lightning calls

    def configure_optimizers(self) -> Optimizer:
        """Return the optimiser; its rate is constant on a stream."""
        return optimiser(self.network, self.optim)

    def on_train_start(self) -> None:
        """Take up an interrupted run, or begin one; take SIGTERM over from Lightning."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._stop)
        for teacher in self.teacher:
            teacher.to(self.device)
        if self._resumed is not None:
            self._optimiser().load_state_dict(self._resumed["optimiser"])
        elif not self.journal.initial:
            self.journal.begin(self.predict_all(self.journal.stream))
        self._begun = (time.monotonic(), self.done)

    def training_step(self, case: StreamCase, index: int) -> None:
        """Meet one case: predict, let the user mark, learn, remember."""
        self.case = case
        if self.method.setting.startswith("offline"):
            self._offline_step(case)
        else:
            self._stream_step(case)
        self._evaluate(case.position)
        self._log(case.position)
        self.done, self.progress, self.sample = case.position, None, None
        self._save()

    def _stream_step(self, case: StreamCase) -> None:
        if self.progress is None:
            if self.method.setting == "cold":
                self._reset()
            distils = any(term.needs_teacher for term in self.method.terms)
            self.teacher = [_frozen(self.network)] if distils and self.done else []
        rounds = interact(
            case, self, self.method, updates=self.budget.updates,
            total=self.total, seed=self.seed, begun=self.progress,
        )  # fmt: skip
        after: Array | None = None
        for done in rounds:
            after, self.losses = done.after, done.losses
            self.journal.round(case.position, done, keep=self.trainer.is_global_zero)
            self.progress, self.sample = done.progress, done.sample
            self._save()
            self._tell(case.position, done.progress.round)
        if self.progress is None or self.sample is None:
            raise RuntimeError(f"{case.name} ended without a round")
        if after is None:  # interrupted after its last round
            after = self.predict(case.image)
        self.journal.position(case.position, self.progress.before, after)
        self.memory.rate(case.name, float(np.abs(self.sample.target - after).mean()))
        self.memory.add(self.sample, (self.seed, "round", case.position, self.progress.round))

    def _offline_step(self, case: StreamCase) -> None:
        """Train on all cases at once, with as many updates as a position of the stream gets."""
        if not self._everything:
            everyone: Stream = self.trainer.datamodule.stream  # type: ignore[attr-defined]
            cases = (everyone[index] for index in range(len(everyone)))
            self._everything = [full_sample(each, self.method) for each in cases]
        before = self.predict(case.image)
        updates = self.budget.updates
        if self.method.setting == "offline-long":
            updates = max(updates, -(-3 * self.budget.decay_updates // self.total))
        started = time.monotonic()
        self.losses = self._learn(self._everything, (self.seed, "offline", case.position), updates)
        seconds = time.monotonic() - started
        self.journal.position(case.position, before, self.predict(case.image), seconds)
        self._tell(case.position, 1)

    def cases_done(self) -> int:
        """Return how many cases of the stream are finished."""
        return self.done

    # What the loop calls

    @torch.no_grad()
    def predict(self, image: Array) -> Array:
        """Return foreground probabilities float32 [D, H, W] of an image [M, D, H, W]."""
        return self._predict(torch.from_numpy(image)[None])[0]

    def learn(self, sample: Sample, round_number: int, updates: int) -> dict[str, float]:
        """Make ``updates`` optimiser steps on the sample and its replay; return mean losses.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        key = (self.seed, "round", sample.position, round_number)
        samples = [*self.memory.working(key), sample]
        return self._learn(samples, key, updates)

    def predict_all(self, volumes: Sequence[Volume]) -> list[Array]:
        """Return the probabilities of many volumes; ranks share the work."""
        rank, world = rank_and_world()
        mine = list(volumes)[rank::world]
        found: list[Array] = []
        with torch.no_grad():
            for start in range(0, len(mine), CHUNK):
                images = [torch.from_numpy(v.image) for v in mine[start : start + CHUNK]]
                found += self._predict(torch.stack(images))
        if world == 1:
            return found
        parts: list[list[Array]] = [[]] * world
        torch.distributed.all_gather_object(parts, found)
        return [parts[index % world][index // world] for index in range(len(volumes))]

    # What a run keeps

    def conclude(self) -> pd.DataFrame:
        """Write the scores of a finished stream; return those of its test cases.

        Raises:
            RuntimeError: cases are left.
        """
        if self.done < self.total:
            raise RuntimeError(f"the stream stopped after {self.done} of {self.total} cases")
        last = self.journal.review(self.predict_all(self.journal.stream), keep=False)
        test = self.predict_all(self.journal.test)
        return self.journal.write(last, test, self.budget.window, window_ends(self.total))

    def state(self) -> dict[str, Any]:
        """Return everything that an interrupted run needs, as tensors and plain values."""
        return {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "teacher": [teacher.state_dict() for teacher in self.teacher],
            "optimiser": self._optimiser().state_dict(),
            "memory": self.memory.state(),
            "journal": self.journal.state(),
            "done": self.done,
            "updates": self.updates,
            "progress": pack_progress(self.progress),
            "sample": self.sample and pack_sample(self.sample),
        }

    def restore(self, path: Path) -> None:
        """Take up what :meth:`state` described; the optimiser follows when it is there.

        Raises:
            ValueError: the checkpoint belongs to another method, budget or seed.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self.identity:
            raise ValueError(f"{path} was written by another method, budget or seed")
        self.network.load_state_dict(state["network"])
        self.teacher = [_frozen(self.network) for _ in state["teacher"]]
        for teacher, weights in zip(self.teacher, state["teacher"], strict=True):
            teacher.load_state_dict(weights)
        self.memory.restore(state["memory"])
        self.journal.restore(state["journal"])
        self.done, self.updates = state["done"], state["updates"]
        self.progress = unpack_progress(state["progress"])
        self.sample = state["sample"] and unpack_sample(state["sample"])
        self._resumed = state

    def _save(self) -> None:
        if self.trainer.is_global_zero:
            written = self.out / "writing.ckpt"
            torch.save(self.state(), written)
            rounds = 0 if self.progress is None else self.progress.round
            checkpoints.seal(written, self.done * 100 + rounds)

    def _evaluate(self, position: int) -> None:
        budget = self.budget
        last = position == self.total
        if position % budget.gap == 0 or last:
            self.journal.evaluate(position, self.predict_all(self.journal.test))
        if position % budget.review == 0 and not last:
            self.journal.review(self.predict_all(self.journal.stream[:position]))

    # Learning

    def _learn(self, samples: Sequence[Sample], key: Key, updates: int) -> dict[str, float]:
        image, target, weight = stacked(samples, self.device)
        rank, world = rank_and_world()
        batch = self.budget.batch
        order = draws(len(samples), updates * batch, key)
        sums: dict[str, float] = {}
        self.network.train()
        for update in range(updates):
            self._check_stop()
            places = range(update * batch + rank, (update + 1) * batch, world)
            chosen = [order[place] for place in places]
            shown = image[chosen], target[chosen], weight[chosen]
            if self.method.augment is not None:
                shown = self.method.augment(*shown, [(*key, "augment", place) for place in places])
            torch.manual_seed(seed_from(*key, "update", update, rank))
            for name, value in self._update(*shown).items():
                sums[name] = sums.get(name, 0.0) + value
        return {name: value / updates for name, value in sums.items()}

    def _update(self, image: Tensor, target: Tensor, weight: Tensor) -> dict[str, float]:
        """Make one optimiser step; return the value of each term."""
        out = self.network(image)
        known: Output | None = None
        if self.teacher:
            with torch.no_grad():
                known = self.teacher[0](image)
        terms = {term.name: term(out, target, weight, known) for term in self.method.terms}
        total = torch.stack([term.weight * terms[term.name] for term in self.method.terms]).sum()
        if not torch.isfinite(total):
            told = ", ".join(f"{name} = {value.item()}" for name, value in terms.items())
            where = self.case.name if self.case else "a case"
            raise FloatingPointError(f"the loss is {total.item()} while learning {where}: {told}")
        optimiser = self._optimiser()
        if self.method.setting.startswith("offline"):
            for group in optimiser.param_groups:
                group["lr"] = self.optim.lr * 0.1 ** (self.updates // self.budget.decay_updates)
        optimiser.zero_grad()
        self.manual_backward(total)
        optimiser.step()
        self.updates += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _predict(self, images: Tensor) -> list[Array]:
        self.network.eval()
        probs = self.network.predict(images.to(self.device)).float().sigmoid()[:, 0]
        return [part.numpy() for part in probs.cpu()]

    def _reset(self) -> None:
        """Begin again with the first weights and an optimiser that knows nothing."""
        weights = torch.load(self.out / "initial.pt", map_location="cpu", weights_only=True)
        self.network.load_state_dict(weights)
        self._optimiser().state.clear()

    def _optimiser(self) -> Optimizer:
        found = self.optimizers()
        return found.optimizer if hasattr(found, "optimizer") else found  # type: ignore[return-value]

    # Stopping and telling

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _check_stop(self) -> None:
        """Stop between two updates; the last round's checkpoint stands."""
        orphan = self.parent is not None and os.getppid() != self.parent
        if self.stopping or orphan:
            raise SIGTERMException

    def _tell(self, position: int, number: int) -> None:
        """Say how far the run is."""
        if not self.trainer.is_global_zero:
            return
        now = time.monotonic()
        share = min(1.0, number / self.method.interaction.stop.rounds)
        status = {
            "step": position - 1 + share,
            "steps": self.total,
            "text": f"case {position}/{self.total}, round {number}",
            "terms": self.journal.so_far(),
            "seconds_per_step": (now - self._begun[0]) / max(0.1, position - self._begun[1]),
            "seconds": now - self._started,
        }
        write_text(self.out / "progress.json", json.dumps(status))

    def _log(self, position: int) -> None:
        for logger in self.trainer.loggers:
            logger.log_metrics({**self.journal.so_far(), **self.losses}, position)


def rank_and_world() -> tuple[int, int]:
    """Return which of how many processes this is."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def _frozen(network: Network) -> Network:
    teacher = copy.deepcopy(network).eval()
    return teacher.requires_grad_(False)
