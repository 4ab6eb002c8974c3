"""Tiny streams, run in a process of their own so that they can be killed."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from pandas.testing import assert_frame_equal

from weakseg.config import Compute, Optim
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import hippocampus
from weakseg.data.prepare import prepare
from weakseg.data.volumes import VolumeGrid
from weakseg.models import UNet
from weakseg.online.distillation import Distillation
from weakseg.online.learner import InteractiveLearner
from weakseg.online.memory import Memory
from weakseg.online.method import Interaction, OnlineMethod, StreamBudget
from weakseg.online.run import stream_and_score
from weakseg.online.stopping import Stop
from weakseg.online.terms import WeightedBCE

CPU = Compute(accelerator="cpu", precision="32-true", threads=1)
NETWORK = UNet(widths=(4, 8), dropout=(0.1, 0.0), norm="instance", dims=3)
PLAIN = replace(NETWORK, dropout=(0.0, 0.0))
"""Without dropout, whose draws depend on how a batch is shared."""
MARKED = Interaction(stop=Stop(rounds=3, effort=None))
METHODS = {
    "interactive": OnlineMethod(network=NETWORK, interaction=MARKED, memory=Memory(size=2)),
    "distilled": OnlineMethod(
        network=NETWORK, interaction=MARKED, memory=Memory(size=0),
        terms=(WeightedBCE(), Distillation(weight=0.4)),
    ),
    "full": OnlineMethod(network=PLAIN, memory=Memory(law="random-drop", size=2)),
    "offline": OnlineMethod(network=NETWORK, setting="offline"),
    "cold": OnlineMethod(network=NETWORK, setting="cold", interaction=MARKED),
}  # fmt: skip
BUDGET = StreamBudget(
    grid=VolumeGrid(size=(16, 16, 16), mode="honest", spacing=(3.0, 3.5, 3.0)),
    stream=4, test=2, updates=6, window=3, review=2, optim=Optim(name="adamw", lr=3e-3),
)  # fmt: skip
WORK = ["learn_seconds", "round_seconds", "memory_mb", "pairs"]
"""What a run took; a resumed one registers again what it had kept in memory."""


def prepared(folder: Path) -> Path:
    """Write a phantom of six patients and prepare it."""
    hippocampus.write(folder / "official", 6, None, 0)
    return prepare("hippocampus", folder / "official", folder / "prepared")


def run(data: Path, out: Path, name: str, compute: Compute = CPU, batch: int = 1) -> pd.DataFrame:
    """Send the stream through a method."""
    # AdamW would blow up what rounding makes of another order of sums.
    optim = BUDGET.optim if batch == 1 else Optim(lr=0.05)
    return stream_and_score(
        METHODS[name], replace(BUDGET, batch=batch, optim=optim), Dataset.open(data),
        seed=1, out=out, cache=data.parent / "cache", compute=compute,
    )  # fmt: skip


def kill_at(update: int, number: int = signal.SIGKILL) -> None:
    """Make this process send itself a signal at its ``update``-th optimiser step, from 1."""
    plain, calls = InteractiveLearner._update, [0]

    def struck(self: InteractiveLearner, *args: torch.Tensor) -> dict[str, float]:
        calls[0] += 1
        if calls[0] == update:
            os.kill(os.getpid(), number)
        return plain(self, *args)

    InteractiveLearner._update = struck  # type: ignore[method-assign]


def assert_same_run(one: Path, other: Path) -> None:
    """Compare everything two runs left but the times took."""
    for name in ("values", "positions", "rounds", "windows"):
        frames = [
            pd.read_csv(out / f"{name}.csv").drop(columns=WORK, errors="ignore")
            for out in (one, other)
        ]
        assert_frame_equal(*frames, check_exact=True)
    weights = [torch.load(out / "last.pt", weights_only=True) for out in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


if __name__ == "__main__":
    data, out, name, at, devices, batch = sys.argv[1:]
    if int(at):
        kill_at(int(at))
    spread = Compute(accelerator="cpu", precision="32-true", threads=1, devices=int(devices))
    run(Path(data), Path(out), name, spread, int(batch))
