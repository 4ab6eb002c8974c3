import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.runs import attempt, outcome, tiny
from tests.strategies.plain import Plain, strokes, task, train_once, undrawn
from weakseg.data.dataset import Dataset
from weakseg.losses import PartialCE
from weakseg.models import Network
from weakseg.strategies import ShapePU
from weakseg.strategies.shapepu import class_shares, excluded
from weakseg.strategies.views import random_view
from weakseg.types import IGNORE_INDEX, Output


def example(seed=0, classes=3):
    """Predictions and annotations of 3 x 6 x 7 pixels; about half of them annotated."""
    generator = torch.Generator().manual_seed(seed)
    probs = (2 * torch.randn(3, classes, 6, 7, generator=generator)).softmax(1)
    label = torch.randint(0, 2 * classes, (3, 6, 7), generator=generator)
    return probs, label.masked_fill(label >= classes, IGNORE_INDEX)


def companion(**options):
    network = Network(Plain())
    return network, ShapePU(**options).build(network, task())


def slow_shares(probs, label, iterations):
    """EM with loops over pixels, one sample."""
    pixels = list(zip(probs.flatten(1).T.tolist(), label.flatten().tolist(), strict=True))
    drawn = [cls for _, cls in pixels if cls != IGNORE_INDEX]
    prior = [drawn.count(c) / len(drawn) for c in range(len(probs))]
    share = prior
    for _ in range(iterations):
        total = [0.0] * len(prior)
        open_pixels = [p for p, cls in pixels if cls == IGNORE_INDEX]
        for p in open_pixels:
            part = [a / pi * q if pi else 0.0 for a, pi, q in zip(share, prior, p, strict=True)]
            total = [t + q / sum(part) for t, q in zip(total, part, strict=True)]
        share = [t / len(open_pixels) for t in total]
    return share


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_class_shares_follow_the_em_steps_of_each_sample(iterations):
    probs, label = example()
    found = class_shares(probs, label, iterations)
    for b in range(3):
        expected = slow_shares(probs[b], label[b], iterations)
        assert found[b].tolist() == pytest.approx(expected, rel=1e-4)
    assert found.sum(1) == pytest.approx(torch.ones(3))


def test_class_shares_find_how_often_sure_predictions_occur_whatever_was_drawn():
    target = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    label = torch.full((100,), IGNORE_INDEX)
    label[[0, 70, 71, 72, 73, 90]] = target[[0, 70, 71, 72, 73, 90]]  # mostly class 1
    probs = functional.one_hot(target, 3).T.float().view(1, 3, 10, 10)
    found = class_shares(probs, label.view(1, 10, 10), 5)[0]
    assert found.tolist() == pytest.approx([69 / 94, 16 / 94, 9 / 94])


