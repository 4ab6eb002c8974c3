import signal
import time
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from benchmarks.plan import Run
from benchmarks.runner import PREEMPTED, claimed, execute
from tests.faults.breaking import HalfWritten, Noted, Signal
from tests.runs import CPU, attempt, differing, outcome, start, tiny
from weakseg.data.dataset import Dataset

KILL, TERM = int(signal.SIGKILL), int(signal.SIGTERM)
# Steps 1 to 12 in intervals of 4; after each interval 2 volumes are validated and 10 tested.
VOLUMES = 12


@pytest.fixture(scope="module")
def run(phantom: Dataset) -> Run:
    return tiny(phantom)


@pytest.fixture(scope="module")
def undisturbed(
    run: Run, phantom: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    assert attempt(run, phantom, root, cache) == 0
    return outcome(run, root)


def steps_saved(run: Run, root: Path) -> list[int]:
    return sorted(int(p.name.split("-")[1]) for p in run.directory(root).glob("step-*.ckpt"))


@pytest.mark.parametrize(
    "fault",
    [
        Signal("step", 2, KILL),
        Signal("backward", 7, KILL),
        Signal("validation", VOLUMES + 2, KILL),
        Signal("validation", 2 * VOLUMES + 5, KILL),
        Signal("step", 12, KILL),
        Signal("scoring", 1, KILL),
        Signal("scoring", 6, KILL),
        HalfWritten(2, KILL),
    ],
    ids=str,
)
def test_f01_a_killed_run_ends_as_if_it_had_not_been(
    fault: Signal, run: Run, phantom: Dataset, cache: Path, undisturbed: dict[str, bytes],
    tmp_path: Path,
) -> None:  # fmt: skip
    assert attempt(run, phantom, tmp_path, cache, fault) == -KILL
    assert attempt(run, phantom, tmp_path, cache) == 0
    assert differing(outcome(run, tmp_path), undisturbed) == []


def test_f01_a_run_killed_again_and_again_still_ends_the_same(
    run: Run, phantom: Dataset, cache: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for fault in (
        Signal("step", 6, KILL),
        Signal("step", 2, TERM),
        Signal("step", 1, TERM),
        Signal("step", 1, KILL),
        Signal("validation", 3, TERM),
    ):
        assert attempt(run, phantom, tmp_path, cache, fault) in (-KILL, PREEMPTED)
    assert attempt(run, phantom, tmp_path, cache) == 0
    assert differing(outcome(run, tmp_path), undisturbed) == []


@pytest.mark.parametrize(
    ("fault", "saved"),
    [
        (Signal("step", 2, TERM), [2]),
        (Signal("step", 7, TERM), [4, 7]),
        (Signal("step", 8, TERM), [4, 8]),
        (Signal("validation", VOLUMES + 2, TERM), [4, 8]),
        (Signal("validation", 2 * VOLUMES, TERM), [4, 8]),
        (Signal("step", 12, TERM), [8, 12]),
        (Signal("scoring", 3, TERM), [8, 12]),
    ],
    ids=str,
)
def test_f02_sigterm_saves_the_current_step_and_says_so(
    fault: Signal, saved: list[int], run: Run, phantom: Dataset, cache: Path,
    undisturbed: dict[str, bytes], tmp_path: Path,
) -> None:  # fmt: skip
    assert attempt(run, phantom, tmp_path, cache, fault) == PREEMPTED
    assert steps_saved(run, tmp_path) == saved
    assert '"status": "interrupted"' in (run.directory(tmp_path) / "run.json").read_text()
    assert attempt(run, phantom, tmp_path, cache) == 0
    assert differing(outcome(run, tmp_path), undisturbed) == []


def test_f02_sigterm_from_outside_ends_a_worker_within_ten_seconds(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    long = tiny(phantom, steps=100_000, interval=50_000)
    worker = start([long], phantom, tmp_path, cache)
    deadline = time.monotonic() + 60
    while not (long.directory(tmp_path) / "progress.json").exists():
        assert time.monotonic() < deadline, "no step was made"
        time.sleep(0.05)
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == PREEMPTED
    (step,) = steps_saved(long, tmp_path)
    assert 0 < step < 50_000


def test_f02_an_orphan_stops_itself_and_can_go_on(
    run: Run, phantom: Dataset, cache: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(SIGTERMException):
        execute(run, phantom, root=tmp_path, cache=cache, compute=CPU, parent=1)
    assert steps_saved(run, tmp_path) == [0]
    assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    assert differing(outcome(run, tmp_path), undisturbed) == []


def test_f05_two_workers_do_each_run_once(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    todo = [tiny(phantom, label="pCE", steps=2, interval=2, seed=seed) for seed in range(4)]
    note = Noted(str(tmp_path / "started"))
    workers = [start(todo, phantom, tmp_path / "runs", cache, note) for _ in range(2)]
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted((tmp_path / "started").read_text().split()) == sorted(run.id for run in todo)
    assert all((run.directory(tmp_path / "runs") / "values.csv").exists() for run in todo)


def test_f06_the_run_of_a_killed_worker_is_free_at_once(
    run: Run, phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    assert attempt(run, phantom, tmp_path, cache, Signal("step", 3, KILL)) == -KILL
    with claimed(run.directory(tmp_path)) as mine:
        assert mine
        assert not execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
