import pytest
import torch

from weakseg.losses import Dice
from weakseg.types import IGNORE_INDEX, Batch, Output


def share(logits, label):
    batch = Batch(torch.zeros(len(label), 1, *label.shape[1:]), label, ["case"] * len(label))
    return Dice()(Output(logits), batch)


@pytest.mark.parametrize("space", [(8, 9), (4, 5, 6)])
def test_is_the_mean_of_the_samples_soft_dice(space):
    logits, label = torch.randn(3, 4, *space), torch.randint(0, 4, (3, *space))
    probs, truth = logits.softmax(1).flatten(2), torch.eye(4)[label.flatten(1)].transpose(1, 2)
    both = (probs * truth).sum(2)
    dice = (2 * both + 1e-5) / (probs.sum(2) + truth.sum(2) + 1e-5)
    torch.testing.assert_close(share(logits, label).mean(), (1 - dice).mean())
    assert share(logits, label).weight.item() == 3


def test_a_perfect_prediction_costs_nothing():
    label = torch.randint(0, 4, (2, 8, 8))
    logits = 50 * torch.eye(4)[label].permute(0, 3, 1, 2)
    assert share(logits, label).mean().item() == pytest.approx(0, abs=1e-6)


def test_labels_that_are_not_dense_are_rejected():
    label = torch.zeros(2, 8, 8, dtype=torch.long)
    label[0, 0, :3] = IGNORE_INDEX
    with pytest.raises(ValueError, match="dense labels, got 3 pixels"):
        share(torch.zeros(2, 4, 8, 8), label)


def test_shapes_that_differ_are_rejected():
    with pytest.raises(ValueError, match="must agree"):
        share(torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 9, dtype=torch.long))
