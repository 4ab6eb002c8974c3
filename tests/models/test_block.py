import math

import pytest
import torch
from dense_reference import block_mean_logits
from torch.nn import functional as F

from weakseg.models.block import Block, SideBlock, init_released, to_features, to_tokens


def count(module):
    return sum(p.numel() for p in module.parameters())


def make(**options):
    defaults = {"width": 8, "heads": 2, "ffn_ratio": 4, "bias": False, "reduction": 1, "dims": 2}
    torch.manual_seed(0)
    return Block(**{**defaults, **options}).double()


def test_the_released_block_has_the_published_number_of_parameters():
    assert count(make(width=64, heads=1)) == 52_352


def test_tokens_are_row_major_and_channels_last_features_are_not_copied():
    features = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    tokens = to_tokens(features)
    assert torch.equal(tokens[:, 2 * 5 + 3], features[:, :, 2, 3])
    assert tokens.is_contiguous() and tokens.data_ptr() == features.data_ptr()
    back = to_features(tokens, (4, 5))
    assert back.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(back, features)


@pytest.mark.parametrize(("grid", "reduction"), [((4, 6), 1), ((4, 6), 2), ((2, 4, 2), 2)])
def test_a_block_equals_its_formula_with_explicit_attention_weights(grid, reduction):
    block = make(dims=len(grid), reduction=reduction, bias=True)
    x = torch.randn(2, math.prod(grid), 8).double()
    got, query_mean, key = block(x, grid)
    query, key_value = block.query_key(x, grid)
    value = key_value[:, 2:]
    weights = (query @ key.mT / 2).softmax(-1)  # two heads of width 4
    attended = (weights @ value).transpose(1, 2).flatten(2)
    middle = x + block.project(attended)
    hidden = block.ffn.expand(block.norm(middle)).mT.unflatten(2, grid)
    hidden = F.gelu(block.ffn.depthwise(hidden)).flatten(2).mT
    torch.testing.assert_close(got, middle + block.ffn.contract(hidden))
    logits = query_mean @ key.mT
    assert logits.shape[2] == logits.shape[3] == math.prod(grid) // reduction ** len(grid)
    torch.testing.assert_close(logits, block_mean_logits(query, key, grid, reduction))


def test_a_side_block_makes_the_logits_of_a_block_and_nothing_else():
    side = SideBlock(8, 2, bias=False, reduction=1, dims=2)
    x = torch.randn(1, 12, 8)
    tokens, query, key = side(x, (3, 4))
    assert tokens is x
    assert query.shape == key.shape == (1, 2, 12, 4)
    assert count(side) == 2 * 8 + 2 * 8 * 8


def test_a_grid_that_the_reduction_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiples of 2"):
        make(reduction=2)(torch.rand(1, 12, 8).double(), (3, 4))


def test_no_saved_tensor_is_as_large_as_the_attention_weights():
    block = make(width=8, heads=1).float()
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, id):
        block(torch.rand(1, 1024, 8), (32, 32))
    assert sizes and max(sizes) < 1024**2 / 4


def test_starts_as_released():
    block = make(width=64, heads=1, bias=True).apply(init_released)
    linear, depthwise = block.ffn.expand, block.ffn.depthwise
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.1)
    assert not any(m.bias.any() for m in (linear, depthwise, block.query_key.query, block.norm))
    assert (block.norm.weight == 1).all()
