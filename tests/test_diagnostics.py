import math

import pytest
import torch

from weakseg.diagnostics import grid_dice, similarity_parameters, similarity_statistics
from weakseg.models import Affinity, Attention, UNet, build
from weakseg.models.attention import to_band


def test_dice_is_over_the_volume_and_undefined_where_both_are_empty() -> None:
    reference = torch.tensor([[[0, 1], [1, 2]], [[0, 0], [1, 2]]])
    prediction = torch.tensor([[[0, 1], [1, 2]], [[1, 0], [0, 0]]])
    dice = grid_dice(prediction, reference, classes=3)
    assert dice[0] == pytest.approx(2 * 2 / (3 + 3))
    assert dice[1] == pytest.approx(2 * 1 / (1 + 2))
    assert math.isnan(dice[2])


def brute_force(dense: torch.Tensor, label: torch.Tensor, grid: tuple[int, int], radius: int):
    k, same = [], []
    for i in range(grid[0] * grid[1]):
        for j in range(grid[0] * grid[1]):
            near = all(
                abs(a - b) <= radius
                for a, b in zip(divmod(i, grid[1]), divmod(j, grid[1]), strict=True)
            )
            if near and i != j:
                k.append(dense[0, i, j].item())
                same.append(float(label.flatten()[i] == label.flatten()[j]))
    return torch.tensor(k, dtype=torch.float64), torch.tensor(same, dtype=torch.float64)


def test_statistics_are_over_pairs_of_different_cells_in_the_window() -> None:
    torch.manual_seed(0)
    grid, radius = (4, 5), 1
    dense = torch.rand(1, 20, 20)
    label = torch.randint(0, 3, grid)
    fine = label.repeat_interleave(4, 0).repeat_interleave(4, 1)[None]
    rows = similarity_statistics({"layer": to_band(dense, grid, radius)}, fine)
    k, same = brute_force(dense, label, grid, radius)
    assert rows["layer/mean"] == pytest.approx(k.mean().item())
    assert rows["layer/std"] == pytest.approx(k.std().item(), rel=1e-5)
    correlation = torch.corrcoef(torch.stack([k, same]))[0, 1].item()
    assert rows["layer/same_class_correlation"] == pytest.approx(correlation, rel=1e-5)


def test_correlation_is_undefined_for_a_constant_similarity_alone() -> None:
    band = to_band(torch.full((1, 16, 16), 0.5), (4, 4), 1)
    rows = similarity_statistics({"layer": band}, torch.arange(16).reshape(1, 4, 4) % 2)
    assert rows["layer/mean"] == 0.5
    assert rows["layer/std"] == 0
    assert math.isnan(rows["layer/same_class_correlation"])


def test_parameters_are_named_by_layer() -> None:
    unet = UNet(widths=(4, 4, 4, 8, 8))
    network = build(unet, Attention(layers=("encoder.2", "encoder.3")), 1, 4, (32, 32))
    rows = similarity_parameters(network)
    assert set(rows) == {f"encoder.{level}/{name}" for level in (2, 3) for name in "wb"}
    constant = Attention(affinity=Affinity(form="constant"))
    assert "encoder.2/b" in similarity_parameters(build(unet, constant, 1, 4, (32, 32)))
    assert similarity_parameters(build(unet, None, 1, 4, (32, 32))) == {}
