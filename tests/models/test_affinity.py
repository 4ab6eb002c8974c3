import math
from typing import get_args

import pytest
import torch
from dense_reference import dense_affinity, dense_logits

from weakseg.models.affinity import Affinity, Form, Projection
from weakseg.models.similarity import banded_logits, to_band, transpose

GRID, RADIUS = (6, 7), 2


def make_pairs(grid=GRID, blocks=1, heads=1, batch=2, width=4, dtype=torch.float64):
    torch.manual_seed(1)
    shape = (2, blocks, batch, heads, math.prod(grid), width)
    query, key = torch.randn(shape, dtype=dtype)
    return [(q.requires_grad_(), k.requires_grad_()) for q, k in zip(query, key, strict=True)]


def dense_k(pairs, projection):
    logits = [dense_logits(q, k) for q, k in pairs]
    width = pairs[0][0].shape[-1]
    return dense_affinity(logits, projection.weight, projection.bias, projection.affinity, width)


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("blocks", "heads"), [(1, 1), (2, 3)])
@pytest.mark.parametrize(("grid", "radius"), [(GRID, RADIUS), ((3, 4, 3), 1)])
def test_banded_equals_dense_with_all_gradients(form, scaled, blocks, heads, grid, radius):
    pairs = make_pairs(grid, blocks, heads)
    projection = Projection(blocks * heads, Affinity(form=form, scaled=scaled)).double()
    got = projection(pairs, grid, radius)
    expected = to_band(dense_k(pairs, projection), grid, radius)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    wanted = [*projection.parameters()]
    if form != "constant":
        wanted += [x for pair in pairs for x in pair]
    cotangent = torch.rand_like(got)
    torch.testing.assert_close(
        torch.autograd.grad(got, wanted, cotangent),
        torch.autograd.grad(expected, wanted, cotangent),
        rtol=0,
        atol=1e-10,
    )


def test_single_precision_is_within_1e_5_of_dense():
    pairs = make_pairs((12, 12), dtype=torch.float32, width=64)
    projection = Projection(1, Affinity())
    expected = to_band(dense_k(pairs, projection), (12, 12), 5)
    torch.testing.assert_close(projection(pairs, (12, 12), 5), expected, rtol=0, atol=1e-5)


def banded_a(grid, radius):
    [(query, key)] = make_pairs(grid)
    band, lse = banded_logits(query[:, 0], key[:, 0], grid, radius, outside=-math.inf)
    return (band - lse[..., None]).exp()


def test_rows_of_a_sum_to_one_and_s_sums_to_twice_the_tokens():
    grid = (4, 5)
    a = banded_a(grid, 4)  # the window holds the whole grid
    torch.testing.assert_close(a.sum(2), torch.ones(2, 20).double(), rtol=0, atol=1e-5)
    s = a + transpose(a, grid, 4)
    torch.testing.assert_close(s.sum((1, 2)), torch.full((2,), 40.0).double())


def test_k_is_symmetric_strictly_inside_0_1_and_0_outside_the_grid():
    k = Projection(1, Affinity()).double()(make_pairs(), GRID, RADIUS)
    band = k.flatten(2).transpose(1, 2)
    torch.testing.assert_close(transpose(band, GRID, RADIUS), band)
    inside = to_band(torch.ones(2, 42, 42), GRID, RADIUS) > 0
    assert ((k[inside] > 0) & (k[inside] < 1)).all()
    assert (k[~inside] == 0).all()


def test_k_ignores_a_constant_added_to_the_logits_of_one_row():
    [(query, key)] = make_pairs()
    key = torch.cat([key, torch.ones_like(key[..., :1])], -1)  # the last feature adds a constant
    plain = torch.cat([query, torch.zeros_like(query[..., :1])], -1)
    shifted = plain.clone()
    shifted[:, :, 5, -1] = 7.0
    projection = Projection(1, Affinity()).double()
    torch.testing.assert_close(
        projection([(shifted, key)], GRID, RADIUS), projection([(plain, key)], GRID, RADIUS)
    )


def test_permuting_tokens_permutes_rows_and_columns():
    grid, order = (3, 4), torch.randperm(12)
    [(query, key)] = make_pairs(grid)
    projection = Projection(1, Affinity()).double()
    dense = dense_k([(query, key)], projection)[:, order][:, :, order]
    moved = [(query[:, :, order], key[:, :, order])]
    torch.testing.assert_close(projection(moved, grid, 3), to_band(dense, grid, 3))


def test_batch_elements_are_independent():
    [(query, key)] = make_pairs(batch=3)
    projection = Projection(1, Affinity()).double()
    together = projection([(query, key)], GRID, RADIUS)
    for b in range(3):
        alone = projection([(query[b : b + 1], key[b : b + 1])], GRID, RADIUS)
        torch.testing.assert_close(together[b : b + 1], alone)


def test_no_saved_tensor_is_as_large_as_the_map():
    grid = (24, 24)
    pairs = make_pairs(grid, heads=2, batch=1, dtype=torch.float32)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, id):
        Projection(2, Affinity())(pairs, grid, 2)
    assert sizes and max(sizes) < math.prod(grid) ** 2 / 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_computed_in_single_precision(dtype):
    pairs = [(q.to(dtype), k.to(dtype)) for q, k in make_pairs(dtype=torch.float32)]
    projection = Projection(1, Affinity())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = projection(pairs, GRID, RADIUS)
        (10 * got).sum().backward()
    assert got.dtype == torch.float32
    full = projection([(q.float(), k.float()) for q, k in pairs], GRID, RADIUS)
    assert torch.equal(got, full)
    assert all(torch.isfinite(p.grad).all() for p in projection.parameters())


def test_forms_have_the_scalars_they_use():
    have = {}
    for form in get_args(Form):
        projection = Projection(1, Affinity(form=form))
        have[form] = (projection.weight is not None, projection.bias is not None)
    assert have.pop("constant") == (False, True)
    assert have.pop("no_bias") == (True, False)
    assert set(have.values()) == {(True, True)}


def test_scalars_start_as_those_of_a_1x1_convolution():
    values = torch.stack([Projection(4, Affinity()).weight for _ in range(200)])
    assert 0.45 < values.abs().max() <= 0.5
    assert (values < 0).any()


def test_refuses_an_unknown_form():
    with pytest.raises(ValueError, match="form must be one of"):
        Affinity(form="cosine")
