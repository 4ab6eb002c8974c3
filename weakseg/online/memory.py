"""Replay memory: which earlier cases are learned again beside the present one.

"Released code" is that of Tian, Yang & Gao (MSMT, ECCV workshops 2022), which Tian, Chen & Gao
(arXiv 2312.06072) build on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from weakseg.seeding import Key, generator

Law = Literal["reservoir", "random-drop", "fifo", "all"]
Favour = Literal["uniform", "agreement", "residual"]

_UNRATED = 0.5
"""Residual of a case that was never rated; it counts the same under either preference."""


class Sample(NamedTuple):
    """A case as it was last learned; nothing of it is computed again later.

    ``image`` is float32 [M, D, H, W]; ``target``, in [0, 1], and ``weight``, at least 0, are
    float32 [D, H, W]. ``position`` is the case's place in the stream, from 1.
    """

    name: str
    position: int
    image: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How many cases are kept, by which law, and how those of a round are drawn.

    Laws, with M = ``size``:

    * "reservoir" (Vitter, ACM TOMS 1985; our choice): after t cases each is held with M / t.
    * "random-drop" (released code): each round draws M of the M cases of the round before and
      the latest one, so a case k steps old is held with (M / (M + 1)) ** k.
    * "fifo" (our choice): the latest M cases.
    * "all" (joint training of the released code): every case; ``size`` does not count.

    A draw takes case s with probability in proportion to w_s ** ``alpha``, w_s being 1,
    1 - residual or residual for ``favour`` "uniform", "agreement" or "residual" (our choice).
    ``replayed`` cases of those held are drawn in each round, all by default. ``warm`` cases of the
    warm-up set are drawn beside them; the two never hold the same case twice, unlike in the
    released code.
    """

    law: Law = "reservoir"
    size: int = 4
    alpha: float = 0.0
    favour: Favour = "uniform"
    replayed: int | None = None
    warm: int = 0

    def __post_init__(self) -> None:
        if self.law not in get_args(Law) or self.favour not in get_args(Favour):
            raise ValueError(
                f"law must be one of {get_args(Law)} and favour one of {get_args(Favour)}, "
                f"got {self.law!r} and {self.favour!r}"
            )
        if min(self.size, self.warm, self.replayed or 0) < 0 or not 0 <= self.alpha < np.inf:
            raise ValueError(
                f"size, warm, replayed and alpha must be at least 0 and finite, got {self.size}, "
                f"{self.warm}, {self.replayed} and {self.alpha}"
            )
        if self.alpha and self.law != "random-drop" and self.replayed is None:
            raise ValueError(
                f"alpha {self.alpha} has no effect where nothing is drawn: set replayed"
            )

    def build(self) -> "Replay":
        """Return an empty memory."""
        return Replay(self)


