from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from weakseg.online.annotation import Annotation
from weakseg.online.growcut import GrowCut
from weakseg.online.guidance import Guidance, propose
from weakseg.online.interact import Round, StreamCase, full_sample, interact
from weakseg.online.memory import Sample
from weakseg.online.method import Interaction, OnlineMethod, window_ends
from weakseg.online.oracle import FullAnnotation, Oracle, Request, User
from weakseg.online.proxy import Propagation, propagate
from weakseg.online.smoothing import Smoothing
from weakseg.online.stopping import Stop

SHAPE = (8, 12, 12)
MARKED = Interaction(stop=Stop(rounds=3, effort=None))
METHOD = OnlineMethod(interaction=MARKED)


def ball(radius: float = 4.0) -> np.ndarray:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (2.0 * (z - 3.5)) ** 2 + (y - 5.5) ** 2 + (x - 5.5) ** 2 < radius**2


def case(position: int = 2, oracle: Oracle | FullAnnotation | None = None) -> StreamCase:
    reference = ball()
    user: User = (oracle or Oracle()).meets(reference, (0, "user"))
    rng = np.random.default_rng(0)
    image = (reference + 0.1 * rng.standard_normal(SHAPE)).astype(np.float32)[None]
    return StreamCase(position, "one", image, (2.0, 1.0, 1.0), user)


class Parrot:
    """A learner that predicts the mean of the targets it was taught, and keeps what it was told."""

    def __init__(self) -> None:
        self.taught: list[tuple[Sample, int, int]] = []

    def predict(self, image: np.ndarray) -> np.ndarray:
        targets = [sample.target for sample, _, _ in self.taught]
        return np.mean([np.full(SHAPE, 0.2, np.float32), *targets], axis=0).astype(np.float32)

    def learn(self, sample: Sample, round_number: int, updates: int) -> dict[str, float]:
        self.taught.append((sample, round_number, updates))
        return {"loss": float(len(self.taught))}


def go(method: OnlineMethod = METHOD, at: StreamCase | None = None) -> tuple[list[Round], Parrot]:
    learner = Parrot()
    rounds = list(interact(at or case(), learner, method, updates=9, total=10, seed=0))
    return rounds, learner


def test_the_loop_is_the_one_written_out_by_hand() -> None:
    """The target is the proxy here, so that everything can be said in ten lines."""
    at, learner, annotation = case(), Parrot(), Annotation(SHAPE)
    plain = replace(METHOD, smoothing=Smoothing(schedule="none"))
    before, front, targets = learner.predict(at.image), None, []
    annotation = at.user.answer(Request(ends=(0,)), annotation)
    for number in (1, 2, 3):
        slices = propose(
            Guidance(), proxy=front, probs=learner.predict(at.image), before=before,
            annotation=annotation, axes=(0,), each=1, allowed=at.user.allowed,
            key=(0, "propose", "one", number),
        )  # fmt: skip
        annotation = at.user.answer(Request(slices), annotation)
        front = propagate(at.image, annotation, Propagation()).soft
        targets.append(front)
        learner.learn(Sample("one", 2, at.image, front, front), number, 3 * number)
    rounds, other = go(plain)
    assert [updates for _, _, updates in other.taught] == [3, 6, 9]
    for target, (sample, _, _) in zip(targets, other.taught, strict=True):
        np.testing.assert_array_equal(sample.target, target)
    assert [m[:2] for m in rounds[-1].progress.annotation.marks] == [
        m[:2] for m in annotation.marks
    ]


def test_each_round_adds_slices_and_none_is_asked_for_twice() -> None:
    rounds, _ = go()
    assert [len(done.progress.annotation.marks) for done in rounds] == [1, 2, 3]
    asked = [mark[:2] for mark in rounds[-1].progress.annotation.marks]
    assert len(set(asked)) == len(asked)


def test_a_case_ends_when_no_slice_is_left_to_ask_for() -> None:
    many = replace(MARKED, each=5, stop=Stop(rounds=9, effort=None))
    rounds, _ = go(replace(METHOD, interaction=many))
    first, last = rounds[0].progress.annotation.bounds(0)
    assert len(rounds) == 1 + (last - first + 1 > 5)
    assert len(rounds[-1].progress.annotation.marks) == last - first + 1


