import math

import pytest

from benchmarks.cells import (
    NOTHING,
    Results,
    cell,
    figure_name,
    grid,
    limits,
    listed,
    schemes_of,
    signed,
)
from benchmarks.spec import Column
from benchmarks.statistics import Interval, interval
from weakseg.results import Group

from .synthetic import ROWS, numbers

DICE, HD95 = Column("dice", "mean"), Column("hd95", "mean")


@pytest.fixture
def results() -> Results:
    return Results(*numbers(ROWS[:2], seeds=2)[:3])


@pytest.mark.parametrize(
    ("group", "column", "text"),
    [
        (Group(math.nan, math.nan, 0), DICE, NOTHING),
        (Group(0.5, math.nan, 1), DICE, "0.500 (1)"),
        (Group(12.345, 3.21, 7), HD95, "12.3 ± 3.2 (7)"),
        (Group(1.234, 0.567, 7), Column("assd", "mean"), "1.23 ± 0.57 (7)"),
        (Group(0.0, math.nan, 7), Column("missed", "all"), "0"),
        (Group(1 / 3, math.nan, 7), Column("spurious", "all"), "0.3"),
        (Group(1200.0, math.nan, 7), Column("spurious", "all"), "1200"),
    ],
)
def test_cells(group: Group, column: Column, text: str) -> None:
    assert cell(group, column) == text


def test_limits_have_the_digits_of_the_quantity() -> None:
    assert limits(Interval(4.56, 10.04), HD95) == "[4.6, 10.0]"
    assert limits(None, DICE) == ""


def test_differences_have_a_sign_and_no_negative_zero() -> None:
    assert [signed(x) for x in (0.0126, -0.0126, -1e-9)] == ["+0.013", "-0.013", "+0.000"]
    assert signed(-3.14, 1) == "-3.1"
    assert signed(math.nan) == NOTHING


def test_grid_writes_the_interval_of_the_same_cases_under_the_mean(results: Results) -> None:
    shown = grid(results, ROWS, (DICE, Column("missed", "all")), "last")
    found = results.of(ROWS[1], DICE, "last")
    wanted = f"{found.mean():.3f} ± {found.std():.3f} (16)\n{limits(interval(found), DICE)}"
    assert shown.loc[ROWS[1], "Dice mean"] == wanted
    assert list(shown["missed"]) == ["0", "0", NOTHING]
    assert shown.loc[ROWS[2], "Dice mean"] == NOTHING
    assert "[" not in grid(results, ROWS, (DICE,), "last", intervals=False).loc[ROWS[1]].item()


def test_the_checkpoint_is_the_one_asked_for(results: Results) -> None:
    last, test = (results.pooled(ROWS[0], DICE, s).value for s in ("last", "best-test"))
    assert test - last == pytest.approx(0.01)


def test_counts_are_per_seed() -> None:
    runs, values, cases, _ = numbers(ROWS[:1], seeds=4)
    cases.loc[cases.index[cases["selection"] == "last"][:1], "missed"] = 1
    found = Results(runs, values, cases).pooled(ROWS[0], Column("missed", "all"), "last")
    assert found.value == pytest.approx(0.25)
    assert found.n == 16


def test_schemes_have_an_order_and_unknown_ones_come_last() -> None:
    runs = numbers(ROWS[:1])[0]
    several = [runs.assign(scheme=s).iloc[0] for s in ("mine", "chaos", "official", "five_fold")]
    frame = type(runs)(several)
    assert schemes_of(frame) == ["five_fold", "official", "chaos", "mine"]
    assert figure_name("ranks", "five_fold", schemes_of(frame)) == "ranks.png"
    assert figure_name("ranks", "mine", schemes_of(frame)) == "ranks-mine.png"


def test_lists_hold_every_value_once() -> None:
    assert listed([2, 1, 2, None, ""]) == "1, 2"
    assert listed([math.nan]) == NOTHING
