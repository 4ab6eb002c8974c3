"""Against tiny frames whose answers can be read off."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from benchmarks import stream_statistics as of
from weakseg.results import ALL_POSITIONS, ALL_ROUNDS


def positions(lines: Sequence[dict[str, object]], run: str = "a") -> pd.DataFrame:
    blank = dict.fromkeys(ALL_POSITIONS, math.nan) | {"run": run}
    filled = [
        blank | {"position": i, "case": f"c{i}"} | line for i, line in enumerate(lines, start=1)
    ]
    return pd.DataFrame(filled, columns=list(ALL_POSITIONS))


def rounds(*lines: tuple[int, int, float, float], run: str = "a") -> pd.DataFrame:
    """Lines of position, slices, boundary and front; rounds are counted within a position."""
    blank = dict.fromkeys(ALL_ROUNDS, math.nan) | {"run": run}
    frame = pd.DataFrame([blank] * len(lines), columns=list(ALL_ROUNDS))
    frame[["position", "slices", "boundary", "front"]] = lines
    frame["round"] = frame.groupby("position").cumcount() + 1
    return frame


FROZEN = positions([dict.fromkeys(("initial", "pre", "post", "best", "last"), 0.6)] * 4)
LEARNT = positions(
    [
        {"initial": 0.1, "pre": 0.1, "post": 0.8, "best": 0.9, "last": 0.7},
        {"initial": 0.2, "pre": 0.5, "post": 0.6, "best": 0.5, "last": 0.6},
        {"initial": 0.3, "pre": 0.7, "post": 0.9, "best": math.nan, "last": 0.9},
    ]
)


def test_a_frozen_network_forgets_nothing_and_transfers_nothing() -> None:
    for term in (of.forgetting, of.backward_transfer, of.forward_transfer):
        assert term(FROZEN).tolist() == [0.0, 0.0, 0.0]


def test_forgetting_is_the_best_since_a_case_was_learnt_less_the_end_but_for_the_last() -> None:
    assert of.forgetting(LEARNT).tolist() == pytest.approx([0.2, 0.0])


def test_a_case_that_was_not_reviewed_between_is_best_just_after_it_was_learnt() -> None:
    line = {"post": 0.8, "best": math.nan, "last": 0.5}
    assert of.forgetting(positions([line, line])).tolist() == pytest.approx([0.3])


def test_backward_transfer_is_the_gain_since_a_case_was_learnt_but_for_the_last() -> None:
    assert of.backward_transfer(LEARNT).tolist() == pytest.approx([-0.1, 0.0])


def test_forward_transfer_is_the_gain_before_a_case_was_learnt_but_for_the_first() -> None:
    assert of.forward_transfer(LEARNT).tolist() == pytest.approx([0.3, 0.4])


def test_the_last_case_is_that_of_each_run() -> None:
    short = positions([{"post": 0.5, "last": 0.4}] * 2, run="b")
    both = pd.concat([LEARNT, short], ignore_index=True)
    assert of.backward_transfer(both).tolist() == pytest.approx([-0.1, 0.0, -0.1])


def test_runs_are_averaged_per_case_whatever_the_order_of_arrival() -> None:
    other = positions([{"pre": 0.3, "case": "c2"}, {"pre": 0.9, "case": "c1"}], run="b")
    both = pd.concat([LEARNT, other], ignore_index=True)
    found = of.by_case(both, of.prequential(both))
    assert found.to_dict() == pytest.approx({"c1": 0.5, "c2": 0.4, "c3": 0.7})
    assert found.index.name == "patient"


def test_the_running_mean_of_a_constant_is_the_constant_from_place_15_on() -> None:
    found = of.running_mean(pd.Series(0.7, index=range(1, 65)), 15)
    assert found.index.tolist() == list(range(15, 65))
    assert found.to_numpy() == pytest.approx(0.7)


def test_the_curve_leaves_out_positions_that_were_not_evaluated() -> None:
    one = positions([{"test_soft": 0.2}, {}, {"test_soft": 0.6}])
    two = positions([{"test_soft": 0.4}, {}, {"test_soft": 0.8}], run="b")
    both = pd.concat([one, two], ignore_index=True)
    assert of.curve(both, "soft").to_dict() == pytest.approx({1: 0.3, 3: 0.7})
    assert of.area(of.curve(both, "soft")) == pytest.approx(0.5)


def test_the_area_of_one_value_is_that_value_and_of_none_is_not_known() -> None:
    assert of.area(pd.Series([0.4], index=[7])) == pytest.approx(0.4)
    assert math.isnan(of.area(pd.Series([], dtype=float)))


@pytest.mark.parametrize("measure", of.MEASURES)
def test_effort_is_held_against_that_of_all_axial_slices_in_the_same_measure(
    measure: of.Measure,
) -> None:
    own = "user_seconds" if measure == "seconds" else measure
    lines = positions([{own: 10, f"full_{measure}": 40}, {own: 20, f"full_{measure}": 60}])
    again = positions([{own: 30, f"full_{measure}": 40}], run="b")
    found = of.spent(pd.concat([lines, again], ignore_index=True), measure)
    assert found.loc["c1"].tolist() == [20, 40]
    assert found.loc["c2"].tolist() == [20, 60]


def test_slices_to_a_dice_are_those_of_the_first_round_that_has_it() -> None:
    drawn = rounds((1, 1, 5, 0.7), (1, 2, 9, 0.8), (1, 3, 12, 0.9), (2, 3, 9, 0.85))
    assert of.slices_to(of_ten(2), drawn, 0.8) == (2.5, 2, 0.0)


def test_a_case_that_never_reaches_a_dice_counts_all_axial_slices_and_as_a_failure() -> None:
    drawn = rounds((1, 1, 5, 0.7), (1, 4, 9, 0.79), (2, 2, 9, 0.95))
    assert of.slices_to(of_ten(2), drawn, 0.8) == (6.0, 2, 0.5)


def test_the_order_of_lines_and_other_runs_change_no_count_of_slices() -> None:
    drawn = pd.concat([rounds((1, 1, 5, 0.7), (1, 2, 9, 0.9)), rounds((1, 4, 5, 0.9), run="b")])
    lines = pd.concat([of_ten(1), of_ten(1, run="b")], ignore_index=True)
    assert of.slices_to(lines, drawn[::-1], 0.8) == (3.0, 2, 0.0)


def of_ten(cases: int, run: str = "a") -> pd.DataFrame:
    """Return positions of cases with ten axial slices each."""
    return positions([{"full_slices": 10}] * cases, run=run)


def test_without_a_round_no_slices_are_known() -> None:
    assert math.isnan(of.slices_to(of_ten(1), rounds((1, 1, 1, 1))[:0], 0.8).slices)


CASE = positions([{"pre_hard": 0.2, "full_boundary": 100}])
DRAWN = rounds((1, 1, 20, 0.6), (1, 2, 50, 0.8))


def test_the_mask_a_user_holds_is_the_networks_until_a_round_is_paid_for() -> None:
    shares = np.array([0.0, 0.19, 0.2, 0.49, 0.5, 1.0])
    found = of.dice_at(CASE, DRAWN, shares)
    assert found.loc[0].tolist() == [0.2, 0.2, 0.6, 0.6, 0.8, 0.8]


def test_the_area_over_effort_is_that_of_the_steps() -> None:
    exact = 0.2 * 0.2 + 0.3 * 0.6 + 0.5 * 0.8
    assert of.effort_area(CASE, DRAWN).tolist() == pytest.approx([exact], abs=1e-9)


def test_a_perfect_mask_for_the_full_effort_adds_nothing_to_the_area() -> None:
    assert of.effort_area(CASE, rounds((1, 10, 100, 1.0))).tolist() == pytest.approx([0.2])


def test_a_case_without_an_object_costs_nothing_to_finish() -> None:
    empty = positions([{"pre_hard": 0.0, "full_boundary": 0}])
    assert of.effort_area(empty, rounds((1, 1, 0, 1.0))).tolist() == [1.0]


def test_a_run_without_rounds_has_no_curve_over_effort() -> None:
    assert of.effort_area(CASE.assign(run="offline"), DRAWN).empty
