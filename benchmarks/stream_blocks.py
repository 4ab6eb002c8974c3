"""What a table of streams says beyond its scores: the claim, windows, forgetting, effort."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pandas as pd

from benchmarks import stream_statistics as streams
from benchmarks.blocks import Block, Grid, Heading, Items, Picture, Text
from benchmarks.cells import NOTHING, Results, frame, signed
from benchmarks.comparisons import MEAN_DICE, labels
from benchmarks.scores import finished
from benchmarks.spec import Table
from benchmarks.statistics import LEVEL, interval, ratio_interval
from benchmarks.stream_statistics import Measure, Series

TARGETS: Final = (0.80, 0.85, 0.90)
"""Hard Dice of the front-end mask that slices are counted to."""

PICTURES: Final = {
    "stream": "Test Dice along the stream",
    "effort": "Dice of the mask a user holds against the share of the boundary that was drawn",
    "case": "One case, round by round",
}
"""Figures of a table of streams: name of the file and what it shows."""

_MEASURES: Final[dict[Measure, str]] = {
    "boundary": "boundary pixels",
    "slices": "slices",
    "actions": "actions",
    "contour_mm": "contour length",
    "seconds": "modelled seconds",
}


@dataclass(frozen=True)
class Stream:
    """Frames ``positions``, ``rounds`` and ``windows`` of a results folder."""

    positions: pd.DataFrame
    rounds: pd.DataFrame
    windows: pd.DataFrame

    def of(self, runs: "pd.Series[str]") -> "Stream":
        """Keep the lines of some runs."""
        frames = (self.positions, self.rounds, self.windows)
        return Stream(*(lines[lines["run"].isin(runs)] for lines in frames))


def by_row(table: Table, runs: pd.DataFrame, stream: Stream) -> dict[str, Stream]:
    """Return the lines of each row of a table that has a finished run, by label."""
    rows = finished(runs, labels(table))
    return {row: stream.of(runs.loc[runs["row"] == row, "run"]) for row in rows}


def sections(table: Table, results: Results, stream: Stream) -> list[Block]:
    """Return the sections on the stream: nothing where no row is done."""
    parts = by_row(table, results.runs, stream)
    if not parts:
        return []
    drawn = {row: part for row, part in parts.items() if len(part.rounds)}
    return [
        *_claims(table, results, drawn),
        Heading("Along the stream", 2),
        Picture("stream.png", PICTURES["stream"]),
        *_windows(parts),
        *_learning(drawn),
        *_effort(drawn),
        *_front_end(drawn),
        *_resources(parts),
    ]


def _claims(table: Table, results: Results, drawn: dict[str, Stream]) -> list[Block]:
    """Say of each row that saves effort how much, and what it loses against the references."""
    lines = []
    for row, part in drawn.items():
        effort = streams.spent(part.positions, "boundary")
        share = _ratio(effort)
        if row in table.references or not share < 1:
            continue
        lost = [_against(table, results, row, r) for r in table.references if r != row]
        text = f"**{row}** draws {_share(effort, ' ')} % of the boundary pixels of full annotation"
        lines.append(f"{text}, {100 * (1 - share):.0f} % fewer{''.join(lost)}.")
    if not lines:
        return []
    return [
        Heading("Effort saved and Dice lost", 2),
        Text(
            "Effort is summed over the cases of the stream; Dice is hard, averaged over the test "
            f"cases and the last window of positions. Brackets: {100 * LEVEL:.0f} % bootstrap "
            "intervals, of the effort over the cases of the stream, of the mean difference over "
            "the test patients; orders of arrival are averaged per case first, so that intervals "
            "do not know of the spread over orders."
        ),
        Items(tuple(lines)),
    ]


def _against(table: Table, results: Results, row: str, reference: str) -> str:
    """Return what a row's mean Dice loses against a reference; nothing where that did not run."""
    one, other = (results.of(r, MEAN_DICE, table.protocol.selection) for r in (row, reference))
    differences = (one - other).dropna()
    if not len(differences):
        return ""
    found = interval(differences)
    limits = "" if found is None else f" [{signed(found.low)}, {signed(found.high)}]"
    return f"; Dice {signed(float(differences.mean()))}{limits} against {reference}"


def _windows(parts: dict[str, Stream]) -> list[Block]:
    ends = sorted({int(end) for part in parts.values() for end in part.windows["end"]})
    if not ends:
        return []
    blocks: list[Block] = [
        Heading("Windows", 3),
        Text(
            "Mean Dice of the test cases over the window of positions that ends at t. Soft Dice is "
            "on probabilities, as in the released code; hard Dice is at the threshold 0.5."
        ),
    ]
    for score in ("soft", "hard"):
        body = [
            [_mean(part.windows.loc[part.windows["end"] == end, score]) for end in ends]
            for part in parts.values()
        ]
        columns = [f"{score} Dice, t = {end}" for end in ends]
        blocks.append(Grid(frame(list(parts), body, columns)))
    return blocks


