import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from weakseg.online import contrastive as module
from weakseg.online.contrastive import Contrastive
from weakseg.types import Output

GRID = (3, 4, 5)
LAYER = "encoder.1"


def example(seed=0, batch=1, scale=1, dtype=torch.float32):
    """Features of both networks, a blocky target ``scale`` times finer, the teacher's logits."""
    generator = torch.Generator().manual_seed(seed)
    new, old = (torch.randn(batch, 6, *GRID, generator=generator) for _ in range(2))
    coarse = (torch.rand(batch, 1, *GRID, generator=generator) > 0.5).float()
    target = coarse.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    target = target.repeat_interleave(scale, 4)
    logits = 2 * torch.randn(target.shape, generator=generator)
    return new.to(dtype).requires_grad_(), old.to(dtype), target, logits


def term(config, new, old, target, logits):
    teacher = None if old is None else Output(logits, features={LAYER: old})
    out = Output(torch.zeros_like(target), features={LAYER: new})
    return config(out, target, torch.ones_like(target), teacher)


def boundary(inside):
    """Voxels with a neighbour of the other kind, one by one."""
    on = torch.zeros_like(inside)
    for u in itertools.product(*map(range, inside.shape)):
        for shift in itertools.product((-1, 0, 1), repeat=3):
            v = tuple(a + b for a, b in zip(u, shift, strict=True))
            if all(0 <= a < n for a, n in zip(v, inside.shape, strict=True)):
                on[u] |= bool(inside[u] != inside[v])
    return on


def by_loops(new, old, target, logits, temperature, boundary_only=False):
    """The loss of one volume on its own grid, a voxel at a time."""
    new, old = (F.normalize(x[0], dim=0).flatten(1).T for x in (new, old))
    fixed = new.detach()
    inside, q = target[0, 0] == 1, logits[0, 0].sigmoid()
    taken = boundary(inside).flatten() if boundary_only else torch.ones(inside.numel(), dtype=bool)
    inside, q = inside.flatten(), q.flatten()
    voxels = [v for v in range(len(q)) if taken[v]]
    negatives = [fixed[v] for v in voxels if not inside[v]]
    negatives += [old[v] for v in voxels if not (inside[v] and q[v] > 0.5)]
    losses = []
    for i in (v for v in voxels if inside[v]):
        rest = sum(torch.exp(new[i] @ k / temperature) for k in negatives)
        each = []
        for j in voxels:
            candidates = [] if not inside[j] else [(fixed[j], 1.0)] if j != i else []
            if inside[j] and q[j] > 0.5:
                candidates.append((old[j], q[j] ** 2 + (1 - q[j]) ** 2))
            for vector, confidence in candidates:
                one = torch.exp(new[i] @ vector / temperature)
                each.append(-confidence * torch.log(one / (one + rest)))
        losses.append(torch.stack(each).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("boundary_only", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_equals_a_loop_over_pairs_with_its_gradient(temperature, boundary_only):
    new, old, target, logits = example()
    expected = by_loops(new, old, target, logits, temperature, boundary_only)
    (wanted,) = torch.autograd.grad(expected, new)
    config = Contrastive(layer=LAYER, temperature=temperature, boundary_only=boundary_only)
    got = term(config, new, old, target, logits)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(torch.autograd.grad(got, new)[0], wanted)


def test_the_boundary_leaves_out_what_lies_deeper():
    new, old, _, logits = example()
    target = torch.zeros(1, 1, *GRID)
    target[..., 3:] = 1
    config = Contrastive(layer=LAYER, boundary_only=True)
    term(config, new, old, target, logits).backward()
    touched = new.grad[0].abs().amax(0) > 0
    assert touched[..., 3].all()
    assert not touched[..., 4].any()


@pytest.mark.parametrize("cells", [1, 500, 1000])
def test_the_size_of_the_chunks_does_not_matter(monkeypatch, cells):
    new, old, target, logits = example()
    whole = term(Contrastive(layer=LAYER), new, old, target, logits)
    (wanted,) = torch.autograd.grad(whole, new)
    monkeypatch.setattr(module, "_CELLS", cells)
    parts = term(Contrastive(layer=LAYER), new, old, target, logits)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, new)[0], wanted)


