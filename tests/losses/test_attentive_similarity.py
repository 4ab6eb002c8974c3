import pytest
import torch
from torch.nn import functional

from weakseg.losses import AttentiveSimilarity, attentive_similarity
from weakseg.types import IGNORE_INDEX, Batch, Output

from .dense_reference import (
    attentive_loops,
    golden,
    random_image,
    random_kernel,
    random_probs,
    spatial,
    to_band,
)

GRIDS = [(4, 5), (2, 3, 4)]


def pair_mask(*grid):
    """Read the band of G off the gradient by K: with p = 0 it is G / N."""
    window = 11 ** len(grid)
    band = torch.zeros(1, window, *grid, dtype=torch.float64, requires_grad=True)
    attentive_similarity(torch.zeros(1, 2, *grid, dtype=torch.float64), band).backward()
    return band.grad[0] * torch.Size(grid).numel()


def pieces(*grid):
    """Class 0 left, class 1 right: one-hot float64 [1, 2, *grid] and int64 [*grid]."""
    label = (torch.arange(grid[-1]) >= grid[-1] // 2).long().expand(grid)
    return torch.eye(2, dtype=torch.float64)[label].movedim(-1, 0)[None].contiguous(), label


def batch_of(label, step=0):
    return Batch(torch.zeros(len(label), 1, *label.shape[1:]), label, ["c"] * len(label), step)


def strokes(*rows):
    """Labels [B, 8, 8] whose first row is given and whose other pixels nobody drew."""
    label = torch.full((len(rows), 8, 8), IGNORE_INDEX)
    for b, row in enumerate(rows):
        label[b, 0, : len(row)] = torch.tensor(row)
    return label


def learnable(batch=2, seed=0):
    logits = torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return logits.requires_grad_(), random_image(batch, 121, 4, 4).float().requires_grad_()


def apply(term, logits, band, label, step=0):
    return term(Output(logits, {"encoder.2": band}), batch_of(label, step))


# The pair mask


def test_pair_mask_equals_its_definition():
    points = torch.cartesian_prod(torch.arange(7), torch.arange(8)).tolist()
    expected = to_band(spatial([tuple(p) for p in points], 5, 6.0)[None], (7, 8))[0]
    torch.testing.assert_close(pair_mask(7, 8), expected)


def test_pair_mask_has_the_known_sums_on_64_x_64():
    mask = pair_mask(64, 64)
    partners, rows = (mask > 0).sum(0), mask.sum(0)
    assert partners[32, 32] == 120
    assert partners[0, 0] == partners[63, 63] == 35
    assert partners.double().mean().item() == pytest.approx(109.907, abs=1e-3)
    assert rows[32, 32].item() == pytest.approx(92.0086, abs=1e-4)
    assert rows.mean().item() == pytest.approx(84.7646, abs=1e-4)
    assert mask[mask > 0].min().item() == pytest.approx(0.49935, abs=1e-5)
    assert torch.all(mask[60] == 0)


def test_pair_mask_is_symmetric_and_depends_on_offsets_only():
    mask = pair_mask(12, 13)
    torch.testing.assert_close(mask, mask.flip(0, 1, 2))
    for entries in mask:
        assert len(entries[entries > 0].unique()) <= 1


# The loss


@pytest.mark.parametrize("form", ["released", "balanced"])
@pytest.mark.parametrize("grid", GRIDS)
def test_equals_the_double_sum(grid, form):
    n = torch.Size(grid).numel()
    logits, kernel = torch.randn(2, 3, *grid, dtype=torch.float64), random_kernel(2, n)
    term = AttentiveSimilarity(form=form, exclude_single_class=False)
    label = torch.zeros(2, *grid, dtype=torch.long)
    value = apply(term, logits, to_band(kernel, grid), label).mean()
    expected = attentive_loops(logits.softmax(1), kernel, balanced=form == "balanced")
    assert value.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("space", "grid"), [((16, 20), (4, 5)), ((4, 6, 8), (2, 3, 4))])
def test_the_prediction_is_resampled_linearly(space, grid):
    probs, kernel = random_probs(2, 3, *space), random_kernel(2, torch.Size(grid).numel())
    mode = "bilinear" if len(grid) == 2 else "trilinear"
    coarse = functional.interpolate(probs, grid, mode=mode, align_corners=False)
    value = attentive_similarity(probs, to_band(kernel, grid))
    assert value.item() == pytest.approx(attentive_loops(coarse, kernel), rel=1e-10)


