import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.online.test_demons import dice, disc, scan
from weakseg.online.registration import AntsSyN, Copy, Demons, Register, SimpleITKDemons, warp

ENGINES = [Demons(), SimpleITKDemons(), Copy()]


def pair() -> tuple[Tensor, Tensor]:
    fixed = torch.stack([scan(disc(27, 22)[:50]), scan(disc(29, 27)[:50], 1)])
    return fixed, torch.stack([scan(disc(24, 25)[:50], 2)] * 2)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: type(e).__name__)
def test_every_engine_gives_a_finite_field_of_the_same_kind(engine: Register) -> None:
    fixed, moving = pair()
    field = engine(fixed, moving)
    assert field.shape == (2, 2, 50, 55) and field.dtype == torch.float32
    assert field.isfinite().all()
    assert engine(fixed[:0], moving[:0]).shape == (0, 2, 50, 55)


@pytest.mark.parametrize("engine", ENGINES[:2], ids=lambda e: type(e).__name__)
def test_rows_and_columns_are_the_same_in_every_engine(engine: Register) -> None:
    fixed, moving = pair()
    mask = disc(24, 25)[:50]
    brought = warp(mask[None], engine(fixed, moving)[:1], "zeros")[0].round()
    assert dice(mask, disc(27, 22)[:50]) < 0.85
    assert dice(brought, disc(27, 22)[:50]) > 0.95


def test_a_copy_does_not_move() -> None:
    assert (Copy()(*pair()) == 0).all()


def test_flat_slices_do_not_stop_simpleitk() -> None:
    flat = torch.ones(1, 20, 20)
    assert SimpleITKDemons()(flat, flat).isfinite().all()


@pytest.mark.parametrize(
    ("engine", "module", "package"),
    [(AntsSyN(), "ants", "antspyx"), (SimpleITKDemons(), "SimpleITK", "simpleitk")],
    ids=["ants", "sitk"],
)
def test_a_missing_library_is_named_with_its_package(
    engine: Register, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        engine(*pair())


class Ants:
    """Stands in for ANTsPy: gives up on the second pair and shifts the first by (2, -1)."""

    def __init__(self) -> None:
        self.calls = 0

    def from_numpy(self, image: np.ndarray) -> np.ndarray:
        return image

    def registration(self, *_: object, **options: object) -> dict[str, str]:
        assert options["random_seed"] == 1
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError("gave up")
        return {"fwdtransforms": "shift"}

    def apply_transforms(self, _: np.ndarray, grid: np.ndarray, name: str) -> "Ants":
        assert name == "shift"
        self.grid = grid + (2 if (grid[0] == grid[0, 0]).all() else -1)
        return self

    def numpy(self) -> np.ndarray:
        return self.grid


def test_a_pair_that_ants_gives_up_is_nan_and_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ants", Ants())  # type: ignore[arg-type]
    field = AntsSyN()(*pair())
    assert (field[0, 0] == 2).all() and (field[0, 1] == -1).all()
    assert field[1].isnan().all()
