import pytest
import torch

from weakseg.models.unet import UNet

SMALL = {"widths": (4, 8, 8), "dropout": (0.0, 0.1, 0.2)}


def test_has_the_published_number_of_parameters():
    network = UNet().build(1, 4)
    assert sum(p.numel() for p in network.parameters()) == 1_813_764


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (8, 9, 11), (8, 8, 8)])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_keeps_the_size_of_the_image_also_odd_ones(size, norm):
    network = UNet(**SMALL, norm=norm, dims=len(size)).build(2, 3)
    image = torch.rand(2, 2, *size)
    logits = network(image)
    assert logits.shape == (2, 3, *size)
    logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_levels_have_their_width_and_stride():
    network = UNet().build(1, 4)
    x = torch.rand(2, 1, 32, 32)
    for level, width in enumerate(UNet().widths):
        x = network.encoder[level](x)
        assert x.shape == (2, width, 32 >> level, 32 >> level)


def test_even_sizes_are_doubled_with_aligned_corners():
    up = UNet(**SMALL).build(1, 2).decoder[0]
    seen = []
    up.block.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    deep, skip = torch.rand(1, 8, 4, 4), torch.rand(1, 8, 8, 8)
    up(deep, skip)
    double = torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(seen[0], torch.cat([skip, double(up.project(deep))], 1))


def test_dropout_follows_the_global_generator():
    network = UNet(**SMALL).build(1, 2)
    image = torch.rand(1, 1, 16, 16)
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(network(image))
    assert torch.equal(*outputs)
    assert not torch.equal(outputs[0], network(image))


def test_accepts_channels_last_and_gives_the_same():
    network = UNet(**SMALL).build(1, 2).eval()
    image = torch.rand(1, 1, 16, 16)
    expected = network(image)
    network = network.to(memory_format=torch.channels_last)
    got = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("shape", [(1, 1, 2, 16), (1, 1, 16), (1, 1, 8, 8, 8)])
def test_refuses_images_it_cannot_halve(shape):
    with pytest.raises(ValueError, match="image must be"):
        UNet(**SMALL).build(1, 2)(torch.rand(shape))


@pytest.mark.parametrize(
    "wrong", [{"dims": 4}, {"norm": "layer"}, {"dropout": (0.1,)}, {"widths": (), "dropout": ()}]
)
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        UNet(**wrong)
