"""A tiny phantom, prepared once, and tiny runs on it."""

import os

os.environ["WANDB_MODE"] = "disabled"

from pathlib import Path

import pytest
import torch

from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import acdc
from weakseg.data.prepare import prepare

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten patients, two in each group, 64 x 64 pixels in plane."""
    folder = tmp_path_factory.mktemp("phantom")
    acdc.write(folder / "official", patients=10, matrix=64)
    return Dataset.open(prepare("acdc", folder / "official", folder / "prepared"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for the phantom on the grids of the tests."""
    return tmp_path_factory.mktemp("cache")
