import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.runner import claimed, execute
from benchmarks.tables import TABLES
from tests.runs import CONTEXT, CPU, tiny
from weakseg.data.dataset import Dataset

RUNNER = "benchmarks.runner.fit_and_test"


@pytest.fixture(scope="module")
def run(phantom: Dataset) -> Run:
    return tiny(phantom, label="pCE", steps=2, interval=2)


def record(run: Run, root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.directory(root) / "run.json").read_text())
    return found


def hold(directory: Path, held: Any) -> None:
    with claimed(directory):
        held.set()
        signal.pause()


def test_f06_a_run_is_held_by_one_process_and_free_when_that_is_killed(tmp_path: Path) -> None:
    held = CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(60)
    with claimed(tmp_path) as mine:
        assert not mine
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(10)
    for _ in range(2):
        with claimed(tmp_path) as mine:
            assert mine


def test_a_run_held_elsewhere_is_left_alone_and_not_counted_as_finished(
    run: Run, phantom: Dataset, tmp_path: Path
) -> None:
    with claimed(run.directory(tmp_path)):
        assert not execute(run, phantom, root=tmp_path, cache=tmp_path, compute=CPU)
    assert not (run.directory(tmp_path) / "run.json").exists()


@pytest.mark.parametrize("name", ["values.csv", "error.txt"])
def test_what_is_done_or_has_failed_is_not_trained(
    name: str, run: Run, phantom: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RUNNER, lambda *_, **__: pytest.fail("it trains"))
    out = run.directory(tmp_path)
    out.mkdir()
    (out / name).write_text("before")
    assert execute(run, phantom, root=tmp_path, cache=tmp_path, compute=CPU)
    assert (out / name).read_text() == "before"
    assert not (out / "run.json").exists()


def test_a_failure_is_kept_with_its_cause_and_can_be_tried_again(
    run: Run, phantom: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run.directory(tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "last.pt")

    with monkeypatch.context() as patched:
        patched.setattr(RUNNER, broken)
        assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    first, *story = (out / "error.txt").read_text().splitlines()
    assert first == "OSError: [Errno 28] No space left on device: 'last.pt'"
    assert any("in broken" in line for line in story)
    assert record(run, tmp_path)["status"] == "failed"
    (out / "error.txt").unlink()
    (out / "progress.json").write_text('{"seconds": 100.0}')
    assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    assert record(run, tmp_path)["status"] == "done"
    assert 100 < record(run, tmp_path)["seconds"] < 160
    assert json.loads((out / "progress.json").read_text())["seconds"] > 100


def test_an_interruption_passes_through_and_later_attempts_add_their_seconds(
    run: Run, phantom: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run.directory(tmp_path)
    now = [0.0]
    monkeypatch.setattr("benchmarks.runner.time.monotonic", lambda: now[0])

    def interrupted(*_: object, **__: object) -> None:
        spent = record(run, tmp_path)["seconds"] + 10.0
        (out / "progress.json").write_text(json.dumps({"seconds": spent}))
        assert record(run, tmp_path)["status"] == "running"
        now[0] += 10.0
        raise KeyboardInterrupt

    monkeypatch.setattr(RUNNER, interrupted)
    for attempt in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            execute(run, phantom, root=tmp_path, cache=tmp_path, compute=CPU)
        found = record(run, tmp_path)
        assert (found["status"], found["seconds"]) == ("interrupted", 10.0 * attempt)
    assert not (out / "error.txt").exists()


def test_a_run_goes_on_with_the_threads_it_began_with_and_its_record_says_how(
    run: Run, phantom: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    monkeypatch.setattr(RUNNER, lambda *_, compute, **__: used.append(compute.threads))
    for threads in (1, 4):
        execute(run, phantom, root=tmp_path, cache=tmp_path, compute=replace(CPU, threads=threads))
    assert used == [1, 1]
    found = record(run, tmp_path)
    assert {"run": run.id, "row": "pCE", "threads": 1, "steps": 2}.items() <= found.items()
    assert found["precision"] == "32-true"
    assert "CPU" in found["device"]


def test_a_stream_is_sent_through_its_method_with_the_options_of_the_run(
    phantom: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TABLES["nci-online"]
    run, *_ = runs(table, PROFILES["tiny"], table.rows[:1], "phantom", phantom.content)
    given = []
    monkeypatch.setattr(
        "benchmarks.runner.stream_and_score", lambda *args, **more: given.append((args, more))
    )
    monkeypatch.setattr(RUNNER, lambda *_, **__: pytest.fail("it is no split"))
    assert execute(run, phantom, root=tmp_path, cache=tmp_path / "cache", compute=CPU, parent=7)
    ((args, options),) = given
    assert args == (run.method, run.budget, phantom)
    assert (options["seed"], options["out"], options["parent"]) == (
        1, run.directory(tmp_path), 7
    )  # fmt: skip
    assert record(run, tmp_path)["steps"] == run.budget.stream * run.budget.updates


def test_a_method_under_the_budget_of_another_kind_fails_by_name(
    run: Run, phantom: Dataset, tmp_path: Path
) -> None:
    stream = PROFILES["tiny"].stream.budget(TABLES["nci-online"].stream)
    assert execute(replace(run, budget=stream), phantom, root=tmp_path, cache=tmp_path, compute=CPU)
    (error,) = tmp_path.glob("*/error.txt")
    assert error.read_text().startswith("TypeError: pCE: Method(")
