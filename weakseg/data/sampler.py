"""Which slice is drawn when: a pure function of the seed and the draw's number."""

from collections.abc import Callable, Iterator

from torch.utils.data import Sampler

from weakseg.seeding import generator

Draw = tuple[int, int]
"""Index of a slice and the global number of its draw."""


class DrawSampler(Sampler[list[Draw]]):
    """Batches of draws for the steps of one interval, continued where training stands.

    Draw d takes entry d % size of a permutation seeded by (seed, d // size), so all slices are
    seen once before any is seen again. Each rank takes every world-th draw of the global batch,
    so that the batch of step i depends on (seed, i) only, however many devices share it.

    Args:
        size: number of slices.
        batch: draws per step over all devices.
        interval: steps from one validation to the next.
        seed: of the run.
        step: returns the optimisation step that comes next.
        rank: of this process.
        world: number of processes; must divide ``batch``.
    """

    def __init__(
        self,
        size: int,
        batch: int,
        interval: int,
        seed: int,
        step: Callable[[], int],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if size < 1:
            raise ValueError("there is nothing to draw from: the training set has no slice")
        if batch % world:
            raise ValueError(f"a batch of {batch} cannot be shared equally by {world} devices")
        self.size, self.batch, self.interval = size, batch, interval
        self.seed, self.step, self.rank, self.world = seed, step, rank, world
        self._order: tuple[int, list[int]] | None = None

    def __len__(self) -> int:
        return self.interval

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.step()
        last = (first // self.interval + 1) * self.interval
        for step in range(first, last):
            draws = range(step * self.batch + self.rank, (step + 1) * self.batch, self.world)
            yield [(self._index(draw), draw) for draw in draws]

    def _index(self, draw: int) -> int:
        epoch = draw // self.size
        if self._order is None or self._order[0] != epoch:
            order = generator(self.seed, "order", epoch).permutation(self.size)
            self._order = (epoch, order.tolist())
        return self._order[1][draw % self.size]
