from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from weakseg.online.annotation import AXES, Annotation, Ends, Mark, Point, Slice, plane
from weakseg.online.proxy import COPY, PARITY, SHAPE, FieldCache, Propagation, Proxy, propagate
from weakseg.online.registration import Copy

SHAPE_OF_CASE = (14, 22, 18)
RULES = {
    "ours": Propagation(),
    "direct": Propagation(mode="direct"),
    "parity": PARITY,
    "copy": COPY,
    "shape": SHAPE,
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))


def ball(drift: float = 0.4) -> NDArray[np.bool_]:
    """An ellipsoid whose middle moves along y from slice to slice."""
    z, y, x = np.indices(SHAPE_OF_CASE)
    return (
        ((z - 7) / 4.6) ** 2 + ((y - 11 - drift * (z - 7)) / 6.2) ** 2 + ((x - 9) / 5.3) ** 2
    ) < 1


BALL = ball()


def scan(mask: NDArray[np.bool_], seed: int = 0) -> NDArray[np.float32]:
    grain = np.random.default_rng(seed).normal(0, 0.1, mask.shape)
    return gaussian_filter(mask + grain, 0.7).astype(np.float32)[None]


IMAGE = scan(BALL)


def drawn(mask: NDArray[np.bool_], slices: Sequence[Slice], ends: Sequence[int] = ()) -> Annotation:
    marks = [Mark(axis, index, plane(mask, axis, index).copy()) for axis, index in slices]
    given = []
    for axis in ends:
        held = np.flatnonzero(mask.any(axis=tuple(a for a in AXES if a != axis)))
        given.append(Ends(axis, int(held[0]), int(held[-1])))
    return Annotation(SHAPE_OF_CASE, tuple(marks), tuple(given))


SOME = drawn(BALL, [(0, 5), (0, 9), (1, 10), (2, 8)])


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def same(one: Proxy, other: Proxy) -> bool:
    pairs = zip(one[:3], other[:3], strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@every_rule
@pytest.mark.parametrize("axis", AXES)
def test_a_volume_that_does_not_change_takes_the_mask_everywhere(
    rule: Propagation, axis: int
) -> None:
    one = plane(BALL, axis, 8)
    mask = np.moveaxis(np.broadcast_to(one, (SHAPE_OF_CASE[axis], *one.shape)), 0, axis).copy()
    image = np.moveaxis(
        np.broadcast_to(plane(IMAGE[0], axis, 8), np.moveaxis(mask, axis, 0).shape), 0, axis
    )
    proxy = propagate(image[None], drawn(mask, [(axis, 8)], [axis]), rule)
    assert np.array_equal(proxy.hard, mask) and np.array_equal(proxy.soft, mask)


@every_rule
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (2, 1, 0)])
def test_a_case_drawn_slice_by_slice_is_what_was_drawn(
    rule: Propagation, axes: tuple[int, ...]
) -> None:
    whole = [(axes[0], index) for index in range(SHAPE_OF_CASE[axes[0]])]
    proxy = propagate(IMAGE, drawn(BALL, [*whole, *((axis, 8) for axis in axes[1:])]), rule)
    assert np.array_equal(proxy.soft, BALL) and np.array_equal(proxy.hard, BALL)
    assert (proxy.confidence == 1).all()


@every_rule
def test_drawn_slices_keep_the_users_mask_whatever_the_image_shows(rule: Propagation) -> None:
    scribbled = np.random.default_rng(1).random(SHAPE_OF_CASE) > 0.5
    said = drawn(scribbled, [(0, 3), (0, 9), (1, 4), (2, 17)])
    said = said.extended(ends=[Ends(0, 5, 8)])
    proxy = propagate(IMAGE, said, rule)
    for axis, index, mask in said.marks:
        assert np.array_equal(plane(proxy.soft, axis, index), mask)
        assert np.array_equal(plane(proxy.hard, axis, index), mask)
        assert (plane(proxy.confidence, axis, index) == 1).all()


