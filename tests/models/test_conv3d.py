import copy

import pytest
import torch
from torch import nn
from torch.profiler import profile

from weakseg.models.conv3d import Conv3d

KINDS = [
    {},
    {"padding": 0},
    {"stride": 2},
    {"dilation": 2, "padding": 2},
    {"groups": 2},
    {"padding_mode": "replicate"},
    {"kernel_size": 1, "padding": 0},
]


def pair(**options):
    """Ours and PyTorch's, with the same weights."""
    torch.manual_seed(0)
    ours = Conv3d(
        **{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1, **options}
    )
    plain = nn.Conv3d(
        **{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1, **options}
    )
    plain.load_state_dict(ours.state_dict())
    return ours.double(), plain.double()


def compared(ours, plain, x):
    found = []
    for layer in (ours, plain):
        given = x.clone().requires_grad_()
        y = layer(given)
        factor = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        found.append((y, *torch.autograd.grad((y * factor).sum(), [given, *layer.parameters()])))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("depth", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("batch", [1, 2])
def test_is_the_same_convolution_with_the_same_gradients(batch, depth):
    ours, plain = pair()
    compared(ours, plain, torch.rand(batch, 4, depth, 5, 6, dtype=torch.float64))


@pytest.mark.parametrize("options", KINDS)
def test_every_kind_of_convolution_is_the_same(options):
    compared(*pair(**options), torch.rand(1, 4, 7, 8, 9, dtype=torch.float64))


def test_a_convolution_without_bias_and_a_volume_without_a_batch_are_the_same():
    compared(*pair(bias=False), torch.rand(1, 4, 7, 8, 9, dtype=torch.float64))
    compared(*pair(), torch.rand(4, 7, 8, 9, dtype=torch.float64))


def test_a_large_volume_is_left_to_pytorch_as_it_is():
    ours, plain = pair()
    x = torch.rand(1, 4, 80, 80, 3, dtype=torch.float64)
    assert torch.equal(ours(x), plain(x))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")
def test_a_small_single_volume_does_not_meet_the_slow_kernel():
    layer = copy.deepcopy(pair()[0]).float()
    with profile() as seen:
        layer(torch.rand(1, 4, 6, 7, 8)).sum().backward()
    names = {event.key for event in seen.key_averages()}
    assert "aten::mkldnn_convolution" in names
    assert not any("slow_conv3d" in name for name in names)
