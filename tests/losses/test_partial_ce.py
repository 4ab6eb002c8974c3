import pytest
import torch
from torch.nn import functional

from weakseg.losses import partial_cross_entropy
from weakseg.types import IGNORE_INDEX


def scribbled(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, shape, generator=generator)
    return label.masked_fill(torch.rand(shape, generator=generator) < 0.8, IGNORE_INDEX)


@pytest.mark.parametrize("space", [(8, 9), (4, 5, 6)])
def test_is_the_mean_over_annotated_pixels(space):
    logits, label = torch.randn(2, 4, *space), scribbled(2, *space)
    log_probs = logits.log_softmax(1)
    known = label != IGNORE_INDEX
    chosen = log_probs.gather(1, label.masked_fill(~known, 0)[:, None])[:, 0]
    expected = -chosen[known].mean()
    torch.testing.assert_close(partial_cross_entropy(logits, label), expected)


def test_logits_at_unlabelled_pixels_do_not_matter():
    logits, label = torch.randn(2, 4, 8, 8), scribbled(2, 8, 8)
    other = torch.where((label == IGNORE_INDEX)[:, None], torch.randn_like(logits), logits)
    assert torch.equal(partial_cross_entropy(logits, label), partial_cross_entropy(other, label))


def test_equals_cross_entropy_when_everything_is_labelled():
    logits, label = torch.randn(2, 4, 8, 8), torch.randint(0, 4, (2, 8, 8))
    expected = functional.cross_entropy(logits, label)
    torch.testing.assert_close(partial_cross_entropy(logits, label), expected)


def test_f13_no_labelled_pixel_gives_zero_with_zero_gradient():
    logits = torch.randn(2, 4, 8, 8, requires_grad=True)
    loss = partial_cross_entropy(logits, torch.full((2, 8, 8), IGNORE_INDEX))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_shapes_that_differ_are_rejected():
    with pytest.raises(ValueError, match=r"\(2, 4, 8, 8\).*\(2, 8, 9\)"):
        partial_cross_entropy(torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 9, dtype=torch.long))
