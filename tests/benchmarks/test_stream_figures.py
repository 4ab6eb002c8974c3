"""Figures of streams: written where there is something to show, with the right curves in them."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.figures import draw_streams
from benchmarks.profiles import PROFILES
from benchmarks.stream_blocks import Stream
from benchmarks.stream_case_figure import draw_case, read_rounds
from benchmarks.stream_plots import draw_along, draw_effort
from weakseg.results import read_csv, write_csv

from . import streams

ALL, HALF, OFFLINE = streams.ROWS
PNG = b"\x89PNG"


def write_case(path: Path, rounds: int = 2) -> dict[str, np.ndarray]:
    """Write a case with a tube in it; round r has drawn slice r of z."""
    z, y, x = np.indices((6, 8, 10))
    reference = (np.hypot(y - 3, x - 4) < 3) & (z > 0)
    arrays = {"image": reference[None].astype(np.float32), "reference": reference}
    for number in range(1, rounds + 1):
        arrays[f"drawn_{number}"] = z == number
        arrays[f"proxy_{number}"] = np.where(z == number, 0, reference).astype(np.float32)
        arrays[f"prediction_{number}"] = reference * np.float32(0.9)
        arrays[f"residual_{number}"] = np.full(z.shape, np.nan if number == 1 else 0.3, np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return arrays


def parts() -> dict[str, Stream]:
    found = streams.frames()
    whole = streams.stream(found)
    runs = found["runs"]
    return {row: whole.of(runs.loc[runs["row"] == row, "run"]) for row in streams.ROWS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    streams.write(tmp_path / "results", streams.frames())
    return tmp_path / "results"


def test_figures_of_numbers_need_no_run_directory(folder: Path, tmp_path: Path) -> None:
    written = draw_streams(streams.table(), tmp_path / "runs", folder)
    assert [path.name for path in written] == ["stream.png", "effort.png", "ranks.png"]
    assert all(path.read_bytes().startswith(PNG) for path in written)


def test_drawing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_case(tmp_path / "runs" / "011" / "case.npz")
    first = {
        p.name: p.read_bytes() for p in draw_streams(streams.table(), tmp_path / "runs", folder)
    }
    again = {
        p.name: p.read_bytes() for p in draw_streams(streams.table(), tmp_path / "runs", folder)
    }
    assert first == again
    assert "case.png" in first


def test_an_earlier_figure_of_a_case_stays_where_no_run_kept_one(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "figures").mkdir()
    (folder / "figures" / "case.png").write_bytes(b"before")
    draw_streams(streams.table(), tmp_path / "runs", folder)
    assert (folder / "figures" / "case.png").read_bytes() == b"before"


def test_without_a_finished_run_nothing_is_drawn(tmp_path: Path) -> None:
    found = streams.frames()
    found["runs"]["status"] = "failed"
    streams.write(tmp_path, found)
    assert draw_streams(streams.table(), tmp_path / "runs", tmp_path) == []


def test_a_panel_of_the_stream_shows_its_own_curve_over_those_of_all_rows() -> None:
    figure = draw_along(parts(), 4)
    (_, middle, _) = figure.axes
    assert middle.get_title() == HALF
    *others, own, smooth = middle.get_lines()
    assert len(others) == len(streams.ROWS)
    assert own.get_xydata().tolist() == [[t, pytest.approx(0.6)] for t in range(1, 9)]
    assert smooth.get_xdata().tolist() == [4, 5, 6, 7, 8]


def test_a_short_stream_has_a_running_mean_of_one_value_that_can_be_seen() -> None:
    figure = draw_along(parts(), 15)
    smooth = figure.axes[0].get_lines()[-1]
    assert smooth.get_xdata().tolist() == [8]
    assert smooth.get_marker() == "o"


def test_a_panel_of_effort_shows_dice_by_share_and_where_the_user_stopped() -> None:
    drawn = {row: part for row, part in parts().items() if len(part.rounds)}
    figure = draw_effort(drawn)
    panel = figure.axes[1]
    *_, own, stop = panel.get_lines()
    shares, dice = own.get_data()
    at = {round(float(share), 2): value for share, value in zip(shares, dice, strict=True)}
    assert (at[0.2], at[0.25], at[0.5], at[1.0]) == pytest.approx((0.5, 0.7, 0.95, 0.95))
    assert stop.get_xdata()[0] == pytest.approx(0.5)


def test_a_row_of_one_round_has_no_panel_of_effort_beside_rows_of_more() -> None:
    drawn = {row: part for row, part in parts().items() if len(part.rounds)}
    lines = drawn[ALL].rounds
    once = Stream(drawn[ALL].positions, lines[lines["round"] == 1], drawn[ALL].windows)
    figure = draw_effort({ALL: once, HALF: drawn[HALF]})
    assert [ax.get_title() for ax in figure.axes] == [HALF]
    assert len(figure.axes[0].get_lines()) == 2 + 2  # both rows in grey, its own, where it stopped
    assert [ax.get_title() for ax in draw_effort({ALL: once}).axes] == [ALL]


def test_the_running_mean_is_as_long_as_the_window_of_the_profile(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = []
    monkeypatch.setattr(
        "benchmarks.figures.draw_along",
        lambda found, window: windows.append(window) or draw_along(found, window),
    )
    for profile in ("tiny", "one of the past"):
        runs = read_csv(folder / "runs.csv").assign(profile=profile)
        write_csv(folder / "runs.csv", runs)
        draw_streams(streams.table(), tmp_path / "runs", folder)
    assert windows == [PROFILES["tiny"].stream.window, 15]


def test_a_case_has_a_line_for_each_round_with_the_scores_of_both_ends(tmp_path: Path) -> None:
    write_case(tmp_path / "case.npz")
    figure = draw_case(tmp_path / "case.npz", "a row")
    axes = np.reshape(figure.axes, (2, 8))
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["round 1", "round 2"]
    assert axes[0, 2].get_xlabel() == "Dice 1.000"
    assert axes[0, 1].get_xlabel() == "Dice 0.889"
    assert figure.get_supylabel() == "a row"


def test_drawn_slices_are_seen_across_and_what_guided_nobody_is_not_painted(tmp_path: Path) -> None:
    write_case(tmp_path / "case.npz")
    figure = draw_case(tmp_path / "case.npz", "a row")
    axes = np.reshape(figure.axes, (2, 8))
    across = axes[0, 4].images[0].get_array()
    coloured = (across.max(axis=-1) - across.min(axis=-1) > 0.1).all(axis=1)
    assert coloured.tolist() == [False, True, False, False, False, False]
    residual = axes[0, 3].images[0].get_array()
    assert np.ptp(residual, axis=-1).max() == 0


def test_rounds_are_read_in_their_order_beyond_nine(tmp_path: Path) -> None:
    write_case(tmp_path / "case.npz", rounds=11)
    _, _, rounds = read_rounds(tmp_path / "case.npz")
    assert len(rounds) == 11
    assert rounds[1].drawn[2].all()


def test_a_damaged_case_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    arrays = write_case(tmp_path / "case.npz")
    del arrays["proxy_2"]
    np.savez_compressed(tmp_path / "case.npz", **arrays)
    with pytest.raises(ValueError, match=r"case\.npz: no array 'proxy_2'"):
        read_rounds(tmp_path / "case.npz")


def test_the_case_is_that_of_the_row_with_the_most_rounds(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(
        "benchmarks.figures.draw_case", lambda path, row: shown.append(row) or draw_case(path, row)
    )
    rounds = (folder / "rounds.csv").read_text().splitlines()
    kept = [line for line in rounds if not (line.startswith("00") and line.split(",")[2] == "2")]
    (folder / "rounds.csv").write_text("\n".join(kept) + "\n")
    for run in ("001", "011"):
        write_case(tmp_path / "runs" / run / "case.npz")
    draw_streams(streams.table(), tmp_path / "runs", folder)
    assert shown == [HALF]
