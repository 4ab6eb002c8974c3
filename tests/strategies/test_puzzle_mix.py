import itertools
import math

import numpy as np
import pytest
import torch

from weakseg.strategies.puzzle_mix import PuzzleMix, cut_levels


def grid_edges(rows: int, columns: int) -> list[tuple[int, int]]:
    """Neighbours on a grid, found the slow way."""
    cells = list(itertools.product(range(rows), range(columns)))
    return [
        (a, b)
        for a, b in itertools.combinations(range(len(cells)), 2)
        if abs(cells[a][0] - cells[b][0]) + abs(cells[a][1] - cells[b][1]) == 1
    ]


def energy(levels, unary, edges, weight):
    steps = unary.shape[1] - 1
    own = sum(unary[i, level] for i, level in enumerate(levels))
    pairs = zip(edges, weight, strict=True)
    return own + sum(w * abs(levels[a] - levels[b]) / steps for (a, b), w in pairs)


def least(unary, edges, weight):
    nodes, levels = unary.shape
    everything = itertools.product(range(levels), repeat=nodes)
    return min(energy(levels, unary, edges, weight) for levels in everything)


@pytest.mark.parametrize(("rows", "levels"), [(2, 2), (2, 3), (2, 4), (3, 2), (3, 3)])
@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_the_cut_is_a_minimum_over_all_labellings(rows, levels, scale):
    generator = np.random.default_rng(0)
    edges = grid_edges(rows, 2)
    one, two = (np.array(ends) for ends in zip(*edges, strict=True))
    for _ in range(15):
        unary = generator.normal(size=(2 * rows, levels)) * scale
        weight = generator.exponential(0.7, size=len(edges)) * scale
        found = cut_levels(unary, one, two, weight)
        assert found.min() >= 0 and found.max() < levels
        best = least(unary, edges, weight)
        assert energy(found, unary, edges, weight) == pytest.approx(best, abs=1e-3 * scale)


def test_the_cut_of_a_grid_as_large_as_in_training_beats_what_is_near_it():
    generator = np.random.default_rng(1)
    edges = grid_edges(8, 8)
    one, two = (np.array(ends) for ends in zip(*edges, strict=True))
    unary, weight = generator.exponential(1.0, size=(64, 3)), np.full(len(edges), 0.3)
    found = cut_levels(unary, one, two, weight)
    reached = energy(found, unary, edges, weight)
    for node, level in itertools.product(range(64), range(3)):
        changed = found.copy()
        changed[node] = level
        assert energy(changed, unary, edges, weight) >= reached - 1e-3
    assert len(set(found.tolist())) > 1


def test_without_neighbours_each_node_takes_its_cheapest_level():
    unary = np.random.default_rng(2).normal(size=(20, 3))
    none = np.array([], dtype=np.int64)
    assert (cut_levels(unary, none, none, np.array([])) == unary.argmin(1)).all()


def test_strong_ties_give_every_node_the_level_that_is_cheapest_in_all():
    unary = np.random.default_rng(3).normal(size=(6, 3))
    one, two = (np.array(ends) for ends in zip(*grid_edges(3, 2), strict=True))
    found = cut_levels(unary, one, two, np.full(len(one), 100.0))
    assert (found == unary.sum(0).argmin()).all()


def test_each_image_is_shown_where_it_matters():
    saliency = torch.zeros(2, 16, 16)
    saliency[0, :, :8], saliency[1, :, 8:] = 1.0, 1.0
    mix = PuzzleMix(blocks=4, prior=0.0, smoothness=0.0, likeness=0.0)
    mask = mix.masks(saliency, torch.rand(2, 1, 16, 16), torch.tensor([1, 0]))
    assert mask.shape == (2, 1, 16, 16)
    assert (mask[0, 0, :, :8] == 1).all() and (mask[0, 0, :, 8:] == 0).all()
    assert torch.equal(mask[1], 1 - mask[0])


