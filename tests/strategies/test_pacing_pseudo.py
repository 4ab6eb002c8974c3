import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.strategies.plain import CLASSES, Plain, small_unet, strokes, task, train_once, undrawn
from weakseg.models import Network
from weakseg.strategies import PacingPseudo
from weakseg.strategies.pacing_pseudo import Pacer, strong_view
from weakseg.types import IGNORE_INDEX, Output

PACING = PacingPseudo(layer="decoder.0")
WIDTH = 5


class Deaf(nn.Module):
    """The same class scores whatever the image shows."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor([1.0, 0.0, -2.0]))

    def forward(self, image):
        return self.scores.view(1, 3, 1, 1) + 0 * image


def pacer(**options):
    return Pacer(PacingPseudo(layer="x", **options), WIDTH, task(steps=100))


def features(size=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, WIDTH, size, size, generator=generator)


def terms(batch, host=None, companion=None, given=None):
    network, companion = Network(host or Deaf()), companion or pacer()
    given = features() if given is None else given
    out = Output(network(batch.image).logits, features={"x": given})
    torch.manual_seed(0)
    return network, companion.terms(network, out, batch)


@pytest.mark.parametrize(
    ("step", "pace"),
    [(0, math.exp(-8)), (5, math.exp(-6)), (10, math.exp(-4)), (20, 1.0), (99, 1.0)],
)
def test_entropy_and_consistency_grow_over_a_fifth_of_the_run(step, pace):
    _, found = terms(strokes(step=step))
    probs = torch.tensor([1.0, 0.0, -2.0]).softmax(0)
    nats = -(probs * probs.log()).sum().item()
    assert found["entropy"].mean().item() == pytest.approx(pace * nats, rel=1e-5)
    # A network that sees nothing predicts alike: its cross-entropy with itself is the entropy.
    assert found["consistency"].mean().item() == pytest.approx(pace * nats, rel=1e-5)


def test_consistency_is_the_cross_entropy_of_the_strong_view_with_the_weak_prediction():
    batch = strokes(step=20)
    network, found = terms(batch, Plain())
    torch.manual_seed(0)
    strong = network(strong_view(batch.image)).logits.softmax(1)
    weak = network(batch.image).logits.softmax(1)
    expected = sum(-(weak[:, c] * strong[:, c].log()).sum().item() for c in range(3))
    assert found["consistency"].total.item() == pytest.approx(expected, rel=1e-5)
    assert found["consistency"].weight == 2 * 32 * 32


def test_consistency_is_learnt_from_on_both_sides():
    batch, network = strokes(), Network(Plain())
    logits = network(batch.image).logits.detach().requires_grad_()
    out = Output(logits, features={"x": features()})
    pacer().terms(network, out, batch)["consistency"].mean().backward()
    assert logits.grad.abs().sum() > 0 and network.host.scale.grad.abs().sum() > 0


def test_the_auxiliary_path_is_judged_at_annotated_pixels_of_full_size():
    batch, companion = strokes(), pacer()
    given = features(16)
    _, found = terms(batch, companion=companion, given=given)
    scores = companion.path(given)
    full = functional.interpolate(scores, size=(32, 32), mode="bilinear", align_corners=False)
    expected = functional.cross_entropy(full, batch.label, ignore_index=IGNORE_INDEX)
    assert found["auxiliary_ce"].mean().item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_path_and_the_layer_learn_from_the_auxiliary_path():
    companion, given = pacer(), features().requires_grad_()
    _, found = terms(strokes(), companion=companion, given=given)
    found["auxiliary_ce"].mean().backward()
    assert given.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in companion.parameters())


def means(given, label):
    """Mean feature of each class, by a loop over pixels."""
    found = {}
    for cls in range(CLASSES):
        pixels = [given[b, :, i, j] for b, i, j in torch.nonzero(label == cls).tolist()]
        if pixels:
            found[cls] = torch.stack(pixels).mean(0)
    return found


def test_the_memory_is_the_running_mean_of_annotated_features_by_class():
    companion, batch = pacer(momentum=0.75), strokes()
    first, second = features(), features(seed=1)
    terms(batch, companion=companion, given=first)
    one = means(first, batch.label)
    for cls in range(CLASSES):
        assert torch.allclose(companion.memory[cls], one[cls], atol=1e-6)
    terms(batch, companion=companion, given=second)
    two = means(second, batch.label)
    for cls in range(CLASSES):
        expected = 0.75 * one[cls] + 0.25 * two[cls]
        assert torch.allclose(companion.memory[cls], expected, atol=1e-6)


def test_a_class_joins_the_memory_when_it_is_first_drawn():
    companion, batch = pacer(), strokes()
    label = batch.label.masked_fill(batch.label == 2, IGNORE_INDEX)
    terms(batch._replace(label=label), companion=companion)
    assert companion.known.tolist() == [True, True, False]
    assert (companion.memory[2] == 0).all()
    terms(batch, companion=companion)
    assert companion.known.all()
    assert torch.allclose(companion.memory[2], means(features(), batch.label)[2], atol=1e-6)


def test_the_memory_keeps_what_it_knows_of_a_class_that_is_not_drawn_now():
    companion, batch = pacer(), strokes()
    terms(batch, companion=companion)
    before = companion.memory.clone()
    label = batch.label.masked_fill(batch.label != 1, IGNORE_INDEX)
    terms(batch._replace(label=label), companion=companion, given=features(seed=1))
    assert torch.equal(companion.memory[[0, 2]], before[[0, 2]])
    assert not torch.equal(companion.memory[1], before[1])


def slow_memory_ce(companion, given, label, known):
    memory = companion.memory[known]
    total = []
    for b, i, j in torch.nonzero(label != IGNORE_INDEX).tolist():
        feature = given[b, :, i, j]
        likeness = torch.stack([feature @ m / (feature.norm() * m.norm()) for m in memory])
        log_p = (likeness / companion.config.temperature).log_softmax(0)
        total.append(-log_p[known.index(int(label[b, i, j]))].item())
    return sum(total) / len(total)


@pytest.mark.parametrize("known", [[0, 1, 2], [0, 2]])
def test_annotated_features_are_classified_by_their_likeness_to_the_memory(known):
    companion, batch, given = pacer(temperature=0.3), strokes(), features()
    drawn = torch.isin(batch.label, torch.tensor(known))
    batch = batch._replace(label=batch.label.where(drawn, IGNORE_INDEX))
    _, found = terms(batch, companion=companion, given=given)
    expected = slow_memory_ce(companion, given, batch.label, known)
    assert found["memory_ce"].mean().item() == pytest.approx(expected, rel=1e-4)
    assert found["memory_ce"].weight == drawn.sum()


def test_only_annotated_features_learn_from_the_memory_and_the_memory_does_not():
    companion, batch, given = pacer(), strokes(), features().requires_grad_()
    _, found = terms(batch, companion=companion, given=given)
    found["memory_ce"].mean().backward()
    touched = given.grad.abs().sum(1) > 0
    assert torch.equal(touched, batch.label != IGNORE_INDEX)
    assert not companion.memory.requires_grad


def test_autocast_does_not_coarsen_the_likeness():
    batch, given = strokes(), features()
    _, exact = terms(batch, given=given)
    with torch.autocast("cpu", torch.bfloat16):
        _, found = terms(batch, given=given)
    assert found["memory_ce"].total.item() == exact["memory_ce"].total.item()


def test_without_annotation_the_memory_stays_and_its_term_is_zero():
    companion = pacer()
    terms(strokes(), companion=companion)
    before = companion.memory.clone()
    given = features(seed=1).requires_grad_()
    _, found = terms(undrawn(strokes()), companion=companion, given=given)
    found["memory_ce"].mean().backward()
    assert found["memory_ce"].weight == found["memory_ce"].total == 0
    assert torch.equal(companion.memory, before)


def test_the_memory_is_saved_and_the_path_is_trained():
    companion = pacer()
    assert {"memory", "known"} <= companion.state_dict().keys()
    assert all(parameter.requires_grad for parameter in companion.parameters())
    assert sum(parameter.numel() for parameter in companion.path.parameters()) > 0


def test_looking_at_the_layer_leaves_no_trace():
    network = small_unet(PACING)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(0)
    companion = PACING.build(network, task())
    torch.manual_seed(0)
    fresh = Pacer(PACING, 4, task())  # decoder.0 has 4 channels
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for name, value in fresh.state_dict().items():
        assert torch.equal(companion.state_dict()[name], value)


def test_the_strong_view_changes_intensities_only():
    image = torch.full((64, 1, 16, 16), 0.3)
    image[..., 8:] = 0.7
    torch.manual_seed(0)
    strong = strong_view(image)
    assert strong.shape == image.shape and strong.min() >= 0 and strong.max() <= 1
    left, right = strong[..., :8].mean((1, 2, 3)), strong[..., 8:].mean((1, 2, 3))
    assert (right > left).all()
    assert (right - left).std() > 0.05 and strong.mean((1, 2, 3)).std() > 0.05
    assert torch.equal(image[..., :8], torch.full_like(image[..., :8], 0.3))


def test_the_strong_view_depends_on_torchs_generator_alone():
    image = torch.rand(2, 3, 8, 8)
    torch.manual_seed(3)
    one = strong_view(image)
    torch.manual_seed(3)
    assert torch.equal(one, strong_view(image)) and not torch.equal(one, strong_view(image))


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("annotated", [True, False])
def test_terms_and_gradients_are_finite(annotated, autocast):
    batch = strokes() if annotated else undrawn(strokes())
    network, found = train_once(PACING, batch, autocast)
    assert found.keys() == {"entropy", "consistency", "auxiliary_ce", "memory_ce"}
    assert all(torch.isfinite(share.mean()) for share in found.values())
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


@pytest.mark.parametrize(
    "options",
    [{"pace": 0.0}, {"pace": 1.5}, {"momentum": 1.0}, {"temperature": 0.0}, {"memory_weight": -1}],
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError):
        PacingPseudo(**options)
