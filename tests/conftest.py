"""Tiny phantoms, prepared once, and a cache for tiny runs on them."""

import os

os.environ["WANDB_MODE"] = "disabled"

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
import torch

from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import PHANTOMS
from weakseg.data.prepare import prepare

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def phantom_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """The prepared phantom of a source: ten patients, 64 x 64 pixels in plane."""

    @lru_cache
    def made(source: str) -> Dataset:
        folder = tmp_path_factory.mktemp(source)
        PHANTOMS[source](folder / "official", 10, 64, 0)
        return Dataset.open(prepare(source, folder / "official", folder / "prepared"))

    return made


@pytest.fixture(scope="session")
def phantom(phantom_of: Callable[[str], Dataset]) -> Dataset:
    """The phantom of ACDC: two patients in each group."""
    return phantom_of("acdc")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for the phantoms on the grids of the tests."""
    return tmp_path_factory.mktemp("cache")
