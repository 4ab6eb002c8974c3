"""Which cases of a stream come first, which are learnt from one by one, which only test."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from numpy.random import RandomState


class StreamOrder(NamedTuple):
    """Case names: to warm up on, to stream in this order, and to test on after each.

    ``dropped`` are cases that no part may use, since their patient is tested on.
    """

    pool_a: tuple[str, ...]
    stream: tuple[str, ...]
    test: tuple[str, ...]
    dropped: tuple[str, ...] = ()


def stream_order(
    names: Iterable[str],
    *,
    pool_a: int,
    pool_b: int,
    test: int,
    split_seed: int = 42,
    order_seed: int = 1,
    patients: Mapping[str, str] | None = None,
) -> StreamOrder:
    """Order the cases as the released code of MSMT (ECCV workshops 2022) does.

    Names are sorted as strings and shuffled with ``split_seed`` by NumPy's legacy generator; the
    first ``pool_a + pool_b`` are the pool, the next ``test`` are tested on, the rest is unused.
    The pool is shuffled again with ``order_seed``. So the test cases depend on names, sizes and
    the split seed only.

    Args:
        names: of all cases; their order does not matter.
        pool_a: number of cases to warm up on.
        pool_b: number of cases to stream.
        test: number of cases to test on.
        split_seed: decides who is tested on.
        order_seed: decides the order of arrival; the released code has 1. Negative: the pool
            stays as the first shuffle left it.
        patients: the patient of each case. Where given, cases of the pool are dropped if their
            patient is tested on, which the released code does not look at (our choice). Without
            such patients it changes nothing.

    Raises:
        ValueError: a name occurs twice, a size or the split seed is negative, or there are fewer
            cases than asked for.

    Example:
        >>> order = stream_order("edcba", pool_a=1, pool_b=2, test=2)
        >>> order.pool_a, order.stream, order.test
        (('b',), ('c', 'e'), ('a', 'd'))
    """
    ordered = sorted(names)
    wanted = pool_a + pool_b + test
    if len(set(ordered)) < len(ordered):
        raise ValueError(f"a case occurs twice among {len(ordered)}; expected different names")
    if min(pool_a, pool_b, test, split_seed) < 0:
        raise ValueError(
            f"pool_a, pool_b, test and split_seed must be at least 0, got {pool_a}, {pool_b}, "
            f"{test} and {split_seed}"
        )
    if wanted > len(ordered):
        raise ValueError(
            f"{pool_a} + {pool_b} + {test} = {wanted} cases are asked for, there are {len(ordered)}"
        )
    RandomState(split_seed).shuffle(ordered)
    pool, tested = ordered[: pool_a + pool_b], ordered[pool_a + pool_b : wanted]
    if order_seed >= 0:
        RandomState(order_seed).shuffle(pool)
    held_out = {patients[name] for name in tested} if patients else set()
    dropped = [name for name in pool if patients and patients[name] in held_out]
    parts = (pool[:pool_a], pool[pool_a:])
    kept = [tuple(name for name in part if name not in dropped) for part in parts]
    return StreamOrder(kept[0], kept[1], tuple(tested), tuple(dropped))
