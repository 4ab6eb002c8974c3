import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.strategies.plain import Plain, small_unet, strokes, task, train_once, undrawn
from weakseg.models import Network
from weakseg.strategies import CycleMix
from weakseg.strategies.cyclemix import mixed_cross_entropy, saliency
from weakseg.strategies.views import random_view
from weakseg.types import IGNORE_INDEX, Batch, Output

NAMES = {"mixed_ce", "mix_consistency", "shape"}


def certain(label):
    return functional.one_hot(label, 3).movedim(-1, 1) * 50.0


def terms(batch, out=None, seed=0):
    network = Network(Plain())
    torch.manual_seed(seed)
    companion = CycleMix().build(network, task())
    return companion.terms(network, out or network(batch.image), batch)


def labels(generator):
    """Two annotations of 2 x 5 x 5 pixels, a third of them unlabelled."""
    found = torch.randint(0, 4, (2, 2, 5, 5), generator=generator)
    return found.masked_fill(found == 3, IGNORE_INDEX)


def test_the_mixed_cross_entropy_is_that_of_both_annotations_by_their_shares():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, 5, generator=generator)
    one, other = labels(generator)
    share = torch.randint(0, 3, (2, 5, 5), generator=generator) / 2
    total = weight = 0.0
    for b in range(2):
        for i in range(5):
            for j in range(5):
                log_p = logits[b, :, i, j].log_softmax(0)
                for label, part in ((one, share), (other, 1 - share)):
                    if label[b, i, j] != IGNORE_INDEX:
                        total -= part[b, i, j].item() * log_p[label[b, i, j]].item()
                        weight += part[b, i, j].item()
    found = mixed_cross_entropy(logits, one, other, share)
    assert found.total.item() == pytest.approx(total, rel=1e-5)
    assert found.weight.item() == pytest.approx(weight)
    parts = [mixed_cross_entropy(logits[k], one[k], other[k], share[k]) for k in ([0], [1])]
    assert sum(part.total for part in parts).item() == pytest.approx(total, rel=1e-5)


def test_an_image_mixed_with_none_of_another_keeps_its_own_cross_entropy():
    generator = torch.Generator().manual_seed(1)
    logits, (one, other) = torch.randn(2, 3, 5, 5, generator=generator), labels(generator)
    found = mixed_cross_entropy(logits, one, other, torch.ones(2, 5, 5)).mean()
    assert found == pytest.approx(functional.cross_entropy(logits, one, ignore_index=IGNORE_INDEX))


def test_where_neither_image_is_annotated_nothing_is_learnt():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 3, 5, 5, generator=generator, requires_grad=True)
    one, other = labels(generator)
    mixed_cross_entropy(logits, one, other, torch.full((2, 5, 5), 0.5)).mean().backward()
    touched = logits.grad.abs().sum(1) > 0
    assert torch.equal(touched, (one != IGNORE_INDEX) | (other != IGNORE_INDEX))


def test_saliency_is_the_gradient_of_the_cross_entropy_at_annotated_pixels():
    network, batch = Network(Plain()), strokes()
    found = saliency(network, batch)
    scale = network.host.scale.detach()
    probs = (batch.image * scale.view(1, 3, 1, 1)).softmax(1)
    drawn = batch.label != IGNORE_INDEX
    target = functional.one_hot(batch.label.where(drawn, 0), 3).movedim(-1, 1)
    gradient = ((probs - target) * scale.view(1, 3, 1, 1)).sum(1) * drawn
    assert torch.allclose(found, gradient.abs(), atol=1e-6)


def test_saliency_of_several_channels_is_their_root_mean_square():
    class Two(nn.Module):
        def forward(self, image):
            scores = 3 * image[:, :1] + 4 * image[:, 1:]
            return torch.cat([scores, -scores], dim=1)

    image = torch.rand(1, 2, 4, 4)
    batch = Batch(image, torch.zeros(1, 4, 4, dtype=torch.int64), ["case"])
    scores = 3 * image[:, 0] + 4 * image[:, 1]
    slope = -2 * torch.sigmoid(-2 * scores)  # of -ln sigmoid(2 s), by s
    expected = slope.abs() * math.sqrt((9 + 16) / 2)
    assert torch.allclose(saliency(Network(Two()), batch), expected, atol=1e-5)


def test_finding_the_saliency_leaves_no_gradient_behind():
    network, batch = Network(Plain()), strokes()
    saliency(network, batch)
    assert network.host.scale.grad is None and batch.image.grad is None
    assert not batch.image.requires_grad


def test_a_network_that_sees_pixels_alone_predicts_mixtures_of_equal_images_alike():
    batch = strokes()
    batch = batch._replace(image=batch.image[:1].expand(2, -1, -1, -1).contiguous())
    for seed in range(4):
        found = terms(batch, seed=seed)["mix_consistency"]
        assert found.weight == 2 and found.mean().abs() < 1e-6


