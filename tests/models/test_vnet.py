import copy

import pytest
import torch
from torch.nn import functional as F

from weakseg.models import Attention, Network, UNet, VNet, attach_attention
from weakseg.models.vnet import DEPTHS, pad_low

SMALL = VNet(width=4)
SIZE = (16, 21, 33)


def count(config):
    return sum(p.numel() for p in config.build(1, 1).parameters())


def made(config=SMALL, seed=0, modalities=1, classes=1):
    torch.manual_seed(seed)
    return config.build(modalities, classes)


def test_has_the_published_number_of_parameters():
    assert count(VNet()) == 45_596_309


def test_the_options_add_their_published_number_of_parameters():
    both = count(VNet(distillation_head=True, branch=True))
    assert both == 45_596_309 + 4_005 + 6_211_072


def test_stages_have_the_published_channels_and_sizes():
    network = made(VNet(branch=True)).eval()
    shapes = {}
    stages = [f"encoder.{i}" for i in range(5)] + [f"decoder.{i}" for i in range(4)] + ["branch"]
    for name in stages:
        network.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        network(torch.rand(1, 1, 30, 55, 55))
    sizes = [(30, 55, 55), (15, 27, 27), (7, 13, 13), (3, 6, 6), (1, 3, 3)]
    down = [(c, *s) for c, s in zip((16, 32, 64, 128, 256), sizes, strict=True)]
    up = [(c, *s) for c, s in zip((256, 128, 64, 32), sizes[-2::-1], strict=True)]
    assert shapes == dict(zip(stages, [*down, *up, (128, 3, 6, 6)], strict=True))


@pytest.mark.parametrize("size", [(16, 16, 16), SIZE, (30, 55, 55), (24, 32, 24)])
def test_keeps_the_size_of_the_image_also_odd_ones_while_training(size):
    network = made()
    logits = network(torch.rand(1, 1, *size))
    assert logits.shape == (1, 1, *size)
    logits.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_takes_any_number_of_modalities_and_classes():
    assert made(modalities=3, classes=2)(torch.rand(2, 3, *SIZE)).shape == (2, 2, *SIZE)


def written_out(network, image):
    """The network in evaluation mode, from its weights and nothing else of its code."""
    w = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}

    def norm(x, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"])

    def convolve(x, name, count):
        for i in range(count):
            at = f"{name}.convolve.{3 * i}"
            x = F.conv3d(x, w[f"{at}.weight"], w[f"{at}.bias"], padding=2)
            x = F.elu(norm(x, f"{name}.convolve.{3 * i + 1}"))
        return x

    entry = "encoder.0.convolve"
    x = F.conv3d(image, w[f"{entry}.0.weight"], w[f"{entry}.0.bias"], padding=2)
    levels = [F.elu(norm(x, f"{entry}.1") + image)]
    for stage, count in enumerate((1, 2, 3, 2), start=1):
        name = f"encoder.{stage}"
        x = F.conv3d(levels[-1], w[f"{name}.halve.0.weight"], w[f"{name}.halve.0.bias"], stride=2)
        x = F.elu(norm(x, f"{name}.halve.1"))
        levels.append(F.elu(convolve(x, name, count) + x))
    x = levels.pop()
    for stage, count in enumerate((2, 2, 1, 1)):
        name, skip = f"decoder.{stage}", levels.pop()
        weight, bias = w[f"{name}.enlarge.0.weight"], w[f"{name}.enlarge.0.bias"]
        x = F.elu(norm(F.conv_transpose3d(x, weight, bias, stride=2), f"{name}.enlarge.1"))
        low = [s - n for s, n in zip(skip.shape[2:], x.shape[2:], strict=True)]
        x = torch.cat([F.pad(x, (low[2], 0, low[1], 0, low[0], 0), mode="replicate"), skip], 1)
        x = F.elu(convolve(x, name, count) + x)
    x = F.conv3d(x, w["head.0.weight"], w["head.0.bias"], padding=2)
    return F.conv3d(F.elu(norm(x, "head.1")), w["head.3.weight"], w["head.3.bias"])


def test_computes_what_the_published_table_says():
    network = made()
    network(torch.rand(1, 1, *SIZE))  # statistics of the norms
    image = torch.rand(2, 1, *SIZE)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(image), written_out(network, image))


