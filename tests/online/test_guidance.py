from collections import Counter
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from scipy import stats

from weakseg.online.annotation import AXES, Annotation, Ends, Slice, plane
from weakseg.online.effort import boundary_pixels
from weakseg.online.guidance import RELEASED, Guidance, propose, slice_scores
from weakseg.online.oracle import Oracle, Request

SHAPE = (8, 12, 14)
SCORES = get_args(get_type_hints(Guidance)["score"])
SAMPLE = Guidance(apart=1)
ARGMAX = Guidance(apart=1, pick="argmax")


def ball(centre: tuple[float, float, float] = (4, 6, 7), radius: float = 3.5) -> np.ndarray:
    grid = np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(centre)
    return (grid**2).sum(axis=-1) < radius**2


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE, np.float32)


def asked(config: Guidance, **changes: Any) -> tuple[Slice, ...]:
    default = {
        "proxy": noise(0), "probs": noise(1), "before": noise(2), "annotation": Annotation(SHAPE),
        "axes": (0,), "each": 1, "allowed": lambda axis: None, "key": (0,),
    }  # fmt: skip
    return propose(config, **(default | changes))


def scored(config: Guidance, axis: int = 0, **changes: Any) -> np.ndarray:
    default = {
        "proxy": noise(0), "probs": noise(1), "before": noise(2), "annotation": Annotation(SHAPE),
    }  # fmt: skip
    return slice_scores(config, axis=axis, **(default | changes))


def drawn(*slices: Slice, ends: tuple[Ends, ...] = ()) -> Annotation:
    return Oracle().meets(ball(), (0,)).answer(Request(slices), Annotation(SHAPE, ends=ends))


@pytest.mark.parametrize("axis", AXES)
def test_the_residual_of_a_slice_is_summed_over_its_voxels(axis: int) -> None:
    difference = np.abs(noise(0).astype(float) - noise(1))
    wanted = [plane(difference, axis, index).sum() for index in range(SHAPE[axis])]
    assert np.allclose(scored(Guidance(), axis), wanted)


def test_the_network_before_the_case_can_be_compared_instead() -> None:
    fixed = scored(Guidance(compare="before"))
    assert np.allclose(fixed, scored(Guidance(), probs=noise(2)))
    assert not np.allclose(fixed, scored(Guidance()))


def test_the_product_score_is_one_minus_the_product() -> None:
    wanted = (1 - noise(0).astype(float) * noise(1)).sum(axis=(1, 2))
    assert np.allclose(scored(Guidance(score="product")), wanted)


def test_the_entropy_is_that_of_the_network_and_0_where_it_is_certain() -> None:
    b = noise(1).astype(float)
    b[3] = 1
    b[4] = 0
    entropy = np.zeros_like(b)
    unsure = (b > 0) & (b < 1)
    p = b[unsure]
    entropy[unsure] = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert np.allclose(scored(Guidance(score="entropy"), probs=b), entropy.sum(axis=(1, 2)))


def test_the_farthest_slice_is_far_from_drawn_ones_of_its_axis() -> None:
    annotation = drawn((0, 1), (0, 6), (1, 3))
    assert scored(Guidance(score="farthest"), annotation=annotation).tolist() == [
        1, 0, 1, 2, 2, 1, 0, 1,
    ]  # fmt: skip
    assert set(scored(Guidance(score="farthest"), 2, annotation=annotation)) == {1}


def test_slices_are_alike_where_both_ends_agree() -> None:
    assert set(scored(Guidance(), proxy=noise(1))) == {1}


@pytest.mark.parametrize("score", [score for score in SCORES if score != "reach"])
def test_slices_are_alike_where_the_network_finds_nothing(score: str) -> None:
    assert set(scored(Guidance(score=score), probs=noise(1) * 0.5)) == {1}


