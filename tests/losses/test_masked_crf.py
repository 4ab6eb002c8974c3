import math

import pytest
import torch

from weakseg.losses import MaskedCRF, masked_crf

from .dense_reference import (
    crf_kernel,
    golden,
    masked_crf_dense,
    masked_crf_loops,
    random_image,
    random_probs,
)

SPACES = [(7, 9), (3, 4, 5)]


def random_mask(*shape, seed=3):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.7


def kernel_row(image, pixel):
    """Read k_ij for one i off the gradient: p is 1 there in class 0, and 0 elsewhere."""
    probs = torch.zeros(1, 2, *image.shape[2:], dtype=torch.float64)
    probs[(0, 0, *pixel)] = 1
    probs.requires_grad_()
    mask = torch.ones_like(image[:, 0])
    masked_crf(probs, image, mask).backward()
    return -probs.grad[0, 0] * mask.numel() / 2


def one_hot(*classes):
    return torch.eye(4, dtype=torch.float64)[torch.tensor(classes)].permute(0, 3, 1, 2)


@pytest.mark.parametrize("radius", [1, 5])
@pytest.mark.parametrize("space", SPACES)
def test_equals_the_double_loop(space, radius):
    probs, image = random_probs(2, 3, *space), random_image(2, 1, *space)
    mask = random_mask(2, *space)
    expected = masked_crf_loops(probs, image, mask, radius, sigma_xy=3.0, sigma_intensity=0.3)
    value = masked_crf(probs, image, mask, radius=radius, sigma_xy=3.0, sigma_intensity=0.3)
    assert value.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("space", SPACES)
