import numpy as np
import pytest

from weakseg.metrics import dice
from weakseg.online.annotation import Annotation
from weakseg.online.effort import boundary_by_slice
from weakseg.online.oracle import FullAnnotation, Oracle, Request
from weakseg.online.stopping import Reason, Stop, mean_residual, reached, slices_to_reach

SHAPE = (8, 12, 12)
NEVER = Stop(rounds=99, effort=None)


def cylinder() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[1:7, 3:9, 3:9] = True
    return mask


def asked(
    stop: Stop,
    done: int = 1,
    slices: int = 1,
    proxy: np.ndarray | None = None,
    probs: np.ndarray | None = None,
    user: Oracle | None = None,
) -> Reason | None:
    """Ask after ``slices`` drawn ones; front and back end are the object unless told."""
    oracle = (user or Oracle()).meets(cylinder(), (0,))
    annotation = oracle.answer(Request(tuple((0, 1 + i) for i in range(slices))), Annotation(SHAPE))
    front = cylinder().astype(float) if proxy is None else proxy
    back = front if probs is None else probs
    return reached(stop, done, annotation=annotation, proxy=front, probs=back, user=oracle)


def test_rounds_end_a_case() -> None:
    assert [asked(Stop(rounds=3, effort=None), done) for done in (1, 2, 3)] == [
        None, None, "rounds",
    ]  # fmt: skip


def test_a_rule_that_is_off_never_ends_a_case() -> None:
    assert asked(NEVER, slices=6) is None


def test_effort_ends_a_case_at_its_share_of_the_drawn_boundary() -> None:
    assert boundary_by_slice(cylinder(), 0).sum() == 6 * 20
    for share, wanted in ((0.5, "effort"), (0.51, None)):
        assert asked(Stop(rounds=99, effort=share), slices=3) == wanted


def test_the_share_is_of_the_proxy_not_of_the_hidden_reference() -> None:
    half = cylinder().astype(float)
    half[4:] = 0
    assert asked(Stop(rounds=99, effort=0.6), slices=2, proxy=half) == "effort"
    assert asked(Stop(rounds=99, effort=0.6), slices=2) is None


def test_boundary_pixels_end_a_case() -> None:
    for limit, wanted in ((40, "effort"), (41, None)):
        assert asked(Stop(rounds=99, effort=None, boundary=limit), slices=2) == wanted


def test_an_empty_answer_spends_nothing() -> None:
    user = Oracle(miss=1.0)
    assert asked(Stop(rounds=99, effort=0.1, boundary=1), slices=6, user=user) is None


def test_agreement_of_both_ends_ends_a_case() -> None:
    probs = cylinder() * 0.9
    for limit, wanted in ((0.11, "residual"), (0.09, None)):
        stop = Stop(rounds=99, effort=None, residual=limit)
        assert asked(stop, probs=probs) == wanted


def test_the_residual_is_a_mean_over_the_union_of_both_ends() -> None:
    proxy, probs = np.zeros((2, 1, 2, 2))
    proxy[0, 0] = 1, 0.6
    probs[0, :, 1] = 0.2, 0.8
    assert mean_residual(proxy, probs) == pytest.approx((1 + 0.4 + 0.8) / 3)


def test_agreement_on_nothing_does_not_end_a_case() -> None:
    nothing = np.zeros(SHAPE)
    assert asked(Stop(rounds=9, effort=None, residual=0.05), proxy=nothing) is None
    assert asked(Stop(rounds=1, effort=None, residual=0.05), proxy=nothing) == "rounds"


def test_a_network_that_is_not_a_number_does_not_end_a_case() -> None:
    stop = Stop(rounds=99, effort=None, residual=0.05)
    assert asked(stop, probs=np.full(SHAPE, np.nan)) is None


def test_without_a_proxy_only_what_needs_none_ends_a_case() -> None:
    user, nothing = Oracle(target=0.0).meets(cylinder(), (0,)), Annotation(SHAPE)
    rules = {"annotation": nothing, "proxy": None, "probs": cylinder(), "user": user}
    assert reached(Stop(residual=1.0), 0, **rules) is None
    assert reached(Stop(rounds=0), 0, **rules) == "rounds"
    assert reached(Stop(effort=0.0), 0, **rules) == "effort"
    assert reached(Stop(boundary=0), 0, **rules) == "effort"


def test_a_case_ends_in_the_first_round_that_satisfies_the_user_never_later() -> None:
    user, annotation = Oracle(target=0.75).meets(cylinder(), (0,)), Annotation(SHAPE)
    for number in range(1, 7):
        annotation = user.answer(Request(((0, number),)), annotation)
        proxy = annotation.overwrite(np.zeros(SHAPE))
        why = reached(NEVER, number, annotation=annotation, proxy=proxy, probs=proxy, user=user)
        assert (why == "satisfied") == (dice(proxy > 0.5, cylinder()) > 0.75)
        if why:
            break
    assert number == 4


def test_full_annotation_ends_after_one_round() -> None:
    user = FullAnnotation().meets(cylinder(), (0,))
    annotation = user.answer(Request(), Annotation(SHAPE))
    proxy = annotation.overwrite(np.zeros(SHAPE))
    why = reached(NEVER, 1, annotation=annotation, proxy=proxy, probs=proxy, user=user)
    assert why == "satisfied"


def test_rules_but_the_users_see_no_reference() -> None:
    stop = Stop(rounds=2, effort=0.4, residual=0.05)
    proxy = cylinder().astype(float)
    for done in (1, 2):
        whys = set()
        for reference in (cylinder(), ~cylinder(), np.zeros(SHAPE, bool)):
            user = Oracle().meets(reference, (0,))
            state = {"annotation": Annotation(SHAPE), "proxy": proxy, "probs": 1 - proxy}
            whys.add(reached(stop, done, user=user, **state))
        assert len(whys) == 1


@pytest.mark.parametrize("wrong", ["rounds", "effort", "boundary", "residual"])
def test_limits_below_zero_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Stop(**{wrong: -1})


def test_the_number_of_slices_is_that_of_the_first_round_at_the_dice() -> None:
    curve = [(3, 0.7), (1, 0.2), (6, 0.85), (9, 0.8), (12, 0.95)]
    assert [slices_to_reach(curve, theta) for theta in (0.2, 0.8, 0.85, 0.9)] == [1, 6, 6, 12]


def test_a_dice_never_reached_takes_no_number_of_slices() -> None:
    assert slices_to_reach([(1, 0.5)], 0.8) is None
    assert slices_to_reach([], 0.8) is None