def test_what_is_not_a_number_is_not_worth_asking() -> None:
    broken = noise(1)
    broken[2, 3, 4] = np.nan
    assert scored(Guidance(), probs=broken)[2] == 0
    assert set(scored(Guidance(), probs=np.full(SHAPE, np.nan))) == {1}


def frequencies(config: Guidance, draws: int = 10_000, **changes: Any) -> np.ndarray:
    counts = Counter(asked(config, key=(i,), **changes)[0][1] for i in range(draws))
    return np.array([counts[index] for index in range(SHAPE[0])])


def test_slices_are_drawn_in_proportion_to_their_residual() -> None:
    proxy = ball().astype(float)
    probs = ball((3, 6, 7)).astype(float)
    scores = scored(SAMPLE, proxy=proxy, probs=probs)
    seen = frequencies(SAMPLE, proxy=proxy, probs=probs)
    assert not seen[scores == 0].any()
    wanted = scores[scores > 0] / scores.sum() * 10_000
    assert stats.chisquare(seen[scores > 0], wanted).pvalue > 0.001


def test_slices_are_drawn_alike_where_the_residual_is_zero() -> None:
    seen = frequencies(SAMPLE, proxy=noise(1))
    assert stats.chisquare(seen).pvalue > 0.001


def test_the_second_of_a_round_is_drawn_from_the_rest_in_proportion() -> None:
    proxy = ball().astype(float)
    scores = scored(SAMPLE, proxy=proxy)
    pairs = Counter(asked(SAMPLE, proxy=proxy, each=2, key=(i,)) for i in range(10_000))
    share = scores / scores.sum()
    wanted, seen = [], []
    for a in range(SHAPE[0]):
        for b in set(range(SHAPE[0])) - {a}:
            wanted.append(share[a] * share[b] / (1 - share[a]) * 10_000)
            seen.append(pairs[(0, a), (0, b)])
    assert stats.chisquare(seen, wanted).pvalue > 0.001


def test_the_released_code_starts_anywhere() -> None:
    seen = frequencies(RELEASED, proxy=None)
    assert stats.chisquare(seen).pvalue > 0.001


def test_argmax_asks_for_the_best_slices_and_any_of_equal_ones() -> None:
    proxy, probs = np.zeros((2, *SHAPE))
    probs[[1, 4, 6], 0, :5] = 1
    probs[6, 0, 5] = 1
    requests = {asked(ARGMAX, proxy=proxy, probs=probs, each=2, key=(i,)) for i in range(50)}
    assert requests == {((0, 6), (0, 1)), ((0, 6), (0, 4))}


def test_argmax_asks_anywhere_where_the_residual_is_zero() -> None:
    seen = frequencies(ARGMAX, 2000, proxy=noise(1))
    assert stats.chisquare(seen).pvalue > 0.001


def test_the_reach_of_a_slice_is_the_residual_it_brings_closer_to_a_drawn_one() -> None:
    residual = np.abs(noise(0).astype(float) - noise(1)).sum(axis=(1, 2))
    annotation, drawn_ones = drawn((0, 1), (0, 6), (1, 2)), (1, 6, 3)
    wanted = np.zeros(SHAPE[0])
    for index in range(SHAPE[0]):
        for other, value in enumerate(residual):
            now = max(1 / (1 + abs(other - at)) for at in drawn_ones)
            wanted[index] += max(1 / (1 + abs(other - index)) - now, 0) * value
    config = Guidance(score="reach")
    assert np.allclose(scored(config, annotation=annotation, picked=(3,)), wanted)


def test_by_reach_several_slices_spread_over_what_is_unknown() -> None:
    proxy, probs = np.zeros(SHAPE), np.ones(SHAPE)
    config = Guidance(score="reach", pick="argmax", apart=1)
    for seed in range(20):
        request = asked(
            config, proxy=proxy, probs=probs, annotation=drawn((0, 0)), each=2, key=(seed,)
        )
        assert request[0][1] in (4, 5) and abs(request[0][1] - request[1][1]) > 1


