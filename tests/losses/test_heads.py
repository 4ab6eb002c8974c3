"""Partial Dice, deep supervision and mixed pseudo-labels."""

import pytest
import torch

from weakseg.losses import (
    AuxiliaryPartialCE,
    DeepSupervision,
    Dice,
    MixedPseudoLabels,
    PartialCE,
    PartialDice,
    TreeEnergy,
)
from weakseg.types import IGNORE_INDEX, Batch, Output


def example(batch=2, classes=3, size=6, drawn=1.0):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, classes, size, size, generator=generator)
    other = torch.randn(batch, classes, size, size, generator=generator)
    label = torch.randint(0, classes, (batch, size, size), generator=generator)
    label[torch.rand(label.shape, generator=generator) > drawn] = IGNORE_INDEX
    image = torch.zeros(batch, 1, size, size)
    return Output(logits, auxiliary=(other,)), Batch(image, label, ["case"] * batch)


def test_partial_dice_is_the_dice_loss_where_all_is_labelled():
    out, batch = example()
    assert PartialDice()(out, batch).mean() == pytest.approx(Dice()(out, batch).mean().item())


def test_partial_dice_does_not_see_pixels_nobody_annotated():
    out, batch = example(drawn=0.4)
    value = PartialDice()(out, batch).mean()
    unknown = (batch.label == IGNORE_INDEX)[:, None]
    other = out._replace(logits=torch.where(unknown, torch.randn_like(out.logits), out.logits))
    assert PartialDice()(other, batch).mean() == value


def test_partial_dice_counts_the_classes_that_are_drawn():
    out, batch = example()
    label = torch.full_like(batch.label, IGNORE_INDEX)
    label[0, 0, :3] = 1
    share = PartialDice()(out, batch._replace(label=label))
    p = out.logits.softmax(1)[0, 1, 0, :3]
    assert share.weight == 1
    assert share.mean() == pytest.approx(1 - 2 * p.sum().item() / (p.sum().item() + 3), rel=1e-4)


def test_deep_supervision_halves_the_weight_from_head_to_head():
    out, batch = example(drawn=0.5)
    heads = (out.auxiliary[0], out.logits[..., ::2, ::2])
    out = out._replace(auxiliary=heads)
    full = torch.nn.functional.interpolate(heads[1], size=(6, 6), mode="bilinear")
    each = [PartialCE()(Output(h), batch).mean().item() for h in (out.logits, heads[0], full)]
    expected = (4 * each[0] + 2 * each[1] + each[2]) / 7
    assert DeepSupervision()(out, batch).mean() == pytest.approx(expected)
    assert DeepSupervision().name == "partial_ce"


def test_deep_supervision_asks_for_the_layers_of_its_term():
    assert DeepSupervision(term=TreeEnergy(weight=1.0)).layers == ("decoder.3",)
    assert DeepSupervision().layers == ()


def test_deep_supervision_of_one_head_is_the_term():
    out, batch = example(drawn=0.5)
    out = out._replace(auxiliary=())
    found = DeepSupervision(term=PartialDice())(out, batch)
    assert found.mean() == PartialDice()(out, batch).mean()


def test_the_weight_of_deep_supervision_is_set_in_one_place():
    with pytest.raises(ValueError, match="set the weight of DeepSupervision"):
        DeepSupervision(term=PartialCE(weight=0.5))


def test_hard_mixed_labels_by_hand():
    out, batch = example()
    torch.manual_seed(7)
    found = MixedPseudoLabels()(out, batch).mean()
    torch.manual_seed(7)
    mix = torch.rand(2).view(2, 1, 1, 1)
    p = [head.softmax(1) for head in (out.logits, out.auxiliary[0])]
    y = torch.nn.functional.one_hot((mix * p[0] + (1 - mix) * p[1]).argmax(1), 3).movedim(-1, 1)
    losses = []
    for probs in p:
        for b in range(2):
            for c in range(3):
                q, t = probs[b, c], y[b, c].float()
                scale = (q**2).sum() + (t**2).sum() + 1e-5
                losses.append(1 - (2 * (q * t).sum() + 1e-5) / scale)
    assert found.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_soft_mixed_labels_are_learnt_by_cross_entropy_of_both_heads():
    out, batch = example()
    torch.manual_seed(7)
    found = MixedPseudoLabels(targets="soft")(out, batch).mean()
    torch.manual_seed(7)
    mix = torch.rand(2).view(2, 1, 1, 1)
    heads = (out.logits, out.auxiliary[0])
    q = mix * heads[0].softmax(1) + (1 - mix) * heads[1].softmax(1)
    each = [torch.nn.functional.cross_entropy(head, q) for head in heads]
    assert found.item() == pytest.approx(sum(each).item() / 2, rel=1e-5)


def test_no_gradient_flows_through_the_mixed_labels():
    out, batch = example()
    logits = out.logits.requires_grad_()
    same = out._replace(auxiliary=(logits.detach(),))
    MixedPseudoLabels(targets="soft")(same, batch).mean().backward()
    # With q = p the gradient of the cross-entropy, p - q, vanishes.
    assert logits.grad.abs().max() < 1e-6


def test_auxiliary_partial_ce_looks_at_the_second_head():
    out, batch = example(drawn=0.5)
    expected = PartialCE()(Output(out.auxiliary[0]), batch).mean()
    assert AuxiliaryPartialCE()(out, batch).mean() == expected


@pytest.mark.parametrize("term", [AuxiliaryPartialCE(), MixedPseudoLabels()])
def test_one_decoder_is_not_enough(term):
    out, batch = example()
    with pytest.raises(ValueError, match="two decoders are needed"):
        term(out._replace(auxiliary=()), batch)
