"""Each kind of tampering with the files of streams is found, and nothing else is."""

import re
from collections.abc import Callable

import pandas as pd
import pytest

from benchmarks.stream_audit import stream_findings

from . import streams

Frames = dict[str, pd.DataFrame]


def texts(found: Frames) -> str:
    return "\n".join(text for _, text in stream_findings(found))


def test_honest_streams_agree() -> None:
    assert texts(streams.frames()) == ""


def test_streams_without_a_finished_run_agree() -> None:
    found = {name: frame[:0] for name, frame in streams.frames().items()}
    assert texts(found) == ""


def set_at(name: str, column: str, value: object, place: int = 0) -> Callable[[Frames], None]:
    def changed(found: Frames) -> None:
        found[name].loc[place, column] = value

    return changed


def without(name: str, run: str) -> Callable[[Frames], None]:
    def changed(found: Frames) -> None:
        found[name] = found[name][found[name]["run"] != run]

    return changed


def undone(found: Frames) -> None:
    found["runs"].loc[0, "status"] = "failed"


def swapped(found: Frames) -> None:
    """Let two cases of one run arrive in each other's place."""
    for name in ("positions", "rounds"):
        first, second = found["positions"].loc[:1, "case"]
        mine = found[name]["run"] == found["positions"].loc[0, "run"]
        turned = {first: second, second: first}
        found[name].loc[mine, "case"] = found[name].loc[mine, "case"].replace(turned)


def other_case(found: Frames) -> None:
    for name in ("positions", "rounds"):
        mine = (found[name]["run"] == "001") & (found[name]["position"] == 1)
        found[name].loc[mine, "case"] = "stranger"


def leaked(found: Frames) -> None:
    for name in ("positions", "rounds"):
        found[name]["case"] = found[name]["case"].replace("case3", streams.TEST[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (undone, r"positions\.csv holds run 001, which is not done"),
        (without("positions", "002"), "run 002 is done and has no positions"),
        (set_at("positions", "position", 1, 1), "run 001: its positions are not 1 to 8, each once"),
        (set_at("positions", "last", 1.5), r"positions\.csv, run 001: a share outside 0 to 1"),
        (set_at("rounds", "folding", -0.5), r"rounds\.csv, run 001: a share outside 0 to 1"),
        (set_at("windows", "soft", -0.1), r"windows\.csv, run 001: a share outside 0 to 1"),
        (other_case, "the runs have different cases on their streams"),
        (swapped, "the runs of seed 1 have different orders of arrival"),
        (leaked, r"\['test0'\] are on the stream and in the test set"),
        (set_at("rounds", "boundary", 200.0), "run 001, position 1: effort falls in a round"),
        (set_at("positions", "proxy", 0.5), "run 001, position 1: proxy is not that of its last"),
        (set_at("positions", "slices", 3), "run 001, position 1: slices is not that of its last"),
        (set_at("positions", "rounds", 3), "run 001, position 1: rounds is not that of its last"),
        (set_at("rounds", "case", "case99", 1), "run 001, position 1: case is not that of its"),
        (set_at("cases", "dice", 0.123), "run 001, test0: Dice is not that of its last window"),
        (without("windows", "001"), "run 001, test0: Dice is not that of its last window"),
    ],
)  # fmt: skip
def test_tampering_is_found_and_named(change: Callable[[Frames], None], told: str) -> None:
    found = streams.frames()
    change(found)
    assert re.search(told, texts(found))
