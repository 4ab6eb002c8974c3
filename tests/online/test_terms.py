import pytest
import torch
from torch.nn import functional as F

from weakseg.online.terms import WeightedBCE, WeightedDice
from weakseg.types import Output

TERMS = [WeightedBCE(), WeightedDice(), WeightedDice(form="sums")]


def example(seed=0, batch=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    logits, target, weight = (torch.rand(batch, 1, 3, 4, 5, generator=generator) for _ in range(3))
    return (4 * logits - 2).to(dtype).requires_grad_(), target, 2 * weight


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_a_finite_positive_differentiable_scalar(term):
    logits, target, weight = example()
    loss = term(Output(logits), target, weight, None)
    loss.backward()
    assert loss.shape == ()
    assert loss > 0
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_computed_in_float32_for_half_precision_logits(term, dtype):
    logits, target, weight = example(dtype=dtype)
    loss = term(Output(logits), target, weight, None)
    assert loss.dtype == torch.float32
    assert loss == term(Output(logits.float()), target, weight, None)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_looks_at_no_layer_and_no_teacher(term):
    logits, target, weight = example()
    assert term.layers == ()
    assert not term.needs_teacher
    other = Output(torch.randn_like(logits))
    assert term(Output(logits), target, weight, None) == term(Output(logits), target, weight, other)


@pytest.mark.parametrize("term", TERMS)
def test_voxels_of_weight_zero_have_no_gradient(term):
    logits, target, weight = example()
    weight[:, :, 1] = 0
    term(Output(logits), target, weight, None).backward()
    assert (logits.grad[:, :, 1] == 0).all()
    assert (logits.grad[:, :, 0] != 0).all()


def test_bce_with_weight_one_is_unweighted_bce():
    logits, target, weight = example()
    loss = WeightedBCE()(Output(logits), target, torch.ones_like(weight), None)
    assert loss == F.binary_cross_entropy_with_logits(logits, target)


def test_doubling_the_weights_doubles_bce():
    logits, target, weight = example()
    once = WeightedBCE()(Output(logits), target, weight, None)
    torch.testing.assert_close(WeightedBCE()(Output(logits), target, 2 * weight, None), 2 * once)


def test_bce_is_divided_by_the_number_of_voxels():
    logits, target, weight = example()
    p = logits.sigmoid()
    each = -weight * (target * p.log() + (1 - target) * (1 - p).log())
    loss = WeightedBCE()(Output(logits), target, weight, None)
    torch.testing.assert_close(loss, each.sum() / each.numel())


@pytest.mark.parametrize("form", ["squares", "sums"])
def test_dice_is_the_mean_over_cases_of_the_formula(form):
    logits, target, weight = example()
    expected = 0
    for z, y, w in zip(logits, target, weight, strict=True):
        b = z.sigmoid()
        size = b**2 + y**2 if form == "squares" else b + y
        expected += (1 - 2 * (w * b * y).sum() / (w * size).sum()) / 2
    loss = WeightedDice(form=form)(Output(logits), target, weight, None)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)


def test_dice_of_squares_is_least_at_the_soft_target_itself():
    _, target, weight = example()
    target = target.clamp(0.05, 0.95)
    logits = target.logit().requires_grad_()
    loss = WeightedDice()(Output(logits), target, weight, None)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert logits.grad.abs().max() < 1e-6


def test_dice_of_an_empty_target_is_finite():
    logits, target, weight = example()
    WeightedDice()(Output(logits), 0 * target, weight, None).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("make", [WeightedBCE, WeightedDice])
def test_refuses_a_negative_factor(make):
    with pytest.raises(ValueError, match="weight"):
        make(weight=-1.0)


def test_refuses_an_unknown_form():
    with pytest.raises(ValueError, match="form"):
        WeightedDice(form="cubes")
