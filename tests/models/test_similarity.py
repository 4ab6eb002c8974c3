import math

import pytest
import torch
from dense_reference import brute_force_band, dense_logits

from weakseg.models import similarity
from weakseg.models.similarity import banded_logits, row_max, to_band, transpose, window

GRIDS = [((5, 7), 2), ((3, 4, 5), 1), ((2, 3), 5)]


@pytest.fixture(params=[2**20, 64], ids=["one chunk", "many chunks"])
def chunk(request, monkeypatch):
    monkeypatch.setitem(similarity._CHUNK, "cpu", request.param)


def tokens(grid, batch=2, width=3, dtype=torch.float64):
    torch.manual_seed(0)
    shape = (batch, math.prod(grid), width)
    return torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)


@pytest.mark.parametrize(("grid", "radius"), GRIDS)
def test_to_band_equals_the_entries_taken_one_by_one(grid, radius):
    dense = torch.rand(2, math.prod(grid), math.prod(grid))
    band = to_band(dense, grid, radius)
    assert band.is_contiguous()
    assert torch.equal(band, brute_force_band(dense, grid, radius))


def test_to_band_gives_gradients_to_the_window_only():
    dense = torch.rand(1, 16, 16, requires_grad=True)
    to_band(dense, (4, 4), 1).sum().backward()
    cell = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    near = (cell[:, None] - cell).abs().amax(2) <= 1
    assert torch.equal(dense.grad[0], near.float())


@pytest.mark.parametrize(
    ("shape", "radius", "message"),
    [((2, 16, 15), 1, "dense must be"), ((16, 16), 1, "dense must"), ((1, 16, 16), 0, "radius")],
)
def test_to_band_refuses_what_does_not_fit(shape, radius, message):
    with pytest.raises(ValueError, match=message):
        to_band(torch.rand(shape), (4, 4), radius)


@pytest.mark.parametrize(("grid", "radius"), GRIDS)
def test_banded_logits_equal_the_dense_form(grid, radius, chunk):
    query, key = tokens(grid)
    band, lse = banded_logits(query, key, grid, radius)
    dense = dense_logits(query, key)
    torch.testing.assert_close(lse, dense.logsumexp(2), rtol=0, atol=1e-12)
    expected = brute_force_band(dense, grid, radius).flatten(2).transpose(1, 2)
    torch.testing.assert_close(band, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("grid", "radius"), [((3, 4), 1), ((2, 2, 3), 1)])
def test_gradients_of_banded_logits_pass_gradcheck(grid, radius, chunk):
    query, key = (x.requires_grad_() for x in tokens(grid))
    assert torch.autograd.gradcheck(lambda q, k: banded_logits(q, k, grid, radius), (query, key))


def test_the_lse_of_huge_logits_is_finite():
    query, key = (1e3 * x.float() for x in tokens((4, 4)))
    band, lse = banded_logits(query, key, (4, 4), 2)
    assert torch.isfinite(band).all() and torch.isfinite(lse).all()


@pytest.mark.parametrize("shapes", [((1, 12, 3), (1, 12, 4)), ((1, 11, 3), (1, 11, 3))])
def test_banded_logits_refuse_what_does_not_fit(shapes):
    with pytest.raises(ValueError, match="query and key must be"):
        banded_logits(torch.rand(shapes[0]), torch.rand(shapes[1]), (3, 4), 1)


@pytest.mark.parametrize(("grid", "radius"), GRIDS)
def test_transpose_equals_the_band_of_the_transposed_map(grid, radius):
    dense = torch.rand(2, math.prod(grid), math.prod(grid), dtype=torch.float64)
    band, expected = (
        to_band(x, grid, radius).flatten(2).transpose(1, 2) for x in (dense, dense.mT)
    )
    assert torch.equal(transpose(band, grid, radius), expected)
    assert torch.equal(transpose(expected, grid, radius), band)


def test_gradient_of_transpose_passes_gradcheck():
    band = torch.rand(1, 12, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: transpose(b, (3, 4), 1), (band,))


def test_row_max_equals_the_dense_maximum_with_its_gradient(chunk):
    query, key = (x.requires_grad_() for x in tokens((4, 5)))
    got = torch.autograd.grad(row_max(query, key).sin().sum(), (query, key))
    expected = torch.autograd.grad(dense_logits(query, key).amax(2).sin().sum(), (query, key))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_a_window_made_in_inference_mode_serves_training():
    similarity._window.cache_clear()
    with torch.inference_mode():
        window((3, 3), 1, torch.device("cpu"))
    query, key = (x.requires_grad_() for x in tokens((3, 3)))
    banded_logits(query, key, (3, 3), 1)[0].sum().backward()
    assert query.grad is not None


def test_windows_are_made_once():
    device = torch.device("cpu")
    assert window((6, 6), 2, device) is window((6, 6), 2, device)