def test_masks_minimise_the_stated_cost():
    """The class docstring's energy of 2 x 2 blocks, over all 81 masks."""
    mix, edges = PuzzleMix(blocks=2, likeness=9.0), grid_edges(2, 2)
    generator = torch.Generator().manual_seed(5)
    differing = set()
    for seed in range(12):
        saliency = torch.rand(2, 8, 8, generator=generator) ** 4
        image = torch.rand(2, 1, 2, 2, generator=generator)
        image = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
        torch.manual_seed(seed)
        mask = mix.masks(saliency, image, torch.tensor([1, 0]))
        torch.manual_seed(seed)
        ratio = torch.distributions.Beta(0.5, 0.5).sample((2,))[0].clamp(1e-3, 1 - 1e-3).item()
        block = saliency.view(2, 2, 4, 2, 4).mean((2, 4)).flatten(1)
        block = (block / block.mean(1, keepdim=True)).tolist()
        tone = image.view(2, 2, 4, 2, 4).mean((2, 4)).flatten(1).tolist()
        chance = [math.comb(2, n) * ratio**n * (1 - ratio) ** (2 - n) for n in range(3)]
        unary = np.array(
            [
                [
                    (1 - n / 2) * block[0][i] + n / 2 * block[1][i] - 0.2 * math.log(chance[n])
                    for n in range(3)
                ]
                for i in range(4)
            ]
        )
        weight = [
            (1.2 + 9.0 * (abs(tone[0][a] - tone[1][b]) + abs(tone[1][a] - tone[0][b])) / 2) * 2 / 16
            for a, b in edges
        ]
        levels = (mask[0, 0, ::4, ::4].flatten() * 2).long().tolist()
        best = least(unary, edges, weight)
        assert energy(levels, unary, edges, weight) == pytest.approx(best, abs=1e-3)
        differing.add(tuple(levels))
    assert len(differing) > 3


def test_masks_have_three_values_and_follow_blocks_of_the_image():
    saliency, image = torch.rand(6, 20, 20), torch.rand(6, 2, 20, 20)
    mix = PuzzleMix(blocks=5, smoothness=0.1)
    mask = mix.masks(saliency, image, torch.arange(6).roll(1))
    assert set(mask.unique().tolist()) <= {0.0, 0.5, 1.0}
    blocks = mask.view(6, 5, 4, 5, 4)
    assert torch.equal(blocks, blocks[:, :, :1, :, :1].expand_as(blocks))


@pytest.mark.parametrize("size", [3, 8, 21])
def test_images_smaller_than_the_blocks_or_of_odd_size(size):
    mask = PuzzleMix().masks(
        torch.rand(2, size, size), torch.rand(2, 1, size, size), torch.tensor([1, 0])
    )
    assert mask.shape == (2, 1, size, size)


def test_images_without_saliency_are_mixed_by_the_ratio_alone():
    mix, image = PuzzleMix(smoothness=0.0, likeness=0.0), torch.rand(40, 1, 8, 8)
    torch.manual_seed(0)
    mask = mix.masks(torch.zeros(40, 8, 8), image, torch.arange(40))
    torch.manual_seed(0)
    ratio = torch.distributions.Beta(0.5, 0.5).sample((40,)).tolist()
    for own, r in zip(mask, ratio, strict=True):
        chance = [(1 - r) ** 2, 2 * r * (1 - r), r**2]
        assert (own == chance.index(max(chance)) / 2).all()


def test_a_diverged_network_is_named():
    saliency = torch.full((2, 8, 8), float("nan"))
    with pytest.raises(FloatingPointError, match="saliency"):
        PuzzleMix().masks(saliency, torch.rand(2, 1, 8, 8), torch.tensor([1, 0]))


@pytest.mark.parametrize("options", [{"blocks": 0}, {"alpha": 0.0}, {"prior": -1.0}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        PuzzleMix(**options)