def test_em_recovers_shares_from_posteriors_of_a_biased_classifier():
    """Posteriors under shares (1/2, 1/2) of two overlapping classes; the truth is (0.9, 0.1)."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(40_000, generator=generator) < 0.1
    value = torch.randn(40_000, generator=generator) + 2.0 * truth
    logit = 2.0 * value - 2.0  # ln N(v; 2, 1) - ln N(v; 0, 1)
    probs = torch.stack([-logit, logit]).mul(0.5).softmax(0).view(1, 2, 200, 200)
    label = torch.full((1, 200, 200), IGNORE_INDEX)
    label[0, 0, 0], label[0, 0, 1] = 0, 1
    plain = probs[0, 1].mean().item()
    assert plain > 0.2
    assert class_shares(probs, label, 50)[0, 1].item() == pytest.approx(0.1, abs=0.01)


def test_a_class_nobody_drew_has_no_share():
    probs, label = example()
    label[0][label[0] == 2] = IGNORE_INDEX
    label[1] = IGNORE_INDEX
    found = class_shares(probs, label, 5)
    assert found[0, 2] == 0 and found[0].sum() == pytest.approx(1)
    assert (found[1] == 0).all()


def test_a_sample_without_unlabelled_pixels_is_finite():
    probs, label = example()
    label[0] = 1
    assert torch.isfinite(class_shares(probs, label, 5)).all()
    assert not excluded(probs[:1], label[:1] == IGNORE_INDEX, torch.full((1, 3), 0.5)).any()


def test_excluded_are_all_but_the_most_probable_share_of_the_unlabelled_pixels():
    probs, label = example()
    unlabelled = label == IGNORE_INDEX
    share = torch.tensor([[0.5, 0.25, 0.25], [0.875, 0.125, 0.0], [0.0, 0.0, 1.0]])
    found = excluded(probs, unlabelled, share)
    for b in range(3):
        pixels = torch.nonzero(unlabelled[b]).tolist()
        for c in range(3):
            ranked = sorted(pixels, key=lambda at: -probs[b, c, at[0], at[1]].item())
            allowed = math.ceil(share[b, c].item() * len(pixels))
            barred = ranked[allowed:] if c else []
            assert sorted(barred) == torch.nonzero(found[b, c]).tolist()


def test_equally_probable_pixels_are_treated_alike():
    probs = torch.full((1, 3, 4, 4), 1 / 3)
    everywhere = torch.ones(1, 4, 4, dtype=torch.bool)
    assert not excluded(probs, everywhere, torch.tensor([[0.5, 0.4, 0.1]])).any()
    assert excluded(probs, everywhere, torch.tensor([[0.6, 0.4, 0.0]]))[:, 2].all()


def test_the_term_is_the_log_probability_of_the_classes_that_remain():
    _, pu = companion(iterations=3)
    probs, label = example()
    label[2] = IGNORE_INDEX
    found = pu.unlabelled(probs.log(), label)
    unlabelled = label == IGNORE_INDEX
    barred = excluded(probs, unlabelled, class_shares(probs, label, 3))
    total = 0.0
    for b, i, j in torch.nonzero(unlabelled).tolist():
        if b != 2:  # nothing is known of a sample without strokes
            wrong = sum(probs[b, c, i, j].item() for c in range(3) if barred[b, c, i, j])
            total -= math.log(1 - wrong)
    assert found.total.item() == pytest.approx(total, rel=1e-4)
    assert found.weight == unlabelled[:2].sum()


def test_the_term_adds_up_over_the_parts_of_a_batch():
    _, pu = companion()
    probs, label = example(1)
    whole = pu.unlabelled(probs.log(), label)
    parts = [pu.unlabelled(probs[rows].log(), label[rows]) for rows in ([0], [1, 2])]
    assert sum(part.total for part in parts) == pytest.approx(whole.total)
    assert sum(part.weight for part in parts) == whole.weight


def test_a_certain_prediction_of_an_excluded_class_is_still_corrected():
    """The gradient of -ln(1 - p) by the logit is p, not 0, where 1 - p rounds to 0."""
    _, pu = companion()
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 2] = 300.0
    logits.requires_grad_()
    label = torch.full((1, 4, 4), IGNORE_INDEX)
    label[0, 0] = torch.tensor([0, 0, 1, 1])  # class 2 was not drawn
    share = pu.unlabelled(logits, label)
    share.total.backward()
    assert torch.allclose(logits.grad[0, 2, 1:], torch.ones(3, 4))
    assert (logits.grad[0, :, 0] == 0).all()
    assert share.mean().item() == pytest.approx(300 - math.log(2), rel=1e-5)


def test_annotated_pixels_are_left_to_the_cross_entropy():
    _, pu = companion()
    probs, label = example(2)
    logits = probs.log().requires_grad_()
    pu.unlabelled(logits, label).mean().backward()
    assert (logits.grad.abs().sum(1)[label != IGNORE_INDEX] == 0).all()
    assert logits.grad.abs().sum() > 0


def test_a_network_that_sees_pixels_alone_predicts_views_alike():
    network, pu = companion()
    batch, weights = strokes(), set()
    for seed in range(12):
        torch.manual_seed(seed)
        found = pu.terms(network, network(batch.image), batch)
        torch.manual_seed(seed)
        view = random_view(batch.image)
        shown = view.back(network.host.shown)
        assert torch.equal(shown, batch.image.masked_fill(view.cut, 0.0))
        label = view.hide(batch.label)
        expected = PartialCE()(network(batch.image), batch._replace(label=label))
        assert found["view_consistency"].mean().abs() < 1e-6
        assert found["view_ce"].total.item() == pytest.approx(expected.total.item(), rel=1e-5)
        assert found["view_ce"].weight == expected.weight
        weights.add(expected.weight.item())
    assert min(weights) < max(weights) <= (batch.label != IGNORE_INDEX).sum()


def test_views_are_drawn_together_from_both_sides():
    network, pu = companion()
    batch = strokes()
    logits = torch.randn(2, 3, 32, 32, requires_grad=True)
    pu.terms(network, Output(logits), batch)["view_consistency"].mean().backward()
    assert logits.grad.abs().sum() > 0 and network.host.scale.grad.abs().sum() > 0


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("annotated", [True, False])
def test_terms_and_gradients_are_finite(annotated, autocast):
    batch = strokes() if annotated else undrawn(strokes())
    network, found = train_once(ShapePU(), batch, autocast)
    assert found.keys() == {"view_ce", "view_consistency", "positive_unlabelled"}
    assert all(torch.isfinite(share.mean()) for share in found.values())
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0
    assert annotated or found["view_ce"].weight == found["positive_unlabelled"].weight == 0


@pytest.mark.parametrize("options", [{"iterations": 0}, {"view_weight": -1.0}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError):
        ShapePU(**options)


def test_a_run_of_the_table_ends(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    run = tiny(phantom, label="ShapePU", steps=2, interval=1)
    assert attempt(run, phantom, tmp_path, cache) == 0
    assert outcome(run, tmp_path)