def test_a_case_goes_on_where_it_was_interrupted() -> None:
    whole, _ = go()
    learner = Parrot()
    first = next(interact(case(), learner, METHOD, updates=9, total=10, seed=0))
    rest = list(
        interact(case(), learner, METHOD, updates=9, total=10, seed=0, begun=first.progress)
    )
    assert [done.progress.round for done in rest] == [2, 3]
    for one, other in zip(rest, whole[1:], strict=True):
        np.testing.assert_array_equal(one.sample.target, other.sample.target)
        np.testing.assert_array_equal(one.proxy.soft, other.proxy.soft)


def test_a_finished_case_that_is_taken_up_again_asks_for_nothing() -> None:
    rounds, learner = go()
    again = interact(
        case(), learner, METHOD, updates=9, total=10, seed=0, begun=rounds[-1].progress
    )
    assert list(again) == []


def test_a_satisfied_user_ends_the_case_in_the_first_round_that_satisfies() -> None:
    keen = replace(MARKED, user=Oracle(target=0.5), stop=Stop(rounds=9, effort=None))
    rounds, _ = go(replace(METHOD, interaction=keen), case(oracle=Oracle(target=0.5)))
    fronts = [done.proxy.soft for done in rounds]
    user = case(oracle=Oracle(target=0.5)).user
    assert [user.satisfied(front, front) for front in fronts] == [False] * (len(fronts) - 1) + [
        True
    ]


def test_full_annotation_is_one_round_on_the_exact_mask_with_all_updates() -> None:
    rounds, learner = go(OnlineMethod(), case(position=1, oracle=FullAnnotation()))
    ((sample, number, updates),) = learner.taught
    assert (len(rounds), number, updates) == (1, 1, 9)
    np.testing.assert_array_equal(sample.target, ball().astype(np.float32))


def test_offline_samples_are_the_exact_mask() -> None:
    sample = full_sample(case(oracle=FullAnnotation()), OnlineMethod(setting="offline"))
    np.testing.assert_array_equal(sample.target, ball().astype(np.float32))


def test_drawn_slices_are_never_diluted() -> None:
    mixed = replace(METHOD, smoothing=Smoothing(schedule="constant", constant=0.5))
    rounds, _ = go(mixed)
    drawn = rounds[-1].progress.annotation.drawn()
    target, front = rounds[-1].sample.target, rounds[-1].proxy.soft
    np.testing.assert_array_equal(target[drawn], front[drawn])
    assert (target[~drawn] != front[~drawn]).any()


def test_the_residual_is_that_of_the_last_front_and_the_present_back_end() -> None:
    rounds, _ = go()
    assert rounds[0].residual is None
    for earlier, later in pairwise(rounds):
        np.testing.assert_array_equal(later.residual, np.abs(earlier.proxy.soft - later.back))


def test_clicks_lead_to_a_mask_by_grow_cut() -> None:
    clicked = Interaction(
        axes=(), ends=(), points=6, propagation=GrowCut(), stop=Stop(rounds=2, effort=None)
    )
    rounds, _ = go(replace(METHOD, interaction=clicked))
    assert [len(done.progress.annotation.points) for done in rounds] == [6, 12]
    assert rounds[-1].proxy.hard.any()


def test_an_absent_object_ends_by_the_number_of_rounds_without_a_mask() -> None:
    reference = np.zeros(SHAPE, bool)
    at = case()._replace(user=Oracle().meets(reference, (0,)))
    rounds, _ = go(at=at)
    assert not rounds[-1].proxy.hard.any()
    assert not rounds[-1].progress.annotation.marks


def test_windows_end_where_the_released_tables_have_them() -> None:
    assert window_ends(64) == (44, 49, 54, 59, 64)
    assert window_ends(117) == (97, 102, 107, 112, 117)


@pytest.mark.parametrize("changes", [{"axes": (3,)}, {"each": 0}, {"axes": ()}])
def test_impossible_interactions_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"axes are|at least one"):
        Interaction(**changes)  # type: ignore[arg-type]