def _learning(drawn: dict[str, Stream]) -> list[Block]:
    if not drawn:
        return []
    terms: dict[str, Callable[[pd.DataFrame], Series]] = {
        "prequential": streams.prequential,
        "forgetting": streams.forgetting,
        "backward transfer": streams.backward_transfer,
        "forward transfer": streams.forward_transfer,
    }
    body = []
    for part in drawn.values():
        lines = part.positions
        cells = [_over_cases(streams.by_case(lines, term(lines))) for term in terms.values()]
        areas = (streams.area(streams.curve(lines, score)) for score in ("soft", "hard"))
        body.append([*cells, *map(_number, areas)])
    columns = [*terms, "area, soft", "area, hard"]
    return [
        Heading("What is learnt and forgotten", 3),
        Text(
            "Soft Dice on the cases of the stream. Prequential: by the network before it learnt "
            "anything of the case. Forgetting: the best since the case was learnt, as far as it "
            "was looked at, less the end. Backward transfer: the end less just after the case. "
            "Forward transfer: just before the case less the untrained network. Area: mean height "
            "of the test curve. In brackets the interval of the mean over cases. Rows that see all "
            "cases at once are left out."
        ),
        Grid(frame(list(drawn), body, columns)),
    ]


def _effort(drawn: dict[str, Stream]) -> list[Block]:
    if not drawn:
        return []
    body = [
        [_share(streams.spent(part.positions, measure), "\n") for measure in _MEASURES]
        for part in drawn.values()
    ]
    return [
        Heading("Effort", 2),
        Text(
            "What the user gave, in % of drawing the object in every axial slice. Boundary pixels "
            "are the measure of the released code. Actions are slices drawn, slices called empty, "
            "marks and clicks; whoever draws every slice calls all those without the object empty. "
            "Seconds are those of a model of the user, not measured on people. In brackets the "
            "interval over cases."
        ),
        Grid(frame(list(drawn), body, list(_MEASURES.values()))),
        Picture("effort.png", PICTURES["effort"]),
        Heading("Dice for effort", 3),
        Text(
            "Slices: mean number drawn until the front-end mask has that hard Dice; in brackets "
            "the share of cases that never get there, which count with all their axial slices. "
            "Area: under the Dice of the mask a user holds against the share of boundary pixels "
            "drawn, from 0 to 1; before the first round that mask is the network's."
        ),
        Grid(_for_effort(drawn)),
    ]


def _for_effort(drawn: dict[str, Stream]) -> pd.DataFrame:
    body = []
    for part in drawn.values():
        reached = [
            _reach(streams.slices_to(part.positions, part.rounds, target)) for target in TARGETS
        ]
        areas = streams.effort_area(part.positions, part.rounds)
        body.append([*reached, _over_cases(streams.by_case(part.positions, areas))])
    columns = [*(f"slices to {target:.2f}" for target in TARGETS), "area"]
    return frame(list(drawn), body, columns)


def _front_end(drawn: dict[str, Stream]) -> list[Block]:
    if not drawn:
        return []
    body = []
    for part in drawn.values():
        last = part.rounds.sort_values("round").groupby(["run", "position"]).tail(1)
        means = (last["round"], last["slices"])
        counts = part.rounds.groupby(["run", "position"])[["pairs", "fallbacks"]].sum().mean()
        body.append(
            [
                _mean(part.positions["pre_hard"]),
                _mean(part.positions["proxy"]),
                *(_number(column.mean(), 1) for column in means),
                *(_number(counts[name], 1) for name in ("pairs", "fallbacks")),
                _number(100 * part.rounds["folding"].mean(), 2),
            ]
        )
    columns = [
        *("network before", "front end after", "rounds", "slices"),
        *("pairs registered", "fallbacks", "folded (%)"),
    ]
    return [
        Heading("Front end", 3),
        Text(
            "Per case: hard Dice of the network before it learnt of the case and of the last "
            "front-end mask; rounds, slices, pairs registered, slices that fell back to a simpler "
            "propagation, and the mean share of folded pixels."
        ),
        Grid(frame(list(drawn), body, columns)),
        Picture("case.png", PICTURES["case"]),
    ]


def _resources(parts: dict[str, Stream]) -> list[Block]:
    names = {"learn_seconds": "learning (s)", "round_seconds": "asking and propagating (s)"}
    body = [
        [
            *(_number(part.positions[name].mean(), 1) for name in names),
            _number(part.positions["memory_mb"].max(), 0),
        ]
        for part in parts.values()
    ]
    return [
        Heading("Time and memory per case", 3),
        Text(
            "Mean seconds per case, and the peak memory of a run: of the GPU where there was one, "
            "else of the process. Runs that shared a machine took longer than alone."
        ),
        Grid(frame(list(parts), body, [*names.values(), "peak (MB)"])),
    ]


def _ratio(effort: pd.DataFrame) -> float:
    whole = float(effort["full"].sum())
    return float(effort["spent"].sum()) / whole if whole else math.nan


def _share(effort: pd.DataFrame, gap: str) -> str:
    """Write a share of the full effort in %, and its interval after ``gap``."""
    share = _ratio(effort)
    if math.isnan(share):
        return NOTHING
    found = ratio_interval(effort["spent"], effort["full"])
    limits = "" if found is None else f"{gap}[{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return f"{100 * share:.1f}{limits}"


def _over_cases(values: Series) -> str:
    """Write a mean over cases, and its interval in a second line."""
    if values.empty:
        return NOTHING
    found = interval(values)
    limits = "" if found is None else f"\n[{_number(found.low)}, {_number(found.high)}]"
    return f"{_number(float(values.mean()))}{limits}"


def _reach(found: streams.Reach) -> str:
    return f"{found.slices:.1f} ({100 * found.failures:.0f} %)" if found.cases else NOTHING


def _mean(values: Series) -> str:
    return _number(float(values.mean()))


def _number(value: float, digits: int = 3) -> str:
    """Write a number, an en dash where it is not known, and no minus before a zero."""
    return NOTHING if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"