def test_only_anchors_get_a_gradient():
    new, old, target, logits = example()
    old.requires_grad_()
    logits.requires_grad_()
    term(Contrastive(layer=LAYER), new, old, target, logits).backward()
    touched = new.grad[0].abs().amax(0) > 0
    assert torch.equal(touched, target[0, 0] == 1)
    assert old.grad is None
    assert logits.grad is None


def test_a_finer_target_counts_where_all_that_is_read_of_it_is_foreground():
    new, old, target, logits = example(scale=2)
    target[0, 0, 0, 0, 0] = 1 - target[0, 0, 0, 0, 0]  # one of the eight voxels of a cell
    term(Contrastive(layer=LAYER), new, old, target, logits).backward()
    touched = new.grad[0].abs().amax(0) > 0
    expected = target[0, 0, ::2, ::2, ::2] == 1
    expected[0, 0, 0] = False
    assert torch.equal(touched, expected)


def test_a_target_that_is_smoothed_counts_like_the_hard_one():
    new, old, target, logits = example()
    hard = term(Contrastive(layer=LAYER), new, old, target, logits)
    assert term(Contrastive(layer=LAYER), new, old, 0.1 + 0.8 * target, logits) == hard


def test_a_batch_is_the_mean_over_all_anchors_with_contrasts_of_their_own_volume():
    new, old, target, logits = example(batch=2)
    got = term(Contrastive(layer=LAYER), new, old, target, logits)
    alone, counts = [], []
    for b in range(2):
        part = [x[b : b + 1] for x in (new, old, target, logits)]
        alone.append(term(Contrastive(layer=LAYER), *part))
        counts.append(part[2].sum())
    expected = (alone[0] * counts[0] + alone[1] * counts[1]) / (counts[0] + counts[1])
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("boundary_only", [False, True])
def test_a_target_of_one_kind_gives_a_finite_loss_and_gradient(value, boundary_only):
    new, old, target, logits = example()
    config = Contrastive(layer=LAYER, boundary_only=boundary_only)
    loss = term(config, new, old, torch.full_like(target, value), logits)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(new.grad).all()


def test_a_single_foreground_voxel_that_the_teacher_missed_has_no_positive():
    new, old, target, logits = example()
    target.zero_()[0, 0, 1, 1, 1] = 1
    loss = term(Contrastive(layer=LAYER), new, old, target, torch.full_like(logits, -9))
    loss.backward()
    assert loss == 0
    assert (new.grad == 0).all()


def test_without_a_teacher_the_term_is_zero_with_zero_gradient():
    new, _, target, logits = example()
    loss = term(Contrastive(layer=LAYER), new, None, target, logits)
    loss.backward()
    assert loss == 0
    assert (new.grad == 0).all()


def test_separated_features_cost_less_than_random_ones():
    new, old, target, _ = example()
    sign = 2 * target - 1
    apart = sign * torch.ones(1, 6, 1, 1, 1)
    config, sure = Contrastive(layer=LAYER, temperature=0.1), 9 * sign
    loss = term(config, apart, apart, target, sure)
    assert loss < 1e-6
    assert term(config, new, old, target, sure) > math.log(2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_is_computed_in_float32_for_half_precision_features(dtype):
    new, old, target, logits = example(dtype=dtype)
    loss = term(Contrastive(layer=LAYER), new, old, target, logits)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(new.grad).all()
    assert loss == term(Contrastive(layer=LAYER), new.float(), old.float(), target, logits)


def test_is_computed_in_float32_under_autocast_too():
    new, old, target, logits = example()
    plain = term(Contrastive(layer=LAYER), new, old, target, logits)
    with torch.autocast("cpu", torch.bfloat16):
        got = term(Contrastive(layer=LAYER), new, old, target, logits)
    assert got == plain
    torch.testing.assert_close(*(torch.autograd.grad(x, new)[0] for x in (got, plain)))


def test_is_named_by_its_layer_and_asks_for_it():
    config = Contrastive(layer=LAYER)
    assert config.name == "contrastive_encoder_1"
    assert config.layers == (LAYER,)
    assert config.needs_teacher


@pytest.mark.parametrize("wrong", [{"weight": -0.1}, {"temperature": 0.0}])
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        Contrastive(layer=LAYER, **wrong)
