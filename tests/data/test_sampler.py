from collections import Counter
from itertools import chain

import pytest

from weakseg.data.sampler import Draw, DrawSampler


def batches(step: int, *, interval: int = 5, size: int = 13, seed: int = 3, **ranks: int):
    return list(DrawSampler(size, 4, interval, seed, lambda: step, **ranks))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    assert batches(5, interval=5) == batches(0, interval=10)[5:]
    assert batches(0) != batches(0, seed=4)


@pytest.mark.parametrize("step", [1, 4, 7])
def test_an_interval_is_continued_from_its_middle(step: int) -> None:
    whole = batches(step - step % 5)
    assert batches(step) == whole[step % 5 :]


def test_every_slice_is_drawn_once_in_each_permutation() -> None:
    draws: list[Draw] = list(chain.from_iterable(batches(0, interval=26)))
    assert [number for _, number in draws] == list(range(104))
    for start in range(0, 104, 13):
        assert sorted(index for index, _ in draws[start : start + 13]) == list(range(13))
    assert [i for i, _ in draws[:13]] != [i for i, _ in draws[13:26]]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_share_each_batch_out(world: int) -> None:
    whole = batches(0)
    parts = [batches(0, rank=rank, world=world) for rank in range(world)]
    for step, batch in enumerate(whole):
        shared = Counter(chain.from_iterable(part[step] for part in parts))
        assert shared == Counter(batch)
        assert {len(part[step]) for part in parts} == {4 // world}


def test_iterating_again_goes_on_where_training_stands() -> None:
    step = 0
    sampler = DrawSampler(13, 4, 5, 3, lambda: step)
    assert len(sampler) == 5
    first = list(sampler)
    step = 5
    assert first + list(sampler) == batches(0, interval=10)


def test_a_batch_that_devices_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 4 cannot be shared equally by 3 devices"):
        DrawSampler(13, 4, 5, 3, lambda: 0, world=3)


def test_f12_an_empty_training_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no slice"):
        DrawSampler(0, 4, 5, 3, lambda: 0)
