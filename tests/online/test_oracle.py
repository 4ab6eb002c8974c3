import numpy as np
import pytest

from weakseg.metrics import dice
from weakseg.online.annotation import AXES, Annotation, Ends, plane
from weakseg.online.oracle import FullAnnotation, Oracle, Request, displaced

SHAPE = (8, 20, 24)
EVERY = tuple((axis, index) for axis in AXES for index in range(SHAPE[axis]))
NOISY = Oracle(jitter=2.0, miss=0.3)


def ellipsoid(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """An object that leaves slices free at both sides of each axis."""
    grid = np.indices(shape) + 0.5
    terms = [(g / n - 0.5) ** 2 for g, n in zip(grid, shape, strict=True)]
    return sum(terms) < 0.3**2


def said(oracle: Oracle, *requests: Request, key: int = 0, reference: np.ndarray | None = None):
    """Return the annotation after some requests."""
    reference = ellipsoid() if reference is None else reference
    user = oracle.meets(reference, (key, "case"))
    annotation = Annotation(reference.shape)
    for request in requests:
        annotation = user.answer(request, annotation)
    return annotation


def masks(annotation: Annotation) -> dict[tuple[int, int], bytes]:
    return {(axis, index): mask.tobytes() for axis, index, mask in annotation.marks}


def test_a_slice_is_answered_with_its_exact_mask() -> None:
    for axis, index, mask in said(Oracle(), Request(EVERY)).marks:
        assert np.array_equal(mask, plane(ellipsoid(), axis, index))


def test_a_slice_without_the_object_is_answered_with_an_empty_mask() -> None:
    (mark,) = said(Oracle(), Request(((0, 0),))).marks
    assert not mark.mask.any()


def test_an_answer_does_not_depend_on_what_was_asked_before() -> None:
    together = said(NOISY, Request(EVERY))
    backwards = said(NOISY, *(Request((at,)) for at in reversed(EVERY)))
    assert masks(together) == masks(backwards)


def test_errors_differ_between_cases_of_other_keys() -> None:
    assert masks(said(NOISY, Request(EVERY))) != masks(said(NOISY, Request(EVERY), key=1))


@pytest.mark.parametrize("oracle", [Oracle(), NOISY], ids=["exact", "noisy"])
def test_an_answer_tells_nothing_about_slices_that_were_not_asked_for(oracle: Oracle) -> None:
    request, other = Request(((0, 3), (1, 9))), ~ellipsoid()
    other[3], other[:, 9] = ellipsoid()[3], ellipsoid()[:, 9]
    assert masks(said(oracle, request)) == masks(said(oracle, request, reference=other))


def test_an_answer_can_be_changed_without_changing_the_reference() -> None:
    reference = ellipsoid()
    user = Oracle().meets(reference, (0,))
    user.answer(Request(((0, 4),)), Annotation(SHAPE)).marks[0].mask[...] = False
    assert np.array_equal(reference, ellipsoid())


@pytest.mark.parametrize("asked", [(0, 8), (0, -1), (3, 0)])
def test_a_slice_that_does_not_exist_is_refused(asked: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        said(Oracle(), Request((asked,)))


def test_a_slice_is_answered_only_once() -> None:
    with pytest.raises(ValueError, match="new slice"):
        said(Oracle(), Request(((0, 3),)), Request(((0, 3),)))


def test_ends_are_the_outermost_slices_with_the_object() -> None:
    annotation = said(Oracle(), Request(ends=(0, 2)))
    for axis in (0, 2):
        first, last = annotation.bounds(axis)
        present = [plane(ellipsoid(), axis, i).any() for i in range(SHAPE[axis])]
        assert present == [first <= i <= last for i in range(SHAPE[axis])]


def test_ends_are_marked_once() -> None:
    assert len(said(Oracle(), Request(ends=(0,)), Request(ends=(0, 1))).ends) == 2


def test_the_ends_of_an_object_on_one_slice_are_that_slice() -> None:
    reference = np.zeros(SHAPE, bool)
    reference[5, 3:6, 3:6] = True
    assert said(Oracle(), Request(ends=(0,)), reference=reference).ends == (Ends(0, 5, 5),)


def test_the_ends_of_an_absent_object_leave_no_slice_between_them() -> None:
    annotation = said(Oracle(), Request(ends=(0,)), reference=np.zeros(SHAPE, bool))
    first, last = annotation.bounds(0)
    assert not [index for index in range(SHAPE[0]) if first <= index <= last]


def test_only_the_leak_tells_where_the_object_is() -> None:
    assert Oracle().meets(ellipsoid(), (0,)).allowed(0) is None
    allowed = Oracle(leak=True).meets(ellipsoid(), (0,)).allowed(1)
    assert allowed is not None
    assert np.array_equal(allowed, ellipsoid().any(axis=(0, 2)))


def test_an_outline_moves_by_the_jitter() -> None:
    edge = np.zeros((200, 200), bool)
    edge[:100] = True
    for amplitude in (1.0, 2.0):
        moved = displaced(edge, amplitude, np.random.default_rng(0)).sum(axis=0) - 100.0
        # One of two components is along the edge's normal.
        assert np.sqrt((moved**2).mean()) == pytest.approx(amplitude / np.sqrt(2), rel=0.25)


def test_neighbouring_pixels_of_an_outline_move_together() -> None:
    edge = np.zeros((200, 200), bool)
    edge[:100] = True
    moved = displaced(edge, 2.0, np.random.default_rng(0)).sum(axis=0)
    assert np.abs(np.diff(moved)).mean() < 0.5 * np.abs(moved - moved.mean()).mean()


def test_more_jitter_errs_more() -> None:
    scores = []
    for jitter in (0.0, 1.0, 2.0):
        annotation = said(Oracle(jitter=jitter), Request(tuple((0, z) for z in range(8))))
        scores.append(dice(annotation.overwrite(np.zeros(SHAPE, bool)), ellipsoid()))
    assert scores[0] == 1 and scores[0] > scores[1] > scores[2] > 0.6


def test_who_sees_the_object_draws_something_however_unsteady() -> None:
    dot = np.zeros((9, 9), bool)
    dot[4, 4] = True
    assert all(displaced(dot, 5.0, np.random.default_rng(i)).any() for i in range(50))


def test_a_full_slice_and_an_empty_one_have_no_outline_to_move() -> None:
    full = np.ones((9, 9), bool)
    assert displaced(full, 2.0, np.random.default_rng(0)).all()
    assert not displaced(~full, 2.0, np.random.default_rng(0)).any()


def test_slices_are_missed_as_often_as_told() -> None:
    reference = np.ones((2000, 1, 1), bool)
    request = Request(tuple((0, z) for z in range(2000)))
    annotation = said(Oracle(miss=0.3), request, reference=reference)
    missed = sum(not mark.mask.any() for mark in annotation.marks)
    assert abs(missed - 600) < 4 * np.sqrt(2000 * 0.3 * 0.7)


def partly(share: float) -> np.ndarray:
    """Return a mask with Dice 2 s / (1 + s) against the object, s = share."""
    inside = np.flatnonzero(ellipsoid())
    mask = np.zeros(SHAPE, np.float32)
    mask.ravel()[inside[: int(share * len(inside))]] = 0.9
    return mask


@pytest.mark.parametrize(
    ("judged", "verdicts"),
    [("front", (True, False)), ("back", (False, True)), ("better", (True, True))],
)
def test_the_user_judges_what_was_chosen(judged: str, verdicts: tuple[bool, bool]) -> None:
    user = Oracle(target=0.8, judged=judged).meets(ellipsoid(), (0,))
    good, bad = partly(0.9), partly(0.3)
    assert (user.satisfied(good, bad), user.satisfied(bad, good)) == verdicts


def test_the_user_wants_more_than_the_target() -> None:
    score = dice(partly(0.5) > 0.5, ellipsoid())
    exactly, below = (Oracle(target=t).meets(ellipsoid(), (0,)) for t in (score, score - 1e-9))
    assert not exactly.satisfied(partly(0.5), partly(0.5))
    assert below.satisfied(partly(0.5), partly(0.5))


def test_a_user_without_target_is_never_satisfied() -> None:
    assert not Oracle().meets(ellipsoid(), (0,)).satisfied(partly(1.0), partly(1.0))


def test_finding_nothing_where_nothing_is_satisfies() -> None:
    nothing = np.zeros(SHAPE, bool)
    assert Oracle(target=0.9).meets(nothing, (0,)).satisfied(nothing, nothing)


def test_full_annotation_draws_every_axial_slice_at_once() -> None:
    user = FullAnnotation().meets(ellipsoid(), (0,))
    annotation = user.answer(Request(((1, 4),), ends=(0,), points=3), Annotation(SHAPE))
    assert sorted(annotation.slices(0)) == list(range(SHAPE[0]))
    assert annotation.axes() == (0,) and not annotation.points
    assert np.array_equal(annotation.overwrite(np.zeros(SHAPE, bool)), ellipsoid())
    assert user.satisfied(ellipsoid(), ellipsoid())


def test_full_annotation_is_drawn_by_the_same_hand() -> None:
    user = FullAnnotation(oracle=NOISY).meets(ellipsoid(), (0, "case"))
    full = user.answer(Request(), Annotation(SHAPE))
    assert masks(full).items() <= masks(said(NOISY, Request(EVERY))).items()


@pytest.mark.parametrize("wrong", [{"jitter": -1.0}, {"miss": 1.5}, {"target": 1.0}])
def test_impossible_users_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Oracle(**wrong)


def test_a_reference_must_be_a_binary_volume() -> None:
    with pytest.raises(ValueError, match="bool"):
        Oracle().meets(ellipsoid().astype(np.uint8), (0,))