def test_by_reach_a_network_that_finds_nothing_still_spreads_the_slices() -> None:
    config = Guidance(score="reach", pick="argmax")
    annotation = drawn((0, 1), (0, 2))
    request = asked(config, probs=np.zeros(SHAPE), annotation=annotation)
    assert request in {((0, 4),), ((0, 5),)}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("pick", ["sample", "argmax"])
def test_every_slice_is_asked_for_once_until_none_is_left(score: str, pick: str) -> None:
    user, annotation = Oracle().meets(ball(), (0,)), Annotation(SHAPE)
    config, proxy, sizes = Guidance(score=score, pick=pick), None, []
    for number in range(8):
        request = asked(
            config, annotation=annotation, proxy=proxy, axes=AXES, each=3, key=(number,)
        )
        annotation = user.answer(Request(request), annotation)
        proxy = annotation.overwrite(noise(number))
        sizes.append([sum(axis == a for axis, _ in request) for a in AXES])
    left = [[min(3, max(0, n - 3 * number)) for n in SHAPE] for number in range(8)]
    assert sizes == left
    assert len(annotation.marks) == sum(SHAPE)


@pytest.mark.parametrize("pick", ["sample", "argmax"])
def test_slices_of_a_round_keep_apart_as_far_as_slices_last(pick: str) -> None:
    config = Guidance(apart=3, pick=pick)
    for seed in range(50):
        chosen = [index for _, index in asked(config, each=2, key=(seed,), probs=noise(seed + 5))]
        assert abs(chosen[0] - chosen[1]) >= 3
    assert len(set(asked(config, each=SHAPE[0]))) == SHAPE[0]


def test_slices_keep_apart_even_where_the_rest_is_worth_nothing() -> None:
    probs = np.ones(SHAPE)
    proxy = probs.copy()
    proxy[3:5] = 0
    for seed in range(50):
        request = asked(Guidance(apart=3), proxy=proxy, probs=probs, each=2, key=(seed,))
        assert request[0][1] in (3, 4) and abs(request[0][1] - request[1][1]) >= 3


@pytest.mark.parametrize("first", ["uniform", "network", "middle"])
@pytest.mark.parametrize("proxy", [None, noise(0)], ids=["first", "later"])
def test_only_allowed_slices_within_the_end_marks_are_asked_for(
    first: str, proxy: np.ndarray | None
) -> None:
    allowed = np.arange(SHAPE[0]) % 2 == 0
    annotation = drawn((0, 4), ends=(Ends(0, 2, 6),))
    request = asked(
        Guidance(first=first), annotation=annotation, proxy=proxy, each=9,
        allowed=lambda axis: allowed,
    )  # fmt: skip
    assert sorted(request) == [(0, 2), (0, 6)]


def test_nothing_is_asked_about_an_absent_object_whose_ends_were_asked_for() -> None:
    absent = Oracle().meets(np.zeros(SHAPE, bool), (0,))
    annotation = absent.answer(Request(ends=(0,)), Annotation(SHAPE))
    for config, proxy in ((Guidance(), None), (RELEASED, None), (Guidance(), noise(0))):
        assert asked(config, annotation=annotation, proxy=proxy) == ()


def test_a_warm_network_says_where_to_start() -> None:
    before = ball((2, 6, 7), 2.5)
    assert asked(Guidance(), proxy=None, before=before) == ((0, 2),)
    assert asked(Guidance(), proxy=None, before=before, each=2) == ((0, 1), (0, 3))


def test_a_network_is_believed_within_the_end_marks_only() -> None:
    before = np.ones(SHAPE)
    annotation = drawn(ends=(Ends(0, 4, 6),))
    assert asked(Guidance(), proxy=None, before=before, annotation=annotation) == ((0, 5),)


