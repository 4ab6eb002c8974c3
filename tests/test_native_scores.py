from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.resident import resident
from weakseg.evaluate import evaluate, predict
from weakseg.models import Network

GRID = Grid(size=16, spacing=4.0)


class Everywhere(nn.Module):
    """Find class 1 wherever it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.0, 5.0, 0.0, 0.0]))

    def forward(self, image: Tensor) -> Tensor:
        return self.logits[None, :, None, None].expand(len(image), -1, *image.shape[2:])


def test_outside_the_grid_everything_is_background(phantom: Dataset, cache: Path) -> None:
    case, source = phantom.cases[0], resident(phantom, GRID, cache)
    prediction = predict(Network(Everywhere()), source, case, GRID)
    at = source.where[case.name]
    top, left, height, width = at.window
    inside = np.zeros(at.shape, bool)
    inside[:, top : top + height, left : left + width] = True
    assert 0 < inside.mean() < 1
    assert np.array_equal(prediction, inside.astype(np.uint8))


def test_classes_that_are_never_found_are_counted_missed(phantom: Dataset, cache: Path) -> None:
    source = resident(phantom, GRID, cache)
    scores = evaluate(Network(Everywhere()), phantom, source, phantom.cases[:2], GRID)
    lost = scores[scores["class"] != phantom.classes[0]]
    found = scores.drop(lost.index)
    assert (len(lost), len(found)) == (4, 2)
    assert (lost["missed"] == 1).all()
    assert (lost["dice"] == 0).all()
    assert lost[["hd95", "hd95_max", "assd"]].isna().all(axis=None)
    assert not found["missed"].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_images_take_the_precision_of_the_network(
    dtype: torch.dtype, phantom: Dataset, cache: Path
) -> None:
    case, source = phantom.cases[0], resident(phantom, GRID, cache)
    network = Network(nn.Conv2d(1, 4, 3, padding=1)).to(dtype)
    assert predict(network, source, case, GRID).shape == source.where[case.name].shape
