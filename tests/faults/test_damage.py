import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.runner import execute
from tests.faults.breaking import HalfWritten, Signal
from tests.runs import CONTEXT, CPU, attempt, differing, outcome, tiny
from weakseg import checkpoints
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.resident import Resident, resident
from weakseg.data.splits import Split, split
from weakseg.losses import Objective
from weakseg.segmenter import Segmenter
from weakseg.train import build_network
from weakseg.types import IGNORE_INDEX, Batch

KILL = int(signal.SIGKILL)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_f03_a_full_disk_fails_with_the_reason_and_spares_the_last_checkpoint(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom)
    out = run.directory(tmp_path)
    attempt(run, phantom, tmp_path, cache, HalfWritten(2, signal=None))
    assert (out / "error.txt").read_text().startswith("OSError: [Errno 28] No space left on device")
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    assert not (out / "values.csv").exists()
    newest = checkpoints.newest(out)
    assert newest is not None
    assert newest.name.startswith("step-00000004-")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit])
def test_f04_a_damaged_checkpoint_is_replaced_by_the_one_before(
    damage: Callable[[Path], None], phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom)
    assert execute(run, phantom, root=tmp_path / "whole", cache=cache, compute=CPU)
    assert attempt(run, phantom, tmp_path, cache, Signal("step", 10, KILL)) == -KILL
    newest = checkpoints.newest(run.directory(tmp_path))
    assert newest is not None
    damage(newest)
    with pytest.warns(UserWarning, match=f"{newest.name} is damaged"):
        execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    assert differing(outcome(run, tmp_path), outcome(run, tmp_path / "whole")) == []


@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_f04_a_run_with_damaged_checkpoints_only_fails_and_does_not_start_over(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom)
    out = run.directory(tmp_path)
    assert attempt(run, phantom, tmp_path, cache, Signal("step", 10, KILL)) == -KILL
    for path in out.glob("step-*.ckpt"):
        flip_a_bit(path)
    for _ in range(2):
        (out / "error.txt").unlink(missing_ok=True)
        assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
        assert "every checkpoint in" in (out / "error.txt").read_text()
    assert not (out / "values.csv").exists()


def test_f08_a_loss_that_is_not_finite_stops_with_step_term_and_cases(
    phantom: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Segmenter.training_step

    def poisoned(module: Segmenter, batch: Batch, index: int) -> torch.Tensor:
        if batch.step == 2:
            batch.image[0, 0, 0, 0] = float("nan")
        return plain(module, batch, index)

    monkeypatch.setattr(Segmenter, "training_step", poisoned)
    run = tiny(phantom, steps=4)
    assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    message = (run.directory(tmp_path) / "error.txt").read_text().splitlines()[0]
    assert message.startswith("FloatingPointError: the loss is nan at step 2: partial_ce = ")
    assert "masked_crf = nan" in message
    assert message.count("patient") == run.budget.batch
    assert not (run.directory(tmp_path) / "values.csv").exists()


@pytest.mark.parametrize("label", ["pCE", "pCE + masked CRF", "AttenScribble, balanced"])
def test_f13_a_batch_without_any_stroke_is_finite_and_teaches_nothing_of_its_labels(
    label: str, phantom: Dataset
) -> None:
    run = tiny(phantom, label=label, table="acdc-ablation")
    network = build_network(run.method, run.budget, phantom, seed=0)
    objective = Objective(run.method.losses)
    image = torch.rand(2, 1, 32, 32)
    nothing = Batch(image, torch.full((2, 32, 32), IGNORE_INDEX), ["one", "two"])
    shares = objective(network(image), nothing)
    total = objective.total(shares)
    total.backward()
    assert torch.isfinite(total)
    assert shares["partial_ce"].mean() == 0
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if label == "pCE":
        assert all((gradient == 0).all() for gradient in gradients)


def test_f20_two_frames_of_a_patient_cannot_be_split(phantom: Dataset) -> None:
    one, two, other, *_ = phantom.cases
    assert one.patient == two.patient
    with pytest.raises(ValueError, match=f"patient {one.patient} is in two parts"):
        Split((one,), (other,), (two,))


def test_f20_no_split_shares_a_patient(phantom: Dataset) -> None:
    parts = split("stratified", phantom.cases, 1)
    patients = [{case.patient for case in part} for part in (parts.train, parts.val, parts.test)]
    assert sum(map(len, patients)) == len(set.union(*patients))


def test_f21_changed_content_gets_a_cache_entry_of_its_own(
    phantom: Dataset, tmp_path: Path
) -> None:
    grid = Grid(size=16, spacing=12.0)
    resident(phantom, grid, tmp_path)
    resident(replace(phantom, content="other"), grid, tmp_path)
    resident(phantom, Grid(size=16), tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 3


@pytest.mark.parametrize("missing", ["where.json", "image.npy", "half an array", "half an index"])
def test_f22_a_half_written_entry_is_built_again(
    missing: str, phantom: Dataset, tmp_path: Path
) -> None:
    grid = Grid(size=16, spacing=12.0)
    whole = _copy(resident(phantom, grid, tmp_path))
    (entry,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (tmp_path / f"{entry.name}.building").mkdir()
    if missing == "half an array":
        truncate(entry / "scribble.npy")
    elif missing == "half an index":
        (entry / "where.json").write_text("{")
    else:
        (entry / missing).unlink()
    again = resident(phantom, grid, tmp_path)
    assert again.where == whole.where
    for name in ("image", "reference", "scribble"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))


def test_f22_two_processes_build_one_entry_once(phantom: Dataset, tmp_path: Path) -> None:
    processes = [CONTEXT.Process(target=_build, args=(phantom, tmp_path)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len((tmp_path / "built").read_text()) == 1


def _build(phantom: Dataset, folder: Path) -> None:
    import weakseg.data.resident

    plain = weakseg.data.resident._build

    def noted(*args: object) -> Resident:
        with open(folder / "built", "a") as file:
            file.write("x")
        return plain(*args)  # type: ignore[arg-type]

    weakseg.data.resident._build = noted  # type: ignore[assignment]
    resident(phantom, Grid(size=32, spacing=6.0), folder)


def _copy(source: Resident) -> Resident:
    arrays = (np.array(getattr(source, name)) for name in ("image", "reference", "scribble"))
    return Resident(*arrays, source.where)
