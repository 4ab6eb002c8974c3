"""Terms that look at predictions and images alone, against analytic values and plain loops."""

import math

import pytest
import torch

from weakseg.losses import (
    Entropy,
    GatedCRF,
    IntensityVariance,
    MumfordShah,
    TotalVariation,
    masked_crf,
)
from weakseg.losses.intensity_variance import within_class_variance
from weakseg.losses.mumford_shah import mumford_shah
from weakseg.losses.total_variation import contour
from weakseg.types import Batch, Output


def shown(logits, image=None):
    image = torch.zeros(len(logits), 1, *logits.shape[2:]) if image is None else image
    label = torch.zeros(len(logits), *logits.shape[2:], dtype=torch.int64)
    return Output(logits), Batch(image, label, ["case"] * len(logits))


def certain(label, classes=3):
    """Logits whose softmax is the one-hot of a label, to rounding."""
    return torch.nn.functional.one_hot(label, classes).movedim(-1, 1) * 100.0


def random_example(seed=0):
    generator = torch.Generator().manual_seed(seed)
    probs = torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64).softmax(1)
    return probs, torch.rand(2, 1, 5, 6, generator=generator, dtype=torch.float64)


def test_entropy_is_one_for_a_uniform_prediction_and_zero_for_a_certain_one():
    assert Entropy()(*shown(torch.zeros(2, 5, 4, 4))).mean() == pytest.approx(1.0)
    label = torch.randint(0, 3, (2, 4, 4))
    assert Entropy()(*shown(certain(label))).mean() == pytest.approx(0.0)


def test_entropy_of_two_equal_classes_of_four():
    logits = torch.tensor([50.0, 50.0, 0.0, 0.0]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    expected = math.log(2) / math.log(4)
    assert Entropy()(*shown(logits)).mean() == pytest.approx(expected)


def test_the_contour_of_a_block_is_its_rim():
    probs = torch.zeros(1, 1, 12, 12)
    probs[..., 3:9, 3:9] = 1
    rim = contour(probs)
    # Eroding leaves the inner 4 x 4, dilating that gives the block back.
    assert rim.sum() == 36 - 16
    assert rim[..., 4:8, 4:8].sum() == 0


def test_total_variation_counts_the_foreground_classes_of_every_sample():
    label = torch.zeros(2, 12, 12, dtype=torch.int64)
    label[0, 3:9, 3:9], label[1, 3:9, 3:9] = 1, 2
    assert TotalVariation()(*shown(certain(label))).mean() == pytest.approx(2 * 20 / (2 * 2 * 144))


def test_mumford_shah_equals_the_plain_loops():
    probs, image = random_example()
    found = mumford_shah(probs, image)
    for b in range(2):
        expected = 0.0
        for c in range(3):
            p, shade = probs[b, c], image[b, 0]
            mean = (p * shade).sum() / p.sum()
            expected += sum(p[i, j] * (shade[i, j] - mean) ** 2 for i in range(5) for j in range(6))
            expected += sum(abs(p[i + 1, j] - p[i, j]) for i in range(4) for j in range(6))
            expected += sum(abs(p[i, j + 1] - p[i, j]) for i in range(5) for j in range(5))
        assert found[b].item() == pytest.approx(float(expected))


def test_the_weight_of_mumford_shah_is_the_released_one_at_the_released_size():
    assert MumfordShah().weight == pytest.approx(1e-6 * 12 * 256 * 256, rel=0.01)


def test_gated_crf_is_the_masked_crf_with_every_centre():
    probs, image = random_example()
    out, batch = shown(probs.log(), image)
    expected = masked_crf(probs, image, torch.ones(2, 5, 6), radius=2)
    assert GatedCRF(radius=2)(out, batch).mean() == pytest.approx(expected.item())


def test_variance_within_and_between_classes_add_up():
    probs, image = random_example()
    found = within_class_variance(probs, image)
    for b in range(2):
        shade = image[b, 0]
        within = 0.0
        for c in range(3):
            mean = (probs[b, c] * shade).sum() / probs[b, c].sum()
            within += (probs[b, c] * (shade - mean) ** 2).sum()
        expected = within / ((shade - shade.mean()) ** 2).sum()
        assert found[b].item() == pytest.approx(float(expected))


def test_intensity_variance_rewards_classes_that_follow_the_image():
    label = torch.zeros(1, 8, 8, dtype=torch.int64)
    label[:, :, 4:] = 1
    image = label[:, None].float()
    right = IntensityVariance()(*shown(certain(label), image)).mean()
    wrong = IntensityVariance()(*shown(certain(label.transpose(1, 2)), image)).mean()
    assert right == pytest.approx(0.0, abs=1e-5)
    assert wrong == pytest.approx(1.0, abs=1e-5)


def test_a_constant_image_has_no_variance_and_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    value = IntensityVariance()(*shown(logits, torch.full((1, 1, 4, 4), 0.3))).mean()
    value.backward()
    assert value == 0
    assert torch.all(logits.grad == 0)