class Replay:
    """The memory of one stream. Its arrays are copies that cannot be written to.

    Every random choice is a function of the key alone; keys are (seed, position, round) or alike.
    """

    def __init__(self, config: Memory) -> None:
        self.config = config
        self.seen = 0
        self._kept: list[Sample] = []
        self._warm: list[Sample] = []
        self._residuals: dict[str, float] = {}

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The cases in store: at most ``size``, and the latest one besides for "random-drop"."""
        return tuple(self._kept)

    def start(self, samples: Sequence[Sample], key: Key) -> None:
        """Take in the warm-up set, as if it had been streamed before the first case.

        "random-drop" starts with the whole set to draw from, as the released code does.
        """
        frozen = [_frozen(sample) for sample in samples]
        self._warm = frozen if self.config.warm else []
        if self.config.law == "random-drop" and self.config.size:
            self._kept, self.seen = frozen, len(frozen)
            return
        for sample in frozen:
            self.add(sample, (*key, sample.name))

    def add(self, sample: Sample, key: Key) -> None:
        """Put a case in memory, after its last round; a case held already is replaced.

        Args:
            sample: the case with the target and weights of its last round.
            key: that round's key, so that "random-drop" goes on with what the round replayed.

        Raises:
            ValueError: shapes do not fit, or a target outside [0, 1] or a negative weight.
        """
        sample = _frozen(sample)
        law, size = self.config.law, self.config.size
        for slot, held in enumerate(self._kept):
            if held.name == sample.name:
                self._kept[slot] = sample
                return
        self.seen += 1
        if law == "random-drop":
            self._kept = [*self._held(key), sample] if size else []
        elif law == "all" or len(self._kept) < size:
            self._kept.append(sample)
        elif law == "fifo":
            self._kept = [*self._kept, sample][1 : size + 1]
        elif (slot := int(generator(*key, "keep").integers(self.seen))) < size:
            self._kept[slot] = sample

    def working(self, key: Key) -> list[Sample]:
        """Return what a round replays, oldest store first; asking changes nothing."""
        held = self._held(key)
        count = self.config.replayed
        drawn = self._draw(held, len(held) if count is None else count, (*key, "replay"))
        names = {sample.name for sample in drawn}
        others = [sample for sample in self._warm if sample.name not in names]
        return drawn + self._draw(others, self.config.warm, (*key, "warm"))

    def rate(self, name: str, residual: float) -> None:
        """Note the mean |target - prediction| of a case, in [0, 1], for later draws.

        Raises:
            ValueError: it is not in [0, 1].
        """
        if not 0 <= residual <= 1:
            raise ValueError(f"the residual of {name} must be in [0, 1], got {residual}")
        self._residuals[name] = float(residual)

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values to save, see :meth:`restore`."""
        return {
            "seen": self.seen,
            "kept": [pack_sample(sample) for sample in self._kept],
            "warm": [pack_sample(sample) for sample in self._warm],
            "residuals": dict(self._residuals),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become the memory that :meth:`state` described."""
        self.seen = state["seen"]
        self._kept = [unpack_sample(packed) for packed in state["kept"]]
        self._warm = [unpack_sample(packed) for packed in state["warm"]]
        self._residuals = dict(state["residuals"])

    def _held(self, key: Key) -> list[Sample]:
        if self.config.law != "random-drop":
            return self._kept
        return self._draw(self._kept, self.config.size, (*key, "keep"))

    def _draw(self, samples: list[Sample], count: int, key: Key) -> list[Sample]:
        """Return ``count`` of the samples without replacement, in their order."""
        if count >= len(samples):
            return list(samples)
        # The largest log-weights plus Gumbel noise are a weighted draw without replacement.
        noise = generator(*key).gumbel(size=len(samples))
        best = np.argsort(-(self._log_weights(samples) + noise), kind="stable")[:count]
        return [samples[index] for index in sorted(best)]

    def _log_weights(self, samples: Iterable[Sample]) -> NDArray[np.float64]:
        residual = np.array([self._residuals.get(sample.name, _UNRATED) for sample in samples])
        weight = {"uniform": 1 + 0 * residual, "agreement": 1 - residual, "residual": residual}
        log: NDArray[np.float64] = np.log(np.clip(weight[self.config.favour], 1e-12, None))
        return self.config.alpha * log


def _frozen(sample: Sample) -> Sample:
    """Return a copy with read-only float32 arrays."""
    space = sample.image.shape[1:]
    if sample.image.ndim != 4 or not sample.target.shape == sample.weight.shape == space:
        raise ValueError(
            f"{sample.name}: expected an image [M, D, H, W] with a target and weights [D, H, W], "
            f"got {sample.image.shape}, {sample.target.shape} and {sample.weight.shape}"
        )
    if not ((sample.target >= 0) & (sample.target <= 1)).all() or not (sample.weight >= 0).all():
        raise ValueError(f"{sample.name}: targets must be in [0, 1] and weights at least 0")
    arrays = [np.array(array, np.float32) for array in sample[2:]]
    for array in arrays:
        array.flags.writeable = False
    return Sample(sample.name, sample.position, *arrays)


def pack_sample(sample: Sample) -> list[Any]:
    """Return tensors and plain values that :func:`unpack_sample` takes."""
    return [sample.name, sample.position, *(torch.tensor(array) for array in sample[2:])]


def unpack_sample(packed: Sequence[Any]) -> Sample:
    """Return the sample that :func:`pack_sample` described, read-only."""
    name, position, image, target, weight = packed
    return _frozen(Sample(name, position, image.numpy(), target.numpy(), weight.numpy()))