def test_meets_the_released_code():
    z = golden()
    probs, kernel = z["probs"].requires_grad_(), z["kernel"].requires_grad_()
    value = attentive_similarity(probs, to_band(kernel, (8, 8)))
    value.backward()
    assert value.item() == pytest.approx(z["attentive"].item(), rel=1e-5)
    for ours, key in ((probs.grad, "attentive_grad_probs"), (kernel.grad, "attentive_grad_kernel")):
        assert (ours - z[key]).abs().max() <= 1e-5 * z[key].abs().max()


@pytest.mark.parametrize("form", ["released", "balanced"])
@pytest.mark.parametrize("grid", [(3, 4), (2, 2, 3)])
def test_gradients_agree_with_finite_differences(grid, form):
    window = 3 ** len(grid)
    logits = torch.randn(2, 2, *grid, dtype=torch.float64, requires_grad=True)
    band = random_image(2, window, *grid).requires_grad_()
    term = AttentiveSimilarity(form=form, radius=1, exclude_single_class=False)
    label = torch.zeros(2, *grid, dtype=torch.long)

    def loss(logits, band):
        return apply(term, logits, band, label).mean()

    assert torch.autograd.gradcheck(loss, (logits, band))


def test_a_constant_one_hot_prediction_costs_nothing():
    probs = torch.zeros(1, 3, 8, 8)
    probs[:, 1] = 1
    assert attentive_similarity(probs, torch.ones(1, 121, 8, 8)).item() == 0


def test_a_piecewise_prediction_costs_nothing_if_the_similarity_matches():
    probs, label = pieces(6, 6)
    flat = label.flatten()
    kernel = (flat[:, None] == flat[None, :]).double()[None]
    assert attentive_similarity(probs, to_band(kernel, (6, 6))).item() == 0
    assert attentive_similarity(probs, torch.ones(1, 121, 6, 6)).item() > 0


def test_the_uniform_prediction_costs_its_share_of_the_bound():
    bound = attentive_similarity(torch.zeros(1, 4, 64, 64), torch.ones(1, 121, 64, 64))
    uniform = attentive_similarity(torch.full((1, 4, 64, 64), 0.25), torch.ones(1, 121, 64, 64))
    assert bound.item() == pytest.approx(84.7646, rel=1e-5)
    assert uniform.item() == pytest.approx(0.75 * 84.7646, rel=1e-5)


def test_is_linear_in_the_similarity_and_never_negative():
    probs = random_probs(2, 3, 6, 6)
    a, b = random_image(2, 121, 6, 6, seed=5), random_image(2, 121, 6, 6, seed=6)
    parts = 2 * attentive_similarity(probs, a) + 3 * attentive_similarity(probs, b)
    torch.testing.assert_close(attentive_similarity(probs, 2 * a + 3 * b), parts)
    assert attentive_similarity(probs, a) >= 0


def test_permuting_classes_and_flipping_everything_change_nothing():
    probs, kernel = random_probs(2, 3, 6, 6), random_kernel(2, 36)
    band = to_band(kernel, (6, 6))
    value = attentive_similarity(probs, band)
    torch.testing.assert_close(attentive_similarity(probs[:, [2, 0, 1]], band), value)
    index = torch.arange(36).reshape(6, 6).flip(1).flatten()
    flipped = to_band(kernel[:, index][:, :, index], (6, 6))
    torch.testing.assert_close(attentive_similarity(probs.flip(3), flipped), value)


def test_gradient_by_the_similarity_is_never_negative_and_0_within_a_piece():
    probs, label = pieces(6, 6)
    band = random_image(1, 121, 6, 6).requires_grad_()
    attentive_similarity(probs, band).backward()
    flat = label.flatten()
    same = to_band((flat[:, None] == flat[None, :]).double()[None], (6, 6)) > 0
    assert torch.all(band.grad >= 0)
    assert torch.all(band.grad[same] == 0)
    assert band.grad.max() > 0


def test_nobody_needing_a_gradient_is_fine():
    assert not attentive_similarity(
        random_probs(1, 2, 4, 4), torch.ones(1, 121, 4, 4)
    ).requires_grad


