"""Frames of finished streams as a results folder holds them: numbers, no images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.collect import summarise_cases
from benchmarks.spec import Column, StreamData, Table
from benchmarks.stream_blocks import Stream
from weakseg.results import (
    ALL_POSITIONS,
    ALL_ROUNDS,
    ALL_WINDOWS,
    CASES,
    COUNTS,
    METRICS,
    RUNS,
    SPENT,
    as_written,
    write_csv,
)

from .synthetic import table as plain_table

ROWS = ("all slices", "half the slices", "offline")
TEST = tuple(f"test{number}" for number in range(6))
LENGTH = 8


def table(rows: Sequence[str] = ROWS) -> Table:
    """A table of streams of one class; the first and the last row are references."""
    return replace(
        plain_table(tuple(rows), references=(rows[0], rows[-1])),
        name="tubes",
        title="Tubes",
        classes=("tube",),
        plan=(("stream", (1,)),),
        stream=StreamData(stream=LENGTH, test=len(TEST), extent=(10.0, 10.0, 10.0)),
        plain=rows[0],
        columns=(Column("dice"), Column("hd95"), Column("missed", "all")),
    )


def frames(rows: Sequence[str] = ROWS, seeds: int = 2) -> dict[str, pd.DataFrame]:
    """Frames by name, for ``seeds`` orders of arrival.

    Row i has test Dice 0.9 - 0.1 i in the last window and draws 1 / (i + 1) of all slices in two
    rounds, the first of which draws half of that; the last row has no rounds.
    """
    lines: dict[str, list[dict[str, object]]] = {n: [] for n in ("runs", "cases", *_SCHEMAS)}
    for i, row in enumerate(rows):
        for seed in range(1, seeds + 1):
            run = f"{i:02d}{seed}"
            lines["runs"].append(_run(run, row, seed))
            order = np.random.default_rng(seed).permutation(LENGTH)
            for position, number in enumerate(order, start=1):
                place = {"run": run, "position": position, "case": f"case{number}"}
                rounds = [] if row == rows[-1] else _rounds(place, i)
                lines["rounds"] += rounds
                lines["positions"].append(_position(place, i, rounds))
            lines["cases"] += [_case(run, name, i) for name in TEST]
            lines["windows"] += [_window(run, name, i, end) for name in TEST for end in (3, LENGTH)]
    found = {name: pd.DataFrame(lines[name], columns=list(_SCHEMAS[name])) for name in lines}
    found["values"] = summarise_cases(found["cases"])
    return {name: as_written(frame) for name, frame in found.items()}


def stream(found: dict[str, pd.DataFrame]) -> Stream:
    return Stream(*(found[name] for name in ("positions", "rounds", "windows")))


def write(into: Path, found: dict[str, pd.DataFrame]) -> None:
    for name, frame in found.items():
        write_csv(into / f"{name}.csv", frame)


_SCHEMAS = {
    "runs": RUNS,
    "cases": CASES,
    "positions": ALL_POSITIONS,
    "rounds": ALL_ROUNDS,
    "windows": ALL_WINDOWS,
}
_FULL = {"boundary": 100, "slices": 10, "actions": 20, "contour_mm": 400.0, "user_seconds": 160.0}


def _run(run: str, row: str, seed: int) -> dict[str, object]:
    return {
        "run": run, "row": row, "scheme": "stream", "fold": 1, "seed": seed, "profile": "tiny",
        "data": "real", "content": "c0ffee" * 10, "commit": "12345678", "torch": "2.13.0",
        "lightning": "2.6.0", "device": "CPU", "threads": 1, "precision": "32-true",
        "steps": 16, "seconds": 60.0, "status": "done",
    }  # fmt: skip


def _rounds(place: dict[str, object], i: int) -> list[dict[str, object]]:
    lines = []
    for number, front in ((1, 0.7), (2, 0.95 if i else 1.0)):
        share = number / 2 / (i + 1)
        spent = {name: share * _FULL[name] for name in SPENT}
        about = {"front": front, "back": 0.5, "agreement": 0.6, "residual": 0.1, "pairs": 4}
        work = {"folding": 0.01, "fallbacks": 1, "round_seconds": 2.0, "learn_seconds": 3.0}
        lines.append({**place, "round": number, **about, **spent, **work})
    return lines


def _position(
    place: dict[str, object], i: int, rounds: list[dict[str, object]]
) -> dict[str, object]:
    last = rounds[-1] if rounds else _FULL
    return {
        **place, "initial": 0.1, "pre": 0.5, "post": 0.8, "best": 0.85, "last": 0.75 - 0.05 * i,
        "pre_hard": 0.5, "proxy": rounds[-1]["front"] if rounds else 1.0,
        "test_soft": 0.6 - 0.1 * i, "test_hard": 0.7 - 0.1 * i, "rounds": len(rounds),
        **{name: last[name] for name in SPENT},
        **{f"full_{name}".replace("user_", ""): _FULL[name] for name in SPENT},
        "learn_seconds": 6.0, "round_seconds": 4.0, "memory_mb": 500 + i,
    }  # fmt: skip


def _window(run: str, name: str, i: int, end: int) -> dict[str, object]:
    hard = _dice(name, i) - (0.2 if end < LENGTH else 0)
    return {
        "run": run, "end": end, "case": name, "patient": name, "soft": hard - 0.05, "hard": hard
    }  # fmt: skip


def _case(run: str, name: str, i: int) -> dict[str, object]:
    scores = dict.fromkeys((*METRICS, *COUNTS), 0.0) | {"dice": _dice(name, i), "hd95": 3.0 + i}
    about = {"selection": "last", "split": "test", "case": name, "patient": name, "group": ""}
    return {"run": run, **about, "class": "tube", **scores}


def _dice(name: str, i: int) -> float:
    return 0.9 - 0.1 * i + 0.01 * TEST.index(name) * (1 + i)