@every_rule
def test_soft_and_confidence_are_shares_and_hard_is_soft_above_a_half(rule: Propagation) -> None:
    proxy = propagate(IMAGE, SOME, rule)
    for values in (proxy.soft, proxy.confidence):
        assert values.dtype == np.float32 and values.shape == SHAPE_OF_CASE
        assert values.min() >= 0 and values.max() <= 1
    assert np.array_equal(proxy.hard, proxy.soft > 0.5)


@every_rule
def test_a_rebuild_with_more_slices_is_the_rebuild_from_nothing_bit_for_bit(
    rule: Propagation,
) -> None:
    cache, said = FieldCache(), drawn(BALL, [(0, 6), (1, 12)])
    for more in [[(0, 9), (2, 7)], [(1, 8), (0, 1)], [(2, 11)]]:
        propagate(IMAGE, said, rule, cache)
        said = said.extended(drawn(BALL, more).marks)
    assert same(propagate(IMAGE, said, rule, cache), propagate(IMAGE, said, rule))


def test_a_round_registers_what_the_rounds_before_did_not() -> None:
    cache, said = FieldCache(), drawn(BALL, [(0, 6)])
    first = propagate(IMAGE, said, Propagation(), cache)
    again = propagate(IMAGE, said, Propagation(), cache)
    assert first.pairs == SHAPE_OF_CASE[0] - 1 and again.pairs == 0 and same(first, again)
    # Of the slice drawn next, only the chain back to the first one is new.
    more = said.extended(drawn(BALL, [(0, 9)]).marks)
    assert propagate(IMAGE, more, Propagation(), cache).pairs == 2


def test_parity_registers_only_slices_whose_nearest_drawn_one_is_new() -> None:
    cache = FieldCache()
    first = propagate(IMAGE, drawn(BALL, [(0, 4)]), PARITY, cache)
    second = propagate(IMAGE, drawn(BALL, [(0, 4), (0, 10)]), PARITY, cache)
    # Slices 8, 9 and 11 to 13 are nearer to 10; 7 is as near to 4, drawn first.
    assert (first.pairs, second.pairs) == (13, 5)


def mirrored(said: Annotation, axis: int) -> Annotation:
    marks = []
    for mark in said.marks:
        if mark.axis == axis:
            marks.append(Mark(axis, said.shape[axis] - 1 - mark.index, mark.mask))
        else:
            within = axis - (mark.axis < axis)
            marks.append(Mark(mark.axis, mark.index, np.flip(mark.mask, within).copy()))
    return Annotation(said.shape, tuple(marks))


@every_rule
@pytest.mark.parametrize("axis", AXES)
def test_a_mirrored_case_gives_the_mirrored_proxy(rule: Propagation, axis: int) -> None:
    image = np.flip(IMAGE, axis + 1).copy()
    there = propagate(image, mirrored(SOME, axis), rule).soft
    straight = propagate(IMAGE, SOME, rule).soft
    np.testing.assert_allclose(np.flip(there, axis), straight, atol=0.02)


@every_rule
def test_exchanged_axes_give_the_exchanged_proxy(rule: Propagation) -> None:
    order = (2, 0, 1)
    shape = tuple(SHAPE_OF_CASE[axis] for axis in order)
    marks = []
    for axis, index, _ in SOME.marks:
        new = order.index(axis)
        marks.append(Mark(new, index, plane(BALL.transpose(order), new, index).copy()))
    said = Annotation((shape[0], shape[1], shape[2]), tuple(marks))
    there = propagate(np.ascontiguousarray(IMAGE.transpose(0, 3, 1, 2)), said, rule).soft
    straight = propagate(IMAGE, SOME, rule).soft
    np.testing.assert_allclose(there, straight.transpose(order), atol=0.02)


@every_rule
def test_the_order_in_which_axes_were_drawn_does_not_matter(rule: Propagation) -> None:
    turned = Annotation(SHAPE_OF_CASE, SOME.marks[::-1])
    # No slice lies as far from 5 as from 9 but 7, where the one drawn first is nearest.
    one, other = propagate(IMAGE, SOME, rule), propagate(IMAGE, turned, rule)
    away = [index for index in range(SHAPE_OF_CASE[0]) if index != 7]
    assert np.array_equal(one.soft[away], other.soft[away])


