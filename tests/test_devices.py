"""A run shared by two processes ends where the run of one ends."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from weakseg.config import Compute, Optim
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.splits import split
from weakseg.losses import AttentiveSimilarity, MaskedCRF, PartialCE
from weakseg.method import Budget, Method
from weakseg.models import Attention, UNet
from weakseg.train import SELECTIONS, build_network, fit_and_test

# Nothing here depends on who shares a batch: no batch statistics, no draws of dropout. Three
# levels, since instance norm over the 2 x 2 cells of a fifth one would blow rounding up.
METHOD = Method(
    network=UNet(widths=(4, 4, 8), dropout=(0.0,) * 3, norm="instance"),
    attention=Attention(radius=1),
    losses=(PartialCE(), MaskedCRF(radius=1), AttentiveSimilarity(radius=1)),
)
BUDGET = Budget(grid=Grid(size=32, spacing=6.0), batch=4, steps=4, interval=2, optim=Optim(lr=0.01))


def train(data: Path, out: Path, cache: Path, devices: int) -> None:
    dataset = Dataset.open(data)
    fit_and_test(
        METHOD,
        BUDGET,
        dataset,
        split("stratified", dataset.cases, 1),
        seed=0,
        out=out,
        cache=cache,
        compute=Compute(accelerator="cpu", devices=devices, precision="32-true", threads=1),
    )


def in_a_process(data: Path, out: Path, cache: Path, devices: int) -> Path:
    """Train by running this file: spawned processes import the main module anew."""
    subprocess.run(
        [sys.executable, "-m", "tests.test_devices", data, out, cache, str(devices)],
        cwd=Path(__file__).parents[1],
        check=True,
        timeout=240,
    )
    return out


def check_weights(one: Path, two: Path, start: dict[str, Tensor]) -> None:
    for name in ("last", "best-val", "best-test"):
        found, other = (torch.load(out / f"{name}.pt", weights_only=True) for out in (one, two))
        assert found.keys() == other.keys() == start.keys()
        assert max((found[key] - start[key]).abs().max().item() for key in found) > 1e-3
        for key in found:
            torch.testing.assert_close(found[key], other[key], rtol=0, atol=1e-6)


def check_scored_once(values: pd.DataFrame, dataset: Dataset) -> None:
    parts = split("stratified", dataset.cases, 1)
    scored = {("last", "val"): parts.val}
    scored |= {(name, "test"): parts.test for name in SELECTIONS}
    lines = values[["selection", "split", "case", "class"]].itertuples(index=False, name=None)
    assert sorted(lines) == sorted(
        (*key, case.name, name)
        for key, cases in scored.items()
        for case in cases
        for name in dataset.classes
    )


@pytest.mark.slow
def test_f29_two_devices_train_as_one_and_score_each_case_once(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    one, two = (
        in_a_process(phantom.root, tmp_path / str(devices), cache, devices) for devices in (1, 2)
    )
    check_weights(one, two, build_network(METHOD, BUDGET, phantom, seed=0).state_dict())
    check_scored_once(pd.read_csv(two / "values.csv"), phantom)
    for name in ("values.csv", "curve.csv"):
        left, right = pd.read_csv(one / name), pd.read_csv(two / name)
        pd.testing.assert_frame_equal(left, right, rtol=1e-5, atol=1e-6)
    assert "similarity/encoder.2/same_class_correlation" in set(right["quantity"])


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
