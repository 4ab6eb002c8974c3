from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from weakseg.data.strong_augment import StrongAugment

CHANCES = ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma", "inverted_gamma")
NEVER = replace(StrongAugment(), **dict.fromkeys((*CHANCES, "rotation", "scaling"), 0.0))
DRAWS = list(range(64))


def images(n: int = 1) -> torch.Tensor:
    return torch.rand(n, 1, 24, 24, generator=torch.Generator().manual_seed(3))


def test_a_slice_depends_on_seed_and_draw_alone() -> None:
    augment, image = StrongAugment(), images().expand(64, 1, 24, 24)
    many = augment.intensity(image, 0, DRAWS)
    assert torch.equal(augment.intensity(image[:1], 0, [7])[0], many[7])
    assert not torch.equal(augment.intensity(image, 1, DRAWS), many)
    assert torch.equal(augment.matrices(0, [7])[0], augment.matrices(0, DRAWS)[7])


@pytest.mark.parametrize("chance", CHANCES)
def test_each_change_does_something_and_stays_in_range(chance: str) -> None:
    augment = replace(NEVER, **{chance: 1.0})
    changed = augment.intensity(images(), 0, [0])
    assert not torch.equal(changed, images())
    assert changed.min() >= 0 and changed.max() <= 1


def test_nothing_happens_where_no_chance_is_given() -> None:
    assert torch.equal(NEVER.intensity(images(), 0, [0]), images())
    assert {field.name for field in fields(NEVER)} >= set(CHANCES)


def test_without_rotation_and_scaling_the_map_mirrors_only() -> None:
    matrices = NEVER.matrices(0, DRAWS)
    assert torch.equal(matrices.abs(), torch.eye(2).expand(64, 2, 2))
    assert len({tuple(m.diagonal().tolist()) for m in matrices}) == 4


def test_mirroring_can_be_off() -> None:
    matrices = replace(NEVER, mirror=False).matrices(0, DRAWS)
    assert torch.equal(matrices, torch.eye(2).expand(64, 2, 2))


def test_scales_are_in_range_and_rotations_keep_lengths() -> None:
    turned = replace(NEVER, rotation=1.0).matrices(0, DRAWS)
    assert torch.allclose(torch.linalg.det(turned).abs(), torch.ones(64), atol=1e-5)
    scaled = torch.linalg.det(replace(NEVER, scaling=1.0).matrices(0, DRAWS)).abs() ** -0.5
    assert scaled.min() > 0.7 - 1e-4 and scaled.max() < 1.4 + 1e-4
    assert scaled.std() > 0.1


def test_the_blur_is_gaussian() -> None:
    augment = replace(NEVER, blur=1.0, blur_sigma=(0.8, 0.8))
    blurred = augment.intensity(images(), 0, [0])[0, 0].numpy()
    expected = ndimage.gaussian_filter(images()[0, 0].numpy(), 0.8, mode="nearest", radius=4)
    assert np.allclose(blurred, expected, atol=1e-5)