@every_rule
def test_nothing_lies_at_or_beyond_an_empty_slice_on_any_axis(rule: Propagation) -> None:
    cut = BALL & (np.arange(14) < 9)[:, None, None]
    free = drawn(cut, [(0, 5), (1, 11), (2, 8)])
    bounded = drawn(cut, [(0, 5), (1, 11), (2, 8), (0, 9)])
    assert propagate(IMAGE, free, rule).soft[9:].any()
    assert not propagate(IMAGE, bounded, rule).soft[9:].any()


@every_rule
def test_nothing_lies_beyond_end_marks(rule: Propagation) -> None:
    proxy = propagate(IMAGE, drawn(BALL, [(0, 7), (1, 10)]).extended(ends=[Ends(2, 6, 11)]), rule)
    free = propagate(IMAGE, drawn(BALL, [(0, 7), (1, 10)]), rule)
    other = ~drawn(BALL, [(0, 7), (1, 10)]).drawn()
    beyond = np.ones(SHAPE_OF_CASE, bool)
    beyond[:, :, 6:12] = False
    assert free.soft[beyond & other].any() and not proxy.soft[beyond & other].any()
    assert (proxy.confidence[beyond] == 1).all()


def test_beyond_the_last_drawn_slice_of_a_lone_axis_the_mask_fades() -> None:
    flat = np.broadcast_to(BALL[7], SHAPE_OF_CASE).copy()
    image = np.broadcast_to(IMAGE[:, 7:8], IMAGE.shape)
    proxy = propagate(image, drawn(flat, [(0, 5)]), Propagation())
    inside = proxy.soft[:, BALL[7]].min(axis=1)
    np.testing.assert_allclose(inside[6:], [1 / (1 + d / 4) for d in range(1, 9)], rtol=1e-5)
    ended = propagate(image, drawn(flat, [(0, 5)], [0]), Propagation())
    crossed = propagate(image, drawn(flat, [(0, 5), (1, 11)]), Propagation())
    assert np.array_equal(ended.hard, flat) and crossed.hard[12, BALL[7]].any()


@pytest.mark.parametrize("fusion", ["mean", "confidence"])
def test_a_chain_does_not_drift_where_nothing_changes(fusion: str) -> None:
    rule = Propagation(mode="chained", fusion=fusion)  # type: ignore[arg-type]
    flat = np.broadcast_to(BALL[7], SHAPE_OF_CASE).copy()
    image = np.broadcast_to(IMAGE[:, 7:8], IMAGE.shape)
    assert np.array_equal(propagate(image, drawn(flat, [(0, 0)], [0]), rule).soft, flat)


def test_chained_and_direct_agree_on_a_slowly_shrinking_cylinder() -> None:
    z, y, x = np.indices((14, 40, 40))
    cone = (y - 20) ** 2 + (x - 20) ** 2 < (13 - 0.4 * z) ** 2
    said = Annotation(cone.shape, (Mark(0, 0, cone[0]),), (Ends(0, 0, 13),))
    made = [
        propagate(scan(cone), said, Propagation(mode=mode)).hard  # type: ignore[arg-type]
        for mode in ("direct", "chained")
    ]
    assert dice(*made) > 0.98 and min(dice(one, cone) for one in made) > 0.95


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_between_drawn_slices_shape_has_its_share(share: float) -> None:
    said = drawn(BALL, [(0, 4), (0, 9)], [0])
    none, some, shape = (
        propagate(IMAGE, said, rule).soft
        for rule in (Propagation(shape_share=0), Propagation(shape_share=share), SHAPE)
    )
    mixed = (1 - share) * none + share * shape
    np.testing.assert_allclose(some[5:9], mixed[5:9], atol=1e-6)
    assert np.array_equal(some[10:], none[10:]) and not np.allclose(some, none)