def test_gradient_equals_the_dense_form(space):
    probs = random_probs(2, 3, *space).requires_grad_()
    image, mask = random_image(2, 2, *space), random_mask(2, *space)
    masked_crf(probs, image, mask, sigma_intensity=0.3).backward()
    ours, probs.grad = probs.grad, None
    masked_crf_dense(probs, image, mask, sigma_intensity=0.3).backward()
    torch.testing.assert_close(ours, probs.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("space", [(4, 5), (2, 3, 3)])
def test_gradient_agrees_with_finite_differences(space):
    probs = random_probs(2, 3, *space).requires_grad_()
    image, mask = random_image(2, 1, *space), random_mask(2, *space)
    assert torch.autograd.gradcheck(lambda p: masked_crf(p, image, mask, radius=2), probs)


def test_released_border_meets_the_released_code():
    z = golden()
    probs = z["probs"].requires_grad_()
    value = masked_crf(probs, z["image"], z["mask_dst"], border="released")
    value.backward()
    assert value.item() == pytest.approx(z["gated_crf"].item(), rel=1e-5)
    worst = (probs.grad - z["gated_crf_grad"]).abs().max()
    assert worst <= 1e-5 * z["gated_crf_grad"].abs().max()


def test_the_border_changes_the_value_and_not_the_gradient():
    z = golden()
    values, grads = [], []
    for border in ("inside", "released"):
        probs = z["probs"].clone().requires_grad_()
        value = masked_crf(probs, z["image"], z["mask_dst"], border=border)
        value.backward()
        values.append(value.item())
        grads.append(probs.grad)
    assert values[0] < values[1]
    assert torch.equal(*grads)


@pytest.mark.parametrize("space", SPACES)
def test_released_border_counts_black_pixels_at_the_origin(space):
    probs, image = random_probs(1, 3, *space), 0.1 * random_image(1, 1, *space)
    mask = torch.ones(1, *space)
    expected = 0.0
    for index in torch.cartesian_prod(*(torch.arange(n) for n in space)).tolist():
        steps = torch.cartesian_prod(*(torch.arange(-5, 6) + x for x in index))
        inside = ((steps >= 0) & (steps < torch.tensor(space))).all(1)
        colour = image[(0, 0, *index)].item() ** 2 / 0.02
        weight = math.exp(-sum(x * x for x in index) / 72 - colour)
        expected += int((~inside).sum()) * weight
    border = masked_crf(probs, image, mask, border="released") - masked_crf(probs, image, mask)
    assert border.item() == pytest.approx(expected / mask.numel(), rel=1e-9)


def test_released_border_at_a_dark_corner():
    probs, image = one_hot([[0] * 16] * 16), torch.zeros(1, 1, 16, 16)
    mask = torch.zeros(1, 16, 16)
    mask[0, 0, 0] = 1
    added = masked_crf(probs, image, mask, border="released")
    kernel_sum = kernel_row(image, (0, 0)).sum()
    assert kernel_sum.item() == pytest.approx(27.3, abs=0.05)
    assert (kernel_sum + added).item() == pytest.approx(112.3, abs=0.05)


def test_kernel_is_symmetric_and_at_most_one():
    image = random_image(1, 1, 6, 6)
    rows = [kernel_row(image, (r, c)).flatten() for r in range(6) for c in range(6)]
    kernel = torch.stack(rows)
    torch.testing.assert_close(kernel, kernel.T)
    torch.testing.assert_close(kernel, crf_kernel(image)[0])
    off_diagonal = kernel[~torch.eye(36, dtype=torch.bool)]
    assert torch.all(off_diagonal >= 0)
    assert torch.all(off_diagonal <= 1)
    near = kernel_row(0.1 * image, (3, 3))
    assert torch.all(near.flatten()[torch.arange(36) != 21] > 0)


def test_kernel_of_a_constant_image_is_the_spatial_gaussian():
    row = kernel_row(torch.full((1, 1, 13, 13), 0.7), (6, 6))
    y, x = torch.meshgrid(torch.arange(13), torch.arange(13), indexing="ij")
    square = ((y - 6) ** 2 + (x - 6) ** 2).double()
    near = ((y - 6).abs() <= 5) & ((x - 6).abs() <= 5) & (square > 0)
    torch.testing.assert_close(row, near * torch.exp(-square / 72))


def test_an_intensity_step_of_one_half_cuts_the_pairs_across_it():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 0.5
    row = kernel_row(image, (3, 3))
    assert torch.all(row[:, 4:] < 4e-6)
    assert row[3, 2] > 0.9


def test_intensities_of_several_modalities_add_up():
    image = torch.zeros(1, 2, 4, 4)
    image[0, :, 0, 0] = torch.tensor([0.1, 0.2])
    expected = math.exp(-1 / 72 - (0.01 + 0.04) / 0.02)
    assert kernel_row(image, (0, 0))[0, 1].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_one_hot_prediction_costs_exactly_nothing(dtype):
    probs = one_hot([[2] * 9] * 9).to(dtype)
    assert masked_crf(probs, random_image(1, 1, 9, 9), torch.ones(1, 9, 9)).item() == 0


def test_all_pixels_labelled_gives_zero_with_zero_gradient():
    probs = random_probs(2, 4, 8, 8).requires_grad_()
    loss = masked_crf(probs, random_image(2, 1, 8, 8), torch.zeros(2, 8, 8))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(probs.grad, torch.zeros_like(probs))


def test_pairs_with_both_ends_labelled_contribute_nothing():
    probs, image = random_probs(1, 3, 12, 12), random_image(1, 1, 12, 12)
    mask = torch.ones(1, 12, 12)
    mask[..., :4] = 0
    kernel = crf_kernel(image)[0]
    alike = torch.einsum("ci,cj->ij", probs[0].flatten(1), probs[0].flatten(1))
    weight = mask.flatten().double()
    ends = 0.5 * (weight[:, None] + weight[None, :])
    expected = (ends * kernel * (1 - alike)).sum() / weight.sum()
    assert torch.all(ends[:4, :4] == 0)
    torch.testing.assert_close(masked_crf(probs, image, mask), expected)


def test_a_labelled_pixel_learns_only_beside_an_unlabelled_one():
    probs = random_probs(1, 3, 20, 20).requires_grad_()
    mask = torch.zeros(1, 20, 20)
    mask[0, 0, 0] = 1
    masked_crf(probs, torch.zeros(1, 1, 20, 20), mask).backward()
    reached = probs.grad[0].abs().sum(0) > 0
    assert torch.all(reached[:6, :6])
    assert reached.sum() == 36


def test_without_a_mask_it_is_the_plain_gated_crf():
    probs, image = random_probs(2, 3, 8, 8), random_image(2, 1, 8, 8)
    flat = probs.flatten(2)
    cost = crf_kernel(image) * (1 - torch.einsum("bci,bcj->bij", flat, flat))
    torch.testing.assert_close(masked_crf(probs, image, torch.ones(2, 8, 8)), cost.sum() / 128)


def test_repeating_the_batch_leaves_the_value():
    probs, image, mask = random_probs(2, 3, 8, 8), random_image(2, 1, 8, 8), random_mask(2, 8, 8)
    twice = masked_crf(probs.repeat(2, 1, 1, 1), image.repeat(2, 1, 1, 1), mask.repeat(2, 1, 1))
    torch.testing.assert_close(masked_crf(probs, image, mask), twice)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float64])