@pytest.mark.parametrize(
    ("similarity", "options", "match"),
    [
        ((2, 120, 4, 4), {}, r"similarity must be \[2, 121, \*s\].*\(2, 120, 4, 4\)"),
        ((2, 121, 4, 4), {"radius": 3}, r"similarity must be \[2, 49"),
        ((1, 121, 4, 4), {}, "similarity must be"),
        ((2, 121, 4), {}, "similarity must be"),
        ((2, 121, 4, 4), {"radius": 0}, "radius must be at least 1"),
        ((2, 121, 4, 4), {"sigma": 0.0}, "sigma must be positive"),
    ],
)
def test_arguments_that_do_not_fit_are_rejected(similarity, options, match):
    with pytest.raises(ValueError, match=match):
        attentive_similarity(torch.zeros(2, 3, 8, 8), torch.zeros(similarity), **options)


# The term


def test_switches_stop_the_gradients():
    label = strokes([0, 1], [0, 2])
    for off, index in (("grad_probs", 0), ("grad_similarity", 1)):
        tensors = learnable()
        apply(AttentiveSimilarity(**{off: False}), *tensors, label).total.backward()
        assert tensors[index].grad is None
        assert tensors[1 - index].grad.abs().max() > 0


def test_both_switches_off_is_an_error():
    with pytest.raises(ValueError, match="both off"):
        AttentiveSimilarity(grad_probs=False, grad_similarity=False)


@pytest.mark.parametrize("form", ["released", "balanced"])
@pytest.mark.parametrize("row", [[0, 0, 0], [2], []])
def test_a_single_class_sample_adds_exactly_nothing(row, form):
    logits, band = learnable(3)
    term = AttentiveSimilarity(form=form)
    share = apply(term, logits, band, strokes([0, 1], row, [1, 2, 3]))
    share.total.backward()
    others = apply(term, logits[[0, 2]], band[[0, 2]], strokes([0, 1], [1, 2, 3]))
    torch.testing.assert_close(share.total, others.total)
    for tensor in (logits, band):
        assert torch.all(tensor.grad[1] == 0)
        assert torch.all(tensor.grad[[0, 2]].abs().amax((1, 2, 3)) > 0)
    assert share.weight.item() == 16 * (2 if form == "balanced" else 3)


def test_exclusion_applies_only_while_the_similarity_learns():
    logits, band = learnable(1)
    label = strokes([0, 0])
    assert apply(AttentiveSimilarity(), logits, band, label).total == 0
    assert apply(AttentiveSimilarity(grad_similarity=False), logits, band, label).total > 0
    assert apply(AttentiveSimilarity(exclude_single_class=False), logits, band, label).total > 0


def test_a_batch_of_single_class_samples_is_zero_in_balanced_form():
    share = apply(AttentiveSimilarity(form="balanced"), *learnable(), strokes([0], [0]))
    assert share.weight == 0
    assert share.mean() == 0


def test_starts_at_its_step_and_is_differentiable_before():
    logits, band = learnable()
    term, label = AttentiveSimilarity(start=10), strokes([0, 1], [0, 1])
    share = apply(term, logits, band, label, step=9)
    share.mean().backward()
    assert share.mean() == 0
    assert torch.all(logits.grad == 0)
    assert torch.all(band.grad == 0)
    active = apply(term, logits, band, label, step=10)
    assert active.mean() > 0
    assert active.weight == share.weight


def test_is_the_mean_over_layers_of_each_layers_mean():
    probs_logits, fine = learnable()
    coarse, label = random_image(2, 121, 2, 2).float(), strokes([0, 1], [0, 1])
    both = AttentiveSimilarity()(
        Output(probs_logits, {"encoder.2": fine, "encoder.3": coarse}), batch_of(label)
    )
    alone = [apply(AttentiveSimilarity(), probs_logits, x, label).mean() for x in (fine, coarse)]
    torch.testing.assert_close(both.mean(), sum(alone) / 2)


def test_a_network_without_similarity_is_an_error():
    with pytest.raises(ValueError, match="exports a similarity, got none"):
        AttentiveSimilarity()(Output(torch.zeros(1, 2, 8, 8)), batch_of(strokes([0, 1])))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"form": "other"}, "form must be one of"),
        ({"start": -1}, "start must be at least 0"),
        ({"weight": -0.1}, "weight of a loss must be finite and at least 0"),
        ({"weight": float("nan")}, "weight of a loss"),
        ({"radius": 0}, "radius must be at least 1"),
    ],
)
def test_options_out_of_range_are_rejected(options, match):
    with pytest.raises(ValueError, match=match):
        AttentiveSimilarity(**options)
