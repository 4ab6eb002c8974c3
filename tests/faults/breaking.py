"""Faults that a worker applies to itself: a signal at one moment, a disk that is full."""

import os
from dataclasses import dataclass
from typing import Any

import lightning

import weakseg.evaluate
import weakseg.train
from weakseg.segmenter import Segmenter

MOMENTS = {
    "step": (Segmenter, "training_step"),
    "validation": (Segmenter, "validation_step"),
    "scoring": (weakseg.evaluate, "predict"),
    "backward": (Segmenter, "backward"),
}


@dataclass(frozen=True)
class Signal:
    """Send ``signal`` to the own process at the ``count``-th call (from 1) of a moment."""

    moment: str
    count: int
    signal: int

    def __call__(self) -> None:
        owner, name = MOMENTS[self.moment]
        plain, calls = getattr(owner, name), [0]

        def struck(*args: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == self.count:
                os.kill(os.getpid(), self.signal)
            return plain(*args, **options)

        setattr(owner, name, struck)


@dataclass(frozen=True)
class HalfWritten:
    """Write half of the ``count``-th checkpoint, then die or run out of disk."""

    count: int
    signal: int | None

    def __call__(self) -> None:
        plain, calls = lightning.Trainer.save_checkpoint, [0]

        def half(trainer: lightning.Trainer, path: Any, *args: Any, **options: Any) -> None:
            plain(trainer, path, *args, **options)
            calls[0] += 1
            if calls[0] == self.count:
                with open(path, "rb+") as file:
                    file.truncate(os.path.getsize(path) // 2)
                if self.signal is None:
                    raise OSError(28, "No space left on device", str(path))
                os.kill(os.getpid(), self.signal)

        lightning.Trainer.save_checkpoint = half


@dataclass(frozen=True)
class Noted:
    """Note each training that starts, by the name of its directory."""

    path: str

    def __call__(self) -> None:
        import benchmarks.runner

        plain = benchmarks.runner.fit_and_test

        def noted(*args: Any, out: Any, **options: Any) -> Any:
            with open(self.path, "a") as file:
                file.write(f"{out.name}\n")
            return plain(*args, out=out, **options)

        benchmarks.runner.fit_and_test = noted
