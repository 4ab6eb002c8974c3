"""What a person sees while a table is being computed."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from benchmarks.plan import DONE, FAILED, Run

PLAIN_EVERY = 30.0
"""Seconds between two lines where the output is no terminal."""


class Display:
    """Live view of a table's runs, read from their directories; plain lines without a terminal."""

    def __init__(self, runs: list[Run], root: Path, console: Console, guess: float) -> None:
        self.runs, self.root, self.console, self.guess = runs, root, console, guess
        self.started = time.monotonic()
        self._where = {run.id: run.directory(root) for run in runs}  # hashing takes a while
        self._by_id = dict(zip(self._where, runs, strict=True))
        self.already = len(self._finished())
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._said: set[str] = self._finished()
        self._spoke = self.started

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def update(self) -> None:
        """Redraw, and say which runs have finished since the last time."""
        for name in sorted(self._finished() - self._said, key=list(self._by_id).index):
            self._said.add(name)
            failed = (self._where[name] / FAILED).exists()
            word = "[red]failed[/]" if failed else "[green]done[/]"
            told = f"{word} {_name(self._by_id[name])} ({self._elapsed()})"
            self.console.print(told, highlight=False)
        if self.console.is_terminal:
            self._live.update(self.view(), refresh=True)
        elif time.monotonic() - self._spoke > PLAIN_EVERY:
            self._spoke = time.monotonic()
            for run, state in self._active():
                self.console.print(
                    f"{_name(run)}: {_step(state)}; {_terms(state)}", highlight=False
                )
            self.console.print(self._total(), highlight=False)

    def view(self) -> RenderableType:
        """Return the whole display."""
        table = Table.grid(padding=(0, 2))
        for run, state in self._active():
            bar = ProgressBar(total=state["steps"], completed=state["step"], width=24)
            table.add_row(_name(run), bar, _step(state), _terms(state))
        finished = len(self._finished())
        total = Table.grid(padding=(0, 2))
        total.add_row(
            ProgressBar(total=len(self.runs), completed=finished, width=40), self._total()
        )
        return Group(table, total)

    def _total(self) -> str:
        finished = len(self._finished())
        left = self._left()
        done = f"{finished}/{len(self.runs)} rows done"
        return f"{done}, {self._elapsed()} so far, about {clock(left)} left"

    def _left(self) -> float:
        elapsed = time.monotonic() - self.started
        total = float(len(self.runs) - self.already)
        done = len(self._finished()) - self.already
        done += sum(state["step"] / state["steps"] for _, state in self._active()) * 0.9
        if total == 0 or done < 0.02 * total:
            return max(0.0, self.guess - elapsed)
        return float(elapsed * (total - done) / done)

    def _elapsed(self) -> str:
        return clock(time.monotonic() - self.started)

    def _finished(self) -> set[str]:
        return {
            run
            for run, folder in self._where.items()
            if any((folder / name).exists() for name in (DONE, FAILED))
        }

    def _active(self) -> list[tuple[Run, dict[str, Any]]]:
        finished = self._finished()
        found = []
        for name, folder in self._where.items():
            path = folder / "progress.json"
            if name not in finished and path.exists() and _fresh(path):
                with contextlib.suppress(ValueError):  # cut short by a power failure
                    found.append((self._by_id[name], json.loads(path.read_text())))
        return found


def clock(seconds: float) -> str:
    """Return minutes and seconds.

    Example:
        >>> clock(754)
        '12:34'
        >>> clock(7322)
        '2:02:02'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _fresh(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < 120


def _name(run: Run) -> str:
    """Return the name as markup, in which square brackets of a label stay what they are."""
    return escape(f"{run.row} ({run.scheme} {run.fold}, seed {run.seed})")


def _step(state: dict[str, Any]) -> str:
    if state["step"] >= state["steps"]:
        return "scoring"
    left = (state["steps"] - state["step"]) * state["seconds_per_step"]
    text = state.get("text", f"step {state['step']}/{state['steps']}")
    return f"{text}, {clock(left)} left"


def _terms(state: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in state["terms"].items())