def test_channels_are_dropped_deep_down_and_in_every_skip():
    network, widths = made(), []
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout3d) and module.p:
            assert module.p == 0.5
            module.register_forward_hook(lambda _, x, __: widths.append(x[0].shape[1]))
    network(torch.rand(1, 1, *SIZE))
    down, up, finer_skips = [32, 64], [64, 32, 64, 16], [8, 4]
    assert widths == down + up + finer_skips


def test_the_image_is_added_to_the_features_at_the_entry():
    network = made(modalities=3)
    image = torch.rand(2, 3, *SIZE)
    entry = network.encoder[0].eval()
    for parameter in entry.parameters():
        torch.nn.init.zeros_(parameter)
    expected = F.elu(image[:, [0, 1, 2, 0]])
    torch.testing.assert_close(entry(image), expected)


def test_what_is_missing_is_repeated_at_the_low_side():
    x = torch.arange(8.0).view(1, 1, 2, 2, 2)
    expected = F.pad(x, (1, 0, 0, 0, 1, 0), mode="replicate")
    assert torch.equal(pad_low(x, torch.Size([3, 2, 3])), expected)


def test_the_distillation_head_speaks_second_and_leaves_the_first_as_it_was():
    image = torch.rand(1, 1, *SIZE)
    with torch.no_grad():
        plain = made().eval()(image)
        main, other = made(VNet(width=4, distillation_head=True)).eval()(image)
    assert torch.equal(main, plain)
    assert other.shape == plain.shape
    assert not torch.equal(other, plain)


def test_the_branch_changes_nothing_that_is_predicted():
    image = torch.rand(1, 1, *SIZE)
    with torch.no_grad():
        assert torch.equal(made(VNet(width=4, branch=True)).eval()(image), made().eval()(image))


def test_a_network_hands_out_heads_and_the_four_contrasted_depths():
    host = made(VNet(width=4, distillation_head=True, branch=True))
    out = Network(host, None, tuple(DEPTHS.values()))(torch.rand(1, 1, *SIZE))
    assert len(out.auxiliary) == 1
    assert {k: out.features[v].shape[1] for k, v in DEPTHS.items()} == {
        "enc": 8, "neck": 32, "neck2": 32, "dec": 16,
    }  # fmt: skip
    out.features["branch"].sum().backward()
    assert host.branch.halve[0].weight.grad.abs().max() > 0


def test_a_frozen_copy_says_the_same_and_learns_nothing():
    network = Network(made(VNet(width=4, branch=True)), None, ("branch",))
    teacher = copy.deepcopy(network).eval().requires_grad_(False)
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    network(torch.rand(1, 1, *SIZE)).logits.sum().backward()
    teacher(torch.rand(1, 1, *SIZE))
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


@pytest.mark.parametrize("merge", ["replace", "side"])
@pytest.mark.parametrize(
    ("config", "layer"),
    [
        (SMALL, "encoder.3"),
        (SMALL, "decoder.0"),
        (UNet(widths=(4, 8, 8), dropout=(0.0,) * 3, norm="instance", dims=3), "encoder.2"),
    ],
)
def test_attention_plugs_into_3d_hosts_and_out_again(config, layer, merge):
    host, image = made(config).eval(), torch.rand(1, 1, *SIZE)
    plain = host(image)
    handle = attach_attention(
        host, [layer], example=(1, 1, *SIZE), config=Attention(radius=1, merge=merge)
    )
    logits, similarity = host(image), handle.take()[layer]
    assert logits.shape == plain.shape
    assert torch.equal(logits, plain) == (merge == "side")
    assert similarity.shape[1] == 27
    (logits.sum() + similarity.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in handle.parameters() if p.grad is not None)
    handle.remove()
    assert torch.equal(host(image), plain)


@pytest.mark.parametrize("size", [(30, 55, 55), (24, 32, 24), (8, 9, 17)])
def test_the_light_unet_takes_volumes_of_any_size_from_eight_voxels(size):
    network = UNet(widths=(8, 16, 32, 64), dropout=(0.0,) * 4, norm="instance", dims=3).build(1, 1)
    logits = network(torch.rand(1, 1, *size))
    assert logits.shape == (1, 1, *size)
    logits.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("shape", [(1, 1, 15, 16, 16), (1, 1, 16, 16), (1, 1, 32, 32, 8)])
def test_refuses_images_it_cannot_halve_four_times(shape):
    with pytest.raises(ValueError, match="at least 16"):
        made()(torch.rand(shape))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        VNet(**wrong)