@pytest.mark.parametrize("first", ["network", "middle"])
def test_a_case_starts_in_the_middle_where_nothing_is_predicted(first: str) -> None:
    nothing, config = np.zeros(SHAPE), Guidance(first=first)
    annotation = drawn(ends=(Ends(0, 1, 5),))
    assert asked(config, proxy=None, before=nothing, annotation=annotation) == ((0, 3),)
    every = asked(config, proxy=None, before=nothing, axes=AXES)
    assert every == ((0, 3), (1, 5), (2, 6))


def test_a_start_in_the_middle_does_not_listen_to_the_network() -> None:
    before = ball((2, 6, 7), 2.5)
    assert asked(Guidance(first="middle"), proxy=None, before=before) == ((0, 3),)


def test_equal_keys_give_equal_slices_and_other_keys_others() -> None:
    requests = [asked(Guidance(), axes=AXES, each=3, key=(key,)) for key in (0, 0, 1)]
    assert requests[0] == requests[1] != requests[2]


def test_axes_are_drawn_independently() -> None:
    square = np.full((9, 9, 9), 0.0)
    probs = np.ones((9, 9, 9))
    requests = [
        asked(SAMPLE, proxy=square, probs=probs, annotation=Annotation((9, 9, 9)), axes=AXES,
              key=(key,))
        for key in range(20)
    ]  # fmt: skip
    assert any(len({index for _, index in request}) > 1 for request in requests)


def column() -> tuple[np.ndarray, np.ndarray]:
    """A front and a back end that differ in a thin plate across y, whole slices apart."""
    proxy = ball().astype(np.float32)
    probs = proxy.copy()
    probs[1:7, 6, 3:12] = 1 - probs[1:7, 6, 3:12]
    return proxy, probs


def test_another_axis_is_asked_where_it_gains_more_per_boundary_pixel() -> None:
    proxy, probs = column()
    config = replace(ARGMAX, cross=True)
    assert asked(config, proxy=proxy, probs=probs) == ((1, 6),)
    assert asked(ARGMAX, proxy=proxy, probs=probs)[0][0] == 0


def test_the_own_axis_is_asked_where_it_gains_more() -> None:
    proxy, probs = (np.moveaxis(v.reshape(SHAPE), 1, 0)[:8, :8] for v in column())
    shape = proxy.shape
    request = asked(
        replace(ARGMAX, cross=True), proxy=proxy, probs=probs, annotation=Annotation(shape)
    )
    assert request == ((0, 6),)


@pytest.mark.parametrize("pick", ["sample", "argmax"])
def test_crossing_asks_for_as_many_slices_and_never_for_a_drawn_one(pick: str) -> None:
    proxy, probs = column()
    annotation = drawn((1, 6), (0, 4))
    for seed in range(30):
        request = asked(
            Guidance(cross=True, pick=pick), proxy=proxy, probs=probs, annotation=annotation,
            each=2, key=(seed,),
        )  # fmt: skip
        assert len(set(request)) == 2
        assert not {(1, 6), (0, 4)} & set(request)


def test_a_speck_does_not_look_cheap() -> None:
    proxy = ball().astype(np.float32)
    probs = proxy.copy()
    probs[3:6, 4:7, 5:8] = 0
    probs[0, 0, 0] = 1
    assert [boundary_pixels(plane(probs > 0.5, axis, 0)) for axis in AXES] == [1, 1, 1]
    for seed in range(300):
        request = asked(Guidance(cross=True), proxy=proxy, probs=probs, key=(seed,))
        assert request not in {((1, 0),), ((2, 0),)}


def test_without_a_residual_the_own_axis_is_asked() -> None:
    config = Guidance(cross=True)
    for seed in range(20):
        assert asked(config, proxy=noise(1), key=(seed,))[0][0] == 0
        assert asked(config, probs=np.zeros(SHAPE), key=(seed,))[0][0] == 0


def test_slices_of_a_round_are_at_least_one_apart() -> None:
    with pytest.raises(ValueError, match="apart"):
        Guidance(apart=0)