class Columns:
    """Shows three columns of an image, three half, and its partner's in the rest."""

    def masks(self, saliency, image, partner):
        mask = torch.zeros_like(image)
        mask[..., :3], mask[..., 3:6] = 1.0, 0.5
        return mask


def test_mixtures_are_shown_cut_and_turned_and_compared_outside_the_cut():
    network, batch = Network(Plain()), strokes(samples=3)
    companion = CycleMix().build(network, task())
    companion.mix = Columns()
    mask = companion.mix.masks(None, batch.image, None)
    for seed in range(6):
        torch.manual_seed(seed)
        found = companion.terms(network, network(batch.image), batch)
        torch.manual_seed(seed)
        other, view = torch.randperm(3), random_view(batch.image)
        mixture = mask * batch.image + (1 - mask) * batch.image[other]
        assert torch.equal(view.back(network.host.shown), mixture.masked_fill(view.cut, 0.0))
        logits, seen = network(mixture).logits, ~view.cut[:, 0]
        one = batch.label.where(seen, IGNORE_INDEX)
        two = batch.label[other].where(seen, IGNORE_INDEX)
        expected = mixed_cross_entropy(logits, one, two, mask[:, 0]).mean().item()
        assert found["mixed_ce"].mean().item() == pytest.approx(expected, rel=1e-5)
        probs = network(batch.image).logits.softmax(1)
        pair = logits.softmax(1), mask * probs + (1 - mask) * probs[other]
        total = 0.0
        for k in range(3):
            a, b = (p[k][:, seen[k]].flatten() for p in pair)
            total += 1 - (a @ b / (a.norm() * b.norm())).item()
        assert found["mix_consistency"].total.item() == pytest.approx(total, rel=1e-3, abs=1e-6)


def test_predictions_of_mixtures_are_drawn_to_mixed_predictions_from_both_sides():
    batch = strokes()
    network = Network(Plain())
    logits = network(batch.image).logits.detach().requires_grad_()
    companion = CycleMix().build(network, task())
    companion.terms(network, Output(logits), batch)["mix_consistency"].mean().backward()
    assert logits.grad.abs().sum() > 0 and network.host.scale.grad.abs().sum() > 0


def test_one_component_of_each_class_has_the_right_shape():
    label = torch.zeros(2, 32, 32, dtype=torch.int64)
    label[:, 4:10, 4:10], label[:, 20:24, 20:30] = 1, 2
    share = terms(strokes(), Output(certain(label)))["shape"]
    assert share.weight == 2 and share.mean().abs() < 1e-6


def test_a_second_component_is_taken_for_background():
    label = torch.zeros(2, 32, 32, dtype=torch.int64)
    label[:, 4:10, 4:10] = 1
    label[0, 20:22, 20:22] = 1
    share = terms(strokes(), Output(certain(label)))["shape"]
    # Two one-hot maps of 1024 pixels that differ in 4 have the cosine 1020 / 1024.
    assert share.total.item() == pytest.approx(4 / 1024, rel=1e-3)


def test_the_prediction_is_turned_towards_the_shape():
    label = torch.zeros(2, 32, 32, dtype=torch.int64)
    label[:, 4:10, 4:10] = 1
    shape = functional.one_hot(label, 3).movedim(-1, 1).flatten(1).float()
    label[0, 20:22, 20:22] = 1
    logits = (certain(label) / 25).requires_grad_()
    terms(strokes(), Output(logits))["shape"].total.backward()
    fixed = logits.detach().clone().requires_grad_()
    probs = fixed.softmax(1).flatten(1)
    cosine = (probs * shape).sum(1) / (probs.norm(dim=1) * shape.norm(dim=1))
    (1 - cosine).sum().backward()
    assert torch.allclose(logits.grad, fixed.grad, atol=1e-8)
    assert (logits.grad[0, 0, 20:22, 20:22] < 0).all()  # more background


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("annotated", [True, False])
def test_terms_and_gradients_are_finite(annotated, autocast):
    batch = strokes() if annotated else undrawn(strokes())
    network, found = train_once(CycleMix(), batch, autocast)
    assert found.keys() == NAMES
    assert all(torch.isfinite(share.mean()) for share in found.values())
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0
    assert annotated or found["mixed_ce"].weight == 0


def test_a_batch_of_one_is_mixed_with_itself():
    found = terms(strokes(samples=1))
    assert found["mix_consistency"].mean().abs() < 1e-6


def test_the_terms_depend_on_torchs_generator_alone():
    one, other = (train_once(CycleMix(), strokes(), False)[1] for _ in range(2))
    assert {k: s.mean().item() for k, s in one.items()} == {
        k: s.mean().item() for k, s in other.items()
    }


def test_the_papers_weights():
    companion = CycleMix().build(small_unet(CycleMix()), task())
    assert companion.weights == {"mixed_ce": 1.0, "mix_consistency": 0.1, "shape": 0.1}


@pytest.mark.parametrize("name", ["mixed_weight", "consistency_weight", "shape_weight"])
def test_weights_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match="-1"):
        CycleMix(**{name: -1.0})
