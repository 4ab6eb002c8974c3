from typing import get_args

import numpy as np
import pytest

from weakseg.online.smoothing import Schedule, Smoothing, target

SHAPE = (4, 5, 6)
SCHEDULES = get_args(Schedule)


def maps(seed=0):
    """A prediction, a soft proxy, drawn voxels with hard values in the proxy, a confidence."""
    random = np.random.default_rng(seed)
    before, proxy, confidence = (random.random(SHAPE, np.float32) for _ in range(3))
    drawn = np.zeros(SHAPE, bool)
    drawn[1], drawn[:, :, 2] = True, True
    proxy[drawn] = proxy[drawn] > 0.5
    return before, proxy, drawn, confidence


def mixed(config, seen=7, total=20, warm=3):
    before, proxy, drawn, confidence = maps()
    return target(
        config, before=before, proxy=proxy, drawn=drawn, seen=seen, total=total, warm=warm,
        confidence=confidence,
    )  # fmt: skip


def w(schedule, seen, total=20, warm=0, **options):
    return Smoothing(schedule=schedule, **options).share(seen=seen, total=total, warm=warm)


@pytest.mark.parametrize("dilute", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_targets_are_probabilities(schedule, dilute):
    for seen in (1, 2, 10, 20):
        got = mixed(Smoothing(schedule=schedule, dilute_drawn=dilute), seen)
        assert got.dtype == np.float32
        assert got.shape == SHAPE
        assert got.min() >= 0
        assert got.max() <= 1


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_the_user_drew_is_never_diluted(schedule):
    _, proxy, drawn, _ = maps()
    for seen in (1, 2, 10, 20):
        np.testing.assert_array_equal(
            mixed(Smoothing(schedule=schedule), seen)[drawn], proxy[drawn]
        )


def test_the_released_code_dilutes_what_the_user_drew():
    before, proxy, drawn, _ = maps()
    got = mixed(Smoothing(schedule="constant", constant=0.75, dilute_drawn=True))
    np.testing.assert_allclose(got[drawn], (0.25 * before + 0.75 * proxy)[drawn], rtol=1e-6)


@pytest.mark.parametrize(
    "config",
    [Smoothing(schedule="none"), Smoothing(schedule="constant", constant=1, dilute_drawn=True)],
)
def test_a_share_of_one_is_the_proxy_bit_for_bit(config):
    np.testing.assert_array_equal(mixed(config), maps()[1])


def test_a_share_of_zero_is_the_previous_model_bit_for_bit():
    config = Smoothing(schedule="constant", constant=0, dilute_drawn=True)
    np.testing.assert_array_equal(mixed(config), maps()[0])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_first_case_is_not_mixed(schedule):
    config = Smoothing(schedule=schedule, dilute_drawn=True)
    np.testing.assert_array_equal(mixed(config, seen=1), maps()[1])


def test_the_spatial_share_is_the_confidence_of_each_voxel():
    before, proxy, _, confidence = maps()
    got = mixed(Smoothing(schedule="spatial", dilute_drawn=True))
    np.testing.assert_allclose(got, (1 - confidence) * before + confidence * proxy, rtol=1e-5)


def test_a_hard_mask_is_accepted_as_the_proxy():
    before, proxy, drawn, _ = maps()
    config = Smoothing(schedule="none")
    got = target(config, before=before, proxy=proxy > 0.5, drawn=drawn, seen=3, total=None, warm=0)
    np.testing.assert_array_equal(got, proxy > 0.5)


def test_a_proxy_beside_one_by_rounding_gives_a_target_of_one():
    before, proxy, drawn, _ = maps()
    proxy[...] = np.float32(1) + np.finfo(np.float32).eps
    for seen in (1, 9):
        got = target(
            Smoothing(), before=before, proxy=proxy, drawn=drawn, seen=seen, total=None, warm=0
        )
        assert got.max() == 1


def test_arguments_are_left_as_they_were():
    before, proxy, drawn, _ = maps()
    got = target(Smoothing(), before=before, proxy=proxy, drawn=drawn, seen=1, total=None, warm=0)
    got[...] = 0
    np.testing.assert_array_equal(proxy, maps()[1])


def test_schedules_have_the_values_of_the_spec():
    assert w("sigmoid", 2) == pytest.approx(0.8808, abs=1e-4)
    assert w("sigmoid", 5) > 0.99
    assert w("sigmoid-online", 11, warm=10) == w("sigmoid", 2)
    assert w("scaled-sigmoid", 10) == 0.5
    assert w("scaled-sigmoid", 0) == pytest.approx(0.12, abs=0.01)
    assert w("scaled-sigmoid", 20) == pytest.approx(0.88, abs=0.01)
    assert w("inverse-scaled-sigmoid", 20) == pytest.approx(0.12, abs=0.01)


def test_ours_falls_in_a_straight_line_to_its_floor():
    assert [w("ours", n) for n in (1, 11, 21, 60)] == pytest.approx([1, 0.85, 0.7, 0.7])
    assert w("ours", 9, floor=0.2, ramp=4) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", ["scaled-sigmoid", "inverse-scaled-sigmoid"])
def test_a_schedule_over_the_stream_needs_its_length(schedule):
    with pytest.raises(ValueError, match="length of the stream"):
        w(schedule, 3, total=None)


def test_the_spatial_schedule_needs_a_confidence():
    before, proxy, drawn, _ = maps()
    config = Smoothing(schedule="spatial")
    with pytest.raises(ValueError, match="confidence"):
        target(config, before=before, proxy=proxy, drawn=drawn, seen=3, total=9, warm=0)


@pytest.mark.parametrize("name", ["before", "proxy", "confidence"])
@pytest.mark.parametrize("bad", [np.full(SHAPE, np.nan), np.full(SHAPE, 1.01), np.zeros((4, 5, 7))])
def test_refuses_maps_that_are_no_probabilities_of_the_case(name, bad):
    before, proxy, drawn, confidence = maps()
    given = {"before": before, "proxy": proxy, "confidence": confidence, name: bad}
    with pytest.raises(ValueError, match=name):
        target(Smoothing(schedule="spatial"), **given, drawn=drawn, seen=3, total=9, warm=0)


@pytest.mark.parametrize(
    "wrong", [{"schedule": "cosine"}, {"constant": 1.1}, {"floor": -0.1}, {"ramp": 0}]
)
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        Smoothing(**wrong)
