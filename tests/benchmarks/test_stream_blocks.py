"""What a table of streams says, on frames whose answers are known."""

import math

import pandas as pd
import pytest

from benchmarks.blocks import Block, Grid, Heading, Items, Picture
from benchmarks.cells import NOTHING
from benchmarks.contents import contents
from benchmarks.render import render
from benchmarks.statistics import interval
from benchmarks.stream_blocks import PICTURES, Stream

from . import streams

ALL, HALF, OFFLINE = streams.ROWS


def document(found: dict[str, pd.DataFrame]) -> list[Block]:
    frames = (found["runs"], found["values"], found["cases"])
    return contents(streams.table(), *frames, None, streams.stream(found))


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return document(streams.frames())


def grids(blocks: list[Block], heading: str) -> list[pd.DataFrame]:
    """Return the tables below a heading, up to the next one."""
    at = next(i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.text == heading)
    found = []
    for block in blocks[at + 1 :]:
        if isinstance(block, Heading):
            break
        found += [block.frame] if isinstance(block, Grid) else []
    return found


def claims(blocks: list[Block]) -> tuple[str, ...]:
    at = next(i for i, b in enumerate(blocks) if getattr(b, "text", "").startswith("Effort saved"))
    return next(b.items for b in blocks[at:] if isinstance(b, Items))


def test_the_claim_says_what_is_saved_and_what_is_lost_with_intervals(blocks: list[Block]) -> None:
    (claim,) = claims(blocks)
    assert claim.startswith(f"**{HALF}** draws 50.0 [50.0, 50.0] % of the boundary pixels")
    assert ", 50 % fewer" in claim
    lost = [-0.1 + 0.01 * number for number in range(len(streams.TEST))]
    patients = pd.Index(streams.TEST, name="patient")
    for sign, reference in ((1, ALL), (-1, OFFLINE)):
        found = interval(pd.Series([sign * value for value in lost], index=patients))
        assert found is not None
        limits = f"[{found.low:+.3f}, {found.high:+.3f}]"
        assert f"; Dice {-sign * 0.075:+.3f} {limits} against {reference}" in claim


def test_a_row_that_saves_nothing_makes_no_claim() -> None:
    found = streams.frames()
    found["positions"]["boundary"] = found["positions"]["full_boundary"]
    texts = [block.text for block in document(found) if isinstance(block, Heading)]
    assert "Effort saved and Dice lost" not in texts
    assert "Effort" in texts


def test_a_reference_that_did_not_run_is_left_out_of_the_claim() -> None:
    found = streams.frames()
    found["runs"] = found["runs"][found["runs"]["row"] != OFFLINE]
    (claim,) = claims(document(found))
    assert ALL in claim
    assert OFFLINE not in claim


def test_windows_are_means_over_test_cases_in_soft_and_hard_dice(blocks: list[Block]) -> None:
    soft, hard = grids(blocks, "Windows")
    assert list(soft.columns) == ["soft Dice, t = 3", "soft Dice, t = 8"]
    assert soft.loc[ALL].tolist() == ["0.675", "0.875"]
    assert hard.loc[HALF].tolist() == ["0.650", "0.850"]
    assert hard.loc[OFFLINE].tolist() == ["0.575", "0.775"]


def test_what_is_learnt_and_forgotten_is_said_of_streams_alone(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "What is learnt and forgotten")
    assert found.index.tolist() == [ALL, HALF]
    firsts = [cell.split("\n")[0] for cell in found.loc[HALF]]
    assert firsts == ["0.500", "0.150", "-0.100", "0.400", "0.500", "0.600"]
    assert found.loc[HALF, "forgetting"] == "0.150\n[0.150, 0.150]"


def test_effort_is_given_in_every_measure_in_percent_with_its_interval(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "Effort")
    assert found.loc[ALL].tolist() == ["100.0\n[100.0, 100.0]"] * 5
    assert found.loc[HALF].tolist() == ["50.0\n[50.0, 50.0]"] * 5
    assert OFFLINE not in found.index


def test_dice_for_effort_counts_slices_and_failures_and_takes_the_area(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "Dice for effort")
    half = found.loc[HALF]
    assert half["slices to 0.80"] == "5.0 (0 %)"
    assert float(half["area"].split("\n")[0]) == pytest.approx(
        0.25 * 0.5 + 0.25 * 0.7 + 0.5 * 0.95, abs=5e-4
    )


def test_a_target_that_is_never_reached_is_a_failure_of_every_case() -> None:
    found = streams.frames()
    found["rounds"]["front"] = 0.4
    (grid,) = grids(document(found), "Dice for effort")
    assert grid.loc[HALF, "slices to 0.90"] == "10.0 (100 %)"


def test_the_front_end_is_counted_per_case(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "Front end")
    assert found.loc[HALF].tolist() == ["0.500", "0.950", "2.0", "5.0", "8.0", "2.0", "1.00"]


def test_seconds_are_means_and_memory_is_the_peak(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "Time and memory per case")
    assert found.loc[OFFLINE].tolist() == ["6.0", "4.0", "502"]


def test_every_figure_of_a_stream_is_shown_and_those_of_splits_are_not(blocks: list[Block]) -> None:
    files = [block.file for block in blocks if isinstance(block, Picture)]
    assert sorted(files) == sorted(["ranks.png", *(f"{name}.png" for name in PICTURES)])


def test_one_selection_leaves_no_choice_of_the_checkpoint(blocks: list[Block]) -> None:
    texts = [block.text for block in blocks if isinstance(block, Heading)]
    assert not any(text.startswith("Choice of the checkpoint") for text in texts)


def test_a_single_class_is_not_shown_twice(blocks: list[Block]) -> None:
    (found,) = grids(blocks, "HD95 in both definitions (mm)")
    assert list(found.columns) == ["HD95 mean (mm)", "HD95 max mean (mm)"]


def test_without_a_finished_run_nothing_is_said_about_streams() -> None:
    found = streams.frames()
    found["runs"]["status"] = "failed"
    found |= {name: found[name][:0] for name in ("cases", "values")}
    found |= {name: found[name][:0] for name in ("positions", "rounds", "windows")}
    texts = [block.text for block in document(found) if isinstance(block, Heading)]
    assert not {"Effort", "Along the stream", "Windows"} & set(texts)


def test_few_cases_have_numbers_and_no_intervals() -> None:
    found = streams.frames(seeds=1)
    kept = found["positions"]["case"].isin(["case0", "case1"])
    found["positions"] = found["positions"][kept]
    (grid,) = grids(document(found), "Effort")
    assert grid.loc[HALF].tolist() == ["50.0"] * 5


def test_unknown_numbers_are_dashes_and_no_zero_has_a_minus() -> None:
    found = streams.frames()
    found["positions"][["post", "best", "last"]] = [0.5, 0.5, 0.4999999]
    found["positions"]["initial"] = math.nan
    (grid,) = grids(document(found), "What is learnt and forgotten")
    assert grid.loc[ALL, "backward transfer"] == "0.000\n[0.000, 0.000]"
    assert grid.loc[ALL, "forward transfer"] == NOTHING


def test_the_document_depends_on_the_lines_and_not_on_their_order() -> None:
    found = streams.frames()
    turned = {name: frame[::-1].reset_index(drop=True) for name, frame in found.items()}

    def text(frames: dict[str, pd.DataFrame], stream: Stream) -> str:
        return render(
            streams.table(), frames["runs"], frames["values"], frames["cases"], None, stream
        )

    assert text(found, streams.stream(found)) == text(turned, streams.stream(turned))