def test_of_two_neighbours_the_nearer_weighs_more_in_proportion() -> None:
    grown = np.zeros(SHAPE_OF_CASE, bool)
    grown[4, 8:14, 6:12] = grown[8, 4:18, 2:16] = True
    rule = Propagation(register=Copy(), shape_share=0)
    image = np.broadcast_to(IMAGE[:, 7:8], IMAGE.shape)
    proxy = propagate(image, drawn(grown, [(0, 4), (0, 8)]), rule)
    assert [proxy.soft[z, 5, 5] for z in (5, 6, 7)] == pytest.approx([0.25, 0.5, 0.75])


def test_of_two_neighbours_the_one_whose_image_agrees_weighs_more() -> None:
    grown = np.zeros(SHAPE_OF_CASE, bool)
    grown[4, 8:14, 6:12] = grown[8, 4:18, 2:16] = True
    rule = Propagation(register=Copy(), mode="direct", shape_share=0)
    image = np.broadcast_to(IMAGE[:, 7:8], IMAGE.shape).copy()
    image[0, 8:] += 0.5
    proxy = propagate(image, drawn(grown, [(0, 4), (0, 8)], [0]), rule)
    # Errors are 0 and 0.5 on slices 5 to 7, their median 0.25.
    assert proxy.soft[6, 5, 5] == pytest.approx(np.exp(-2) / (1 + np.exp(-2)), rel=1e-4)


@pytest.mark.parametrize(("fusion", "weight"), [("mean", 0.5), ("confidence", 4 / 5)])
def test_axes_weigh_by_nearness_or_alike(fusion: str, weight: float) -> None:
    crossing = np.zeros(SHAPE_OF_CASE, bool)
    crossing[6, 4:18, 3:15] = True
    marks = (Mark(0, 6, crossing[6]), Mark(1, 11, crossing[:, 11].copy()))
    rule = Propagation(register=Copy(), fusion=fusion, shape_share=0)  # type: ignore[arg-type]
    proxy = propagate(np.zeros_like(IMAGE), Annotation(SHAPE_OF_CASE, marks), rule)
    # Slice 7 of z is one from the drawn one and, at y = 4, seven from that of y.
    assert proxy.soft[7, 4, 8] == pytest.approx(weight)


@pytest.mark.parametrize("said", [[], [(0, 0)], [(0, 0), (1, 0), (2, 17)]])
def test_without_a_drawn_mask_the_proxy_is_empty_and_trusts_nothing(said: list[Slice]) -> None:
    clicked = drawn(BALL, said).extended(points=[Point((7, 11, 9), True)])
    proxy = propagate(IMAGE, clicked, Propagation())
    assert not proxy.soft.any() and not proxy.hard.any() and not proxy.confidence.any()
    assert proxy[3:] == (0, 0.0, ())


def test_an_axis_of_which_only_empty_slices_are_known_has_no_say() -> None:
    with_empty = drawn(BALL, [(0, 7), (1, 0)])
    alone = propagate(IMAGE, drawn(BALL, [(0, 7)]), Propagation()).soft
    both = propagate(IMAGE, with_empty, Propagation()).soft
    assert not both[:, 0].any() and np.array_equal(both[:, 1:], alone[:, 1:])