def test_masks_with_and_without_a_channel_are_the_same(dtype):
    probs, image = random_probs(2, 3, 8, 8), random_image(2, 1, 8, 8)
    mask = random_mask(2, 8, 8).to(dtype)
    assert torch.equal(masked_crf(probs, image, mask), masked_crf(probs, image, mask[:, None]))


def test_memory_layout_does_not_matter():
    probs, image, mask = random_probs(2, 4, 8, 8), random_image(2, 1, 8, 8), random_mask(2, 8, 8)
    last = probs.to(memory_format=torch.channels_last)
    assert torch.equal(masked_crf(probs, image, mask), masked_crf(last, image, mask))


def test_works_without_a_gradient():
    probs, image = random_probs(1, 3, 6, 6), random_image(1, 1, 6, 6)
    assert not masked_crf(probs, image, torch.ones(1, 6, 6)).requires_grad


def test_keeps_one_tensor_of_the_size_of_the_prediction():
    kept = []
    probs = random_probs(2, 3, 8, 8).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x):
        masked_crf(probs, random_image(2, 1, 8, 8), torch.ones(2, 8, 8))
    assert sum(x.numel() for x in kept if x is not None) <= probs.numel() + 4


@pytest.mark.parametrize(
    ("probs", "image", "mask", "match"),
    [
        ((2, 3, 8), (2, 1, 8), (2, 8), "probs must be"),
        ((2, 3, 8, 8), (2, 1, 8, 9), (2, 8, 8), "image must be"),
        ((2, 3, 8, 8), (2, 8, 8), (2, 8, 8), "image must be"),
        ((2, 3, 8, 8), (2, 1, 8, 8), (2, 3, 8, 8), "mask must be"),
        ((2, 3, 8, 8), (2, 1, 8, 8), (1, 8, 8), "mask must be"),
    ],
)
def test_shapes_that_do_not_match_are_rejected(probs, image, mask, match):
    with pytest.raises(ValueError, match=match):
        masked_crf(torch.zeros(probs), torch.zeros(image), torch.zeros(mask))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"radius": 0}, "radius must be at least 1, got 0"),
        ({"sigma_xy": 0.0}, "sigma_xy must be positive, got 0.0"),
        ({"sigma_intensity": -1.0}, "sigma_intensity must be positive"),
    ],
)
def test_numbers_out_of_range_are_rejected(options, match):
    arguments = random_probs(1, 2, 4, 4), random_image(1, 1, 4, 4), torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match=match):
        masked_crf(*arguments, **options)
    with pytest.raises(ValueError, match=match):
        MaskedCRF(**options)


def test_an_unknown_border_is_rejected():
    arguments = random_probs(1, 2, 4, 4), random_image(1, 1, 4, 4), torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match="border must be one of"):
        masked_crf(*arguments, border="outside")
