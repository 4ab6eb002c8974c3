"""Everything that is measured on a stream; apart from the users, the one place with references."""

import io
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from weakseg.data.volumes import Volume
from weakseg.metrics import case_metrics, dice
from weakseg.online.effort import Effort, effort, full_effort
from weakseg.online.interact import Round
from weakseg.results import (
    FULL_COST,
    POSITIONS,
    ROUNDS,
    RUN_CASES,
    SPENT,
    WINDOWS,
    write_bytes,
    write_csv,
)

Probs = NDArray[np.float32]


class Journal:
    """Scores of one run, kept as plain rows so that an interrupted run goes on with them.

    Args:
        stream: the cases that arrive, in order.
        test: the fixed test set.
        cls: name of the class.
        out: directory of the run.
    """

    def __init__(
        self, stream: Sequence[Volume], test: Sequence[Volume], cls: str, out: Path
    ) -> None:
        self.stream, self.test, self.cls, self.out = list(stream), list(test), cls, out
        self.shown = (len(self.stream) + 1) // 2
        self.rounds: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.initial: list[float] = []
        self.best: list[float] = []
        self.tested: dict[int, list[tuple[float, float]]] = {}

    def begin(self, probs: Sequence[Probs]) -> None:
        """Score the untrained network on every case of the stream."""
        self.initial = [soft_dice(p, v.reference) for p, v in zip(probs, self.stream, strict=True)]
        self.best = [float("nan")] * len(self.stream)

    def round(self, position: int, done: Round, keep: bool = True) -> None:
        """Score one round of the case at ``position``, from 1; keep its arrays for the figure."""
        volume = self.stream[position - 1]
        if keep and position == self.shown:
            self._keep(done)
        cost = effort(done.progress.annotation, volume.spacing)
        residual = float("nan") if done.residual is None else float(done.residual.mean())
        self.rounds.append(
            {
                "position": position,
                "round": done.progress.round,
                "case": volume.name,
                "front": dice(done.proxy.hard, volume.reference),
                "back": dice(done.back > 0.5, volume.reference),
                "agreement": dice(done.proxy.hard, done.back > 0.5),
                "residual": residual,
                **dict(zip(SPENT, _counts(cost), strict=True)),
                "pairs": done.proxy.pairs,
                "folding": done.proxy.folding,
                "fallbacks": len(done.proxy.fallbacks),
                "round_seconds": done.asked_seconds,
                "learn_seconds": done.learn_seconds,
            }
        )

    def position(
        self, position: int, before: Probs, after: Probs, seconds: float | None = None
    ) -> None:
        """Close the case at ``position``: its scores before and after it was learnt from.

        ``seconds`` are those of learning where there were no rounds.
        """
        volume = self.stream[position - 1]
        mine = [row for row in self.rounds if row["position"] == position]
        post = soft_dice(after, volume.reference)
        self.best[position - 1] = post
        full = _counts(full_effort(volume.reference, volume.spacing))
        spent = [mine[-1][name] for name in SPENT] if mine else full
        self.positions.append(
            {
                "position": position,
                "case": volume.name,
                "initial": self.initial[position - 1],
                "pre": soft_dice(before, volume.reference),
                "post": post,
                "pre_hard": dice(before > 0.5, volume.reference),
                "proxy": mine[-1]["front"] if mine else 1.0,
                "rounds": len(mine),
                **dict(zip(SPENT, spent, strict=True)),
                **dict(zip(FULL_COST, full, strict=True)),
                "learn_seconds": seconds or sum(row["learn_seconds"] for row in mine),
                "round_seconds": sum(row["round_seconds"] for row in mine),
                "memory_mb": peak_memory(),
            }
        )

    def evaluate(self, position: int, probs: Sequence[Probs]) -> None:
        """Score the test set after ``position`` cases."""
        self.tested[position] = [
            (soft_dice(p, v.reference), dice(p > 0.5, v.reference))
            for p, v in zip(probs, self.test, strict=True)
        ]

    def review(self, probs: Sequence[Probs], keep: bool = True) -> list[float]:
        """Return the soft Dice of the first cases of the stream; keep the best so far if asked."""
        scores = [
            soft_dice(p, v.reference) for p, v in zip(probs, self.stream[: len(probs)], strict=True)
        ]
        for index, score in enumerate(scores if keep else ()):
            self.best[index] = max(self.best[index], score)
        return scores

    def state(self) -> dict[str, Any]:
        """Return plain values to save."""
        names = ("rounds", "positions", "initial", "best", "tested")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the record up again."""
        for name, value in state.items():
            setattr(self, name, value)

    def so_far(self) -> dict[str, float]:
        """Return the latest Dice and the effort so far as a share of full annotation."""
        told: dict[str, float] = {}
        if self.tested:
            told["test dice"] = float(np.mean([hard for _, hard in self.tested[max(self.tested)]]))
        if self.rounds:
            told["proxy"] = self.rounds[-1]["front"]
        full = sum(row["full_boundary"] for row in self.positions)
        if full:
            told["effort"] = sum(row["boundary"] for row in self.positions) / full
        return told

    def write(
        self, last: Sequence[float], test: Sequence[Probs], window: int, ends: Sequence[int]
    ) -> pd.DataFrame:
        """Write ``positions.csv``, ``rounds.csv``, ``windows.csv`` and, last, ``values.csv``.

        Args:
            last: soft Dice of each case of the stream at the end.
            test: predictions of the test set at the end.
            window: positions of the running average.
            ends: positions where windows end.

        Returns:
            ``values.csv``: a line per test case, Dice averaged over the last window, distances
            of the last prediction.
        """
        positions = pd.DataFrame(self.positions)
        positions["best"] = self.best[: len(positions)]
        positions["last"] = last
        scores = {at: np.mean(found, axis=0) for at, found in self.tested.items()}
        for column, index in (("test_soft", 0), ("test_hard", 1)):
            means = {at: score[index] for at, score in scores.items()}
            positions[column] = positions["position"].map(means)
        write_csv(self.out / "positions.csv", positions[list(POSITIONS)])
        write_csv(self.out / "rounds.csv", pd.DataFrame(self.rounds, columns=list(ROUNDS)))
        windows = pd.DataFrame(
            [line for end in ends for line in self._window(end, window)], columns=list(WINDOWS)
        )
        write_csv(self.out / "windows.csv", windows)
        values = self._values(test, windows[windows["end"] == max(ends)])
        self._bundle()
        write_csv(self.out / "values.csv", values)
        for part in self.out.glob("case-*.npz"):
            part.unlink()
        return values

    def _keep(self, done: Round) -> None:
        """Save the arrays of a round of the case that is shown in the figures."""
        arrays = {
            "drawn": done.progress.annotation.drawn(),
            "proxy": done.proxy.soft,
            "prediction": done.after,
            "residual": np.full_like(done.back, np.nan) if done.residual is None else done.residual,
        }
        _save_arrays(self.out / f"case-{done.progress.round}.npz", arrays)

    def _bundle(self) -> None:
        """Join the arrays of the case that is shown in ``case.npz``: ``proxy_1`` and so on."""
        volume = self.stream[self.shown - 1]
        arrays: dict[str, NDArray[Any]] = {"image": volume.image, "reference": volume.reference}
        for part in sorted(self.out.glob("case-*.npz")):
            number = part.stem.removeprefix("case-")
            with np.load(part) as kept:
                arrays |= {f"{name}_{number}": kept[name] for name in kept.files}
        _save_arrays(self.out / "case.npz", arrays)

    def _window(self, end: int, window: int) -> list[tuple[object, ...]]:
        """Return the mean soft and hard Dice of each test case over the window that ends there."""
        inside = [at for at in self.tested if end - window < at <= end]
        means = np.nanmean([self.tested[at] for at in inside], axis=0)
        return [
            (end, volume.name, volume.patient, soft, hard)
            for volume, (soft, hard) in zip(self.test, means.tolist(), strict=True)
        ]

    def _values(self, test: Sequence[Probs], window: pd.DataFrame) -> pd.DataFrame:
        hard = dict(zip(window["case"], window["hard"], strict=True))
        lines = []
        for probs, volume in zip(test, self.test, strict=True):
            masks = (probs > 0.5).astype(np.uint8), volume.reference.astype(np.uint8)
            (record,) = case_metrics(*masks, volume.spacing, (self.cls,))
            scores = {**record._asdict(), "class": self.cls, "dice": hard[volume.name]}
            about = {"case": volume.name, "patient": volume.patient, "group": volume.group}
            lines.append({"selection": "last", "split": "test", **about, **scores})
        return pd.DataFrame(lines)[list(RUN_CASES)]


def soft_dice(probs: Probs, reference: NDArray[np.bool_]) -> float:
    """Return 2 sum(b y) / max(sum(b) + sum(y), 1e-6) of probabilities b, not thresholded (code).

    Example:
        >>> soft_dice(np.full((1, 1, 2), 0.5, np.float32), np.array([[[True, False]]]))
        0.5
    """
    size = float(probs.sum(dtype=np.float64)) + np.count_nonzero(reference)
    return float(2 * probs[reference].sum(dtype=np.float64) / max(size, 1e-6))


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    write_bytes(path, packed.getvalue())


def peak_memory() -> float:
    """Return the most memory used so far, MB: of the GPU where there is one, else the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _counts(cost: Effort) -> list[float]:
    """Return an effort in the order of ``SPENT``."""
    return [cost.boundary, cost.slices, cost.actions, cost.contour_mm, cost.seconds]
