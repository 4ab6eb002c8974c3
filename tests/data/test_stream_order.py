import numpy as np
import pytest

from weakseg.data.stream_order import stream_order

NAMES = [str(i) for i in range(80)]
NCI = {"pool_a": 0, "pool_b": 64, "test": 16}

# Sorted as strings, then numpy.random.RandomState(42).shuffle, then RandomState(1) on the first 64.
# fmt: off
STREAM = [
    4, 20, 22, 58, 16, 29, 67, 38, 11, 50, 49, 46, 26, 47, 30, 61, 37, 78, 69, 53, 52, 45, 57, 60,
    64, 32, 33, 74, 54, 8, 9, 79, 40, 13, 15, 6, 14, 51, 25, 70, 44, 23, 24, 48, 41, 59, 77, 17, 65,
    18, 68, 72, 19, 0, 75, 36, 5, 34, 39, 2, 12, 7, 43, 31,
]
TEST = [62, 66, 71, 42, 35, 1, 56, 28, 10, 3, 76, 27, 63, 73, 21, 55]
# fmt: on
STREAM, TEST = [str(i) for i in STREAM], [str(i) for i in TEST]


def test_the_published_order_of_eighty_cases_is_reproduced():
    order = stream_order(NAMES, **NCI)
    assert list(order.stream) == STREAM
    assert list(order.test) == TEST
    assert order.pool_a == order.dropped == ()


def test_the_order_is_that_of_the_global_legacy_generator():
    expected = sorted(NAMES)
    np.random.seed(7)
    np.random.shuffle(expected)
    order = stream_order(NAMES, **NCI, split_seed=7, order_seed=-1)
    assert [*order.stream, *order.test] == expected


def test_the_order_of_the_names_does_not_matter():
    assert stream_order(reversed(NAMES), **NCI) == stream_order(NAMES, **NCI)


@pytest.mark.parametrize("order_seed", [-1, 0, 2, 3])
def test_who_is_tested_on_depends_on_the_split_seed_only(order_seed):
    other = stream_order(NAMES, **NCI, order_seed=order_seed)
    assert list(other.test) == TEST
    assert sorted(other.stream) == sorted(STREAM) and list(other.stream) != STREAM
    assert list(stream_order(NAMES, **NCI, split_seed=43).test) != TEST


def test_the_first_of_the_shuffled_pool_warm_up():
    order = stream_order(NAMES, pool_a=10, pool_b=54, test=16)
    assert [*order.pool_a, *order.stream] == STREAM and len(order.pool_a) == 10


def test_no_case_is_in_two_parts_and_some_may_be_unused():
    order = stream_order(NAMES, pool_a=20, pool_b=30, test=10)
    used = [*order.pool_a, *order.stream, *order.test]
    assert len(used) == len(set(used)) == 60


def test_f20_cases_of_patients_who_are_tested_on_are_dropped():
    patients = {name: str(int(name) // 2) for name in NAMES}
    order = stream_order(NAMES, pool_a=10, pool_b=54, test=16, patients=patients)
    held_out = {patients[name] for name in TEST}
    assert list(order.test) == TEST
    assert order.dropped and all(patients[name] in held_out for name in order.dropped)
    kept = [*order.pool_a, *order.stream]
    assert kept == [name for name in STREAM if patients[name] not in held_out]


def test_patients_with_one_case_each_change_nothing():
    patients = {name: f"patient {name}" for name in NAMES}
    assert stream_order(NAMES, **NCI, patients=patients) == stream_order(NAMES, **NCI)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["a", "a", "b"]}, "occurs twice among 3"),
        ({"pool_b": 65}, r"0 \+ 65 \+ 16 = 81 cases are asked for, there are 80"),
        ({"test": -1}, "must be at least 0, got 0, 64, -1 and 42"),
    ],
)
def test_impossible_requests_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        stream_order(**{"names": NAMES, **NCI, **change})
