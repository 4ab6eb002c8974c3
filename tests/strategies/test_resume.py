"""What strategies keep is trained, saved and resumed with the run, bit by bit."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plan import Run
from tests.faults.breaking import Signal
from tests.runs import attempt, differing, outcome, tiny
from weakseg.data.dataset import Dataset

KILL = int(signal.SIGKILL)
STEPS = {"USTM": 7, "Scribble2Label": 6, "PacingPseudo": 7, "CycleMix": 6, "DMPLS": 6}


def run_of(label: str, phantom: Dataset) -> Run:
    return tiny(phantom, label=label, steps=9, interval=3)


@pytest.mark.parametrize(("label", "step"), STEPS.items())
def test_f01_a_killed_run_with_state_ends_as_if_it_had_not_been(
    label: str, step: int, phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = run_of(label, phantom)
    assert attempt(run, phantom, tmp_path / "whole", cache) == 0
    assert attempt(run, phantom, tmp_path / "cut", cache, Signal("step", step, KILL)) == -KILL
    assert attempt(run, phantom, tmp_path / "cut", cache) == 0
    assert differing(outcome(run, tmp_path / "cut"), outcome(run, tmp_path / "whole")) == []


@pytest.mark.parametrize("step", [2, 7])
def test_f01_a_run_of_two_stages_killed_in_either_ends_the_same(
    step: int, phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom, label="DMSPS", steps=8, interval=2)
    assert attempt(run, phantom, tmp_path / "whole", cache) == 0
    assert attempt(run, phantom, tmp_path / "cut", cache, Signal("step", step, KILL)) == -KILL
    assert attempt(run, phantom, tmp_path / "cut", cache) == 0
    assert differing(outcome(run, tmp_path / "cut"), outcome(run, tmp_path / "whole")) == []


def test_state_that_is_lost_would_show(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    """The tests above can fail: without its teacher the run ends differently."""
    run = run_of("USTM", phantom)
    other = replace(run, method=replace(run.method, strategy=None))
    for each in (run, other):
        assert attempt(each, phantom, tmp_path, cache) == 0
    assert differing(outcome(run, tmp_path), outcome(other, tmp_path))