def test_confidence_falls_with_distance_and_with_disagreement() -> None:
    alone = propagate(IMAGE, drawn(BALL, [(0, 7)]), Propagation()).confidence
    np.testing.assert_allclose(alone[:, 0, 0], 1 / (1 + np.abs(np.arange(14) - 7)))
    both = propagate(IMAGE, drawn(BALL, [(0, 7), (1, 11)]), PARITY)
    # Far from both slices, near the one axis' object and outside the other's.
    votes = [propagate(IMAGE, drawn(BALL, [s]), PARITY).soft for s in ((0, 7), (1, 11))]
    place = np.unravel_index(np.abs(votes[0] - votes[1]).argmax(), SHAPE_OF_CASE)
    near = 1 / (1 + min(abs(place[0] - 7), abs(place[1] - 11)))
    expected = near * (1 - ((votes[0] - votes[1])[place] / 2) ** 2)
    assert both.confidence[place] == pytest.approx(expected) and expected < near


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A register that diverges on every pair."""

    kind: str

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        field = fixed.new_zeros((len(fixed), 2, *fixed.shape[1:]))
        if self.kind == "nan":
            field[:, 0, 3, 3] = torch.nan
        else:
            field[:, 0] = -2 * torch.arange(fixed.shape[1])[:, None]
        return field


@pytest.mark.parametrize("mode", ["direct", "chained"])
@pytest.mark.parametrize(
    ("kind", "reason"), [("nan", "a field without numbers"), ("fold", "100% of a field folds")]
)
def test_a_diverged_registration_falls_back_to_shape_then_to_a_copy(
    kind: str, reason: str, mode: str
) -> None:
    rule = Propagation(register=Broken(kind=kind), mode=mode, fusion="mean")  # type: ignore[arg-type]
    said = drawn(BALL, [(0, 6), (0, 8)], [0])
    proxy = propagate(IMAGE, said, rule)
    assert np.array_equal(proxy.soft, propagate(IMAGE, said, SHAPE).soft)
    if mode == "direct":
        assert f"axis 0, slice 7: {reason}, shape interpolation instead" in proxy.fallbacks
        assert f"axis 0, slice 5: {reason}, copy of slice 6 instead" in proxy.fallbacks
    held = np.flatnonzero(BALL.any(axis=(1, 2)))
    assert len(proxy.fallbacks) == len(held) - 2


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_blank_slices_fall_back_and_are_named(value: float) -> None:
    image = IMAGE.copy()
    image[0, 7] = value
    said = drawn(BALL, [(0, 5), (0, 9)], [0])
    proxy = propagate(image, said, Propagation(mode="direct"))
    assert proxy.fallbacks == ("axis 0, slice 7: a blank slice, shape interpolation instead",)
    np.testing.assert_allclose(proxy.soft[7], propagate(image, said, SHAPE).soft[7], rtol=1e-5)
    assert np.isfinite(proxy.soft).all() and np.isfinite(proxy.confidence).all()


def test_a_slice_with_one_failed_neighbour_takes_the_other() -> None:
    image = IMAGE.copy()
    image[0, 9] = 0
    said = drawn(BALL, [(0, 5), (0, 9)], [0])
    proxy = propagate(image, said, Propagation(mode="direct", shape_share=0))
    assert "axis 0, slice 7: a blank slice, the other neighbour instead" in proxy.fallbacks
    alone = propagate(image, drawn(BALL, [(0, 5)], [0]), Propagation(mode="direct")).soft
    np.testing.assert_allclose(proxy.soft[7], alone[7], atol=1e-6)


def test_a_case_without_any_contrast_is_shape_interpolation() -> None:
    proxy = propagate(np.zeros_like(IMAGE), SOME, PARITY)
    assert np.array_equal(proxy.soft, propagate(IMAGE, SOME, SHAPE).soft) and proxy.pairs == 0


def test_folding_is_the_mean_share_over_the_fields() -> None:
    said = drawn(BALL, [(0, 6)])
    assert propagate(IMAGE, said, Propagation()).folding == 0
    folds = Propagation(register=Broken(kind="fold"), mode="direct")
    assert propagate(IMAGE, said, folds).folding == 1


def test_carrying_along_the_image_beats_both_trivial_rules_on_a_moving_object() -> None:
    moving = ball(drift=1.2)
    image, said = scan(moving), drawn(moving, [(0, 5), (0, 9)], [0])
    ours, copy, shape = (
        dice(propagate(image, said, rule).hard, moving) for rule in (Propagation(), COPY, SHAPE)
    )
    assert ours > max(copy, shape) + 0.03


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="annotation of"):
        propagate(IMAGE[:, 1:], SOME, Propagation())


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="shape_share"):
        Propagation(shape_share=1.5)
