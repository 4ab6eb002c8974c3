import dataclasses

import pytest
import torch

from weakseg import losses
from weakseg.config import describe, override
from weakseg.losses import AttentiveSimilarity, Dice, MaskedCRF, Objective, PartialCE
from weakseg.types import IGNORE_INDEX, Batch, Output, Share

TERMS = [
    getattr(losses, name)
    for name in losses.__all__
    if dataclasses.is_dataclass(getattr(losses, name)) and name != "Objective"
]
ON_SCRIBBLES = [term for term in TERMS if term is not Dice]
NEED_LABELS = [
    PartialCE, AttentiveSimilarity, losses.PartialDice, losses.AuxiliaryPartialCE,
    losses.DeepSupervision,
]  # fmt: skip
SPACES = {2: (8, 8), 3: (4, 4, 6)}


def example(term, dims=2, batch=4, dtype=torch.float32, seed=0):
    """Random logits, similarity and annotation; dense labels for the term that needs them."""
    generator = torch.Generator().manual_seed(seed)
    space = SPACES[dims]
    logits = torch.randn(batch, 3, *space, generator=generator).to(dtype).requires_grad_()
    grid = tuple(n // 2 for n in space)
    band = torch.rand(batch, 11**dims, *grid, generator=generator).to(dtype).requires_grad_()
    label = torch.randint(0, 3, (batch, *space), generator=generator)
    if term is not Dice:
        label.masked_fill_(torch.rand(label.shape, generator=generator) < 0.8, IGNORE_INDEX)
    image = torch.rand(batch, 1, *space, generator=generator)
    cases = [f"case{b}" for b in range(batch)]
    # Every gradient arrives at the logits, whichever head or layer a term looks at.
    features = {"decoder.3": torch.cat([logits.flip(1), logits.square()], dim=1)}
    torch.manual_seed(seed)  # of terms that draw
    return Output(logits, {"layer": band}, (logits.flip(1),), features), Batch(image, label, cases)


def part(out, batch, rows):
    similarity = {name: band[rows] for name, band in out.similarity.items()}
    features = {name: values[rows] for name, values in out.features.items()}
    heads = tuple(head[rows] for head in out.auxiliary)
    return Output(out.logits[rows], similarity, heads, features), Batch(
        batch.image[rows], batch.label[rows], batch.case[rows], batch.step
    )


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("term", TERMS)
def test_is_a_finite_positive_differentiable_scalar(term, dims):
    out, batch = example(term, dims)
    share = term()(out, batch)
    share.mean().backward()
    assert share.total.shape == share.weight.shape == ()
    assert torch.isfinite(share.total)
    assert share.total > 0
    assert not share.weight.requires_grad
    assert torch.isfinite(out.logits.grad).all()
    assert out.logits.grad.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("term", TERMS)
def test_is_computed_in_float32_for_half_precision_input(term, dtype):
    out, batch = example(term, dtype=dtype)
    share = term()(out, batch)
    share.mean().backward()
    wide = Output(
        out.logits.detach().float(),
        {k: v.float() for k, v in out.similarity.items()},
        tuple(head.detach().float() for head in out.auxiliary),
        {k: v.detach().float() for k, v in out.features.items()},
    )
    torch.manual_seed(0)
    assert share.total.dtype == torch.float32
    assert torch.isfinite(out.logits.grad).all()
    assert out.logits.grad.dtype == dtype
    torch.testing.assert_close(share.total, term()(wide, batch).total)


@pytest.mark.parametrize("term", TERMS)
def test_autocast_changes_nothing(term):
    out, batch = example(term)
    with torch.autocast("cpu", torch.bfloat16):
        inside = term()(out, batch).total
    torch.manual_seed(0)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, term()(out, batch).total)


@pytest.mark.parametrize("term", TERMS)
def test_shares_of_micro_batches_add_up(term):
    out, batch = example(term)
    whole = term()(out, batch)
    torch.manual_seed(0)
    parts = [term()(*part(out, batch, rows)) for rows in (slice(0, 1), slice(1, 4))]
    total = Share(sum(s.total for s in parts), sum(s.weight for s in parts))
    torch.testing.assert_close(whole.mean(), total.mean())
    torch.testing.assert_close(whole.weight, total.weight)
    (whole_gradient,) = torch.autograd.grad(whole.mean(), out.logits, retain_graph=True)
    (parts_gradient,) = torch.autograd.grad(total.mean(), out.logits)
    torch.testing.assert_close(whole_gradient, parts_gradient)


@pytest.mark.parametrize("term", ON_SCRIBBLES)
def test_f13_a_batch_nobody_annotated_is_finite(term):
    out, batch = example(term)
    batch = batch._replace(label=torch.full_like(batch.label, IGNORE_INDEX))
    share = term()(out, batch)
    share.mean().backward()
    assert torch.isfinite(share.mean())
    assert torch.isfinite(out.logits.grad).all()
    if term in NEED_LABELS:
        assert share.mean() == 0
        assert torch.all(out.logits.grad == 0)


@pytest.mark.parametrize("term", TERMS)
def test_is_described_and_overridden_by_name(term):
    changed = override((term(),), f"{term().name}.weight", 0.25)
    assert changed[0].weight == 0.25
    assert describe(changed[0])["type"] == term.__name__


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("weight", [-1.0, float("inf")])
def test_weights_out_of_range_are_rejected(term, weight):
    with pytest.raises(ValueError, match="weight of a loss"):
        term(weight=weight)


def test_masked_crf_centres_are_the_pixels_nobody_annotated():
    out, batch = example(MaskedCRF)
    expected = losses.masked_crf(
        out.logits.softmax(1), batch.image, batch.label == IGNORE_INDEX, radius=3
    )
    torch.testing.assert_close(MaskedCRF(radius=3)(out, batch).mean(), expected)


def test_objective_is_the_weighted_sum_of_means():
    out, batch = example(PartialCE)
    objective = Objective((PartialCE(weight=2.0), MaskedCRF(weight=0.5)))
    shares = objective(out, batch)
    assert list(shares) == ["partial_ce", "masked_crf"]
    expected = 2 * shares["partial_ce"].mean() + 0.5 * shares["masked_crf"].mean()
    torch.testing.assert_close(objective.total(shares), expected)


def test_objective_without_terms_or_with_one_twice_is_an_error():
    with pytest.raises(ValueError, match="at least one term"):
        Objective(())
    with pytest.raises(ValueError, match="partial_ce"):
        Objective((PartialCE(), PartialCE(weight=2.0)))
