from collections.abc import Sequence

import numpy as np

from weakseg.online.annotation import Annotation, Ends, Mark
from weakseg.online.neighbours import Neighbours, neighbours, possible

FULL, EMPTY = np.ones((3, 3), bool), np.zeros((3, 3), bool)


def said(full: Sequence[int], empty: Sequence[int] = (), ends: tuple[Ends, ...] = ()) -> Annotation:
    marks = [Mark(0, i, FULL) for i in full] + [Mark(0, i, EMPTY) for i in empty]
    return Annotation((10, 3, 3), tuple(marks), ends)


def at(annotation: Annotation, place: int) -> Neighbours:
    return next(n for n in neighbours(annotation, 0) if n.place == place)


def test_a_slice_lies_between_the_nearest_drawn_ones() -> None:
    assert at(said([1, 4, 8]), 5) == Neighbours(5, 4, 8, 4, False)


def test_beyond_the_last_drawn_slice_one_side_is_open() -> None:
    assert at(said([1, 4]), 7) == Neighbours(7, 4, None, 4, False)


def test_of_two_slices_as_near_the_one_drawn_first_is_nearest() -> None:
    assert at(said([4, 2]), 3).nearest == 4 and at(said([2, 4]), 3).nearest == 2


def test_an_empty_slice_is_no_source_and_closes_its_side() -> None:
    assert at(said([4], [6]), 5) == Neighbours(5, 4, None, 4, True)
    assert not at(said([4], [6]), 2).bounded


def test_nothing_passes_an_empty_slice() -> None:
    places = [n.place for n in neighbours(said([4], [2, 6]), 0)]
    assert places == [3, 5]


def test_two_parts_with_an_empty_slice_between_keep_to_themselves() -> None:
    both = said([1, 8], [4])
    assert at(both, 3).above is None and at(both, 5).below is None


def test_end_marks_close_both_sides() -> None:
    ended = said([4], ends=(Ends(0, 3, 6),))
    assert [n.place for n in neighbours(ended, 0)] == [3, 5, 6]
    assert all(n.bounded for n in neighbours(ended, 0))


def test_an_axis_without_a_drawn_mask_gives_nothing() -> None:
    assert neighbours(said([], [3]), 0) == [] and neighbours(said([]), 0) == []


def test_the_object_may_be_where_a_drawn_mask_reaches() -> None:
    assert np.flatnonzero(possible(said([4], [2, 7]), 0)).tolist() == [3, 4, 5, 6]


def test_without_a_drawn_mask_only_end_marks_bound() -> None:
    ended = said([], [3], (Ends(0, 2, 8),))
    assert np.flatnonzero(possible(ended, 0)).tolist() == [2, 3, 4, 5, 6, 7, 8]
