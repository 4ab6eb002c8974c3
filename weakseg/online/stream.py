"""Cases one by one, in an order that depends on the names and two seeds only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from weakseg.data.volumes import Volume
from weakseg.online.interact import StreamCase
from weakseg.online.oracle import FullAnnotation, Oracle


class Stream(TorchDataset[StreamCase]):
    """The cases of a stream from some position on.

    The reference of a case goes into its user and nowhere else.
    """

    def __init__(
        self,
        volumes: Mapping[str, Volume],
        order: Sequence[str],
        oracle: Oracle | FullAnnotation,
        seed: int,
        start: int = 0,
    ) -> None:
        self.volumes, self.order, self.oracle = volumes, tuple(order), oracle
        self.seed, self.start = seed, start

    def __len__(self) -> int:
        return len(self.order) - self.start

    def __getitem__(self, index: int) -> StreamCase:
        """Return the case ``index`` places after the start."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        name = self.order[self.start + index]
        volume = self.volumes[name]
        user = self.oracle.meets(volume.reference, (self.seed, "user", name))
        return StreamCase(self.start + index + 1, name, volume.image, volume.spacing, user)


class StreamDataModule(lightning.LightningDataModule):
    """One case per step, in order, from where the learner stands.

    Args:
        stream: all cases.
        done: returns the number of cases that are finished.
    """

    def __init__(self, stream: Stream, done: Callable[[], int]) -> None:
        super().__init__()
        self.stream, self.done = stream, done

    def train_dataloader(self) -> DataLoader[StreamCase]:
        """Return the cases that are left."""
        stream = self.stream
        left = Stream(stream.volumes, stream.order, stream.oracle, stream.seed, self.done())
        return DataLoader(left, batch_size=None, collate_fn=_as_is)


def _as_is(case: Any) -> Any:
    return case
