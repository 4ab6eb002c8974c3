import copy

import pytest
import torch
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet, UNet
from torch import nn

from weakseg.models.attention import SUBMODULE, Attention, attach_attention
from weakseg.models.unet import UNet as OurUNet

SMALL = OurUNet(widths=(4, 8, 8), dropout=(0.1, 0.1, 0.1))


def dyn(dims):
    return DynUNet(
        dims, 1, 3, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 8, 8],
        deep_supervision=True, deep_supr_num=1,
    )  # fmt: skip


HOSTS = {
    "UNet": (lambda d: UNet(d, 1, 3, (4, 8, 8), (2, 2)), ("model.1.submodule.0", "model.0")),
    "BasicUNet": (
        lambda d: BasicUNet(d, 1, 3, (4, 4, 8, 8, 8, 4)),
        ("down_1.convs.conv_0.adn.N", "upcat_3"),
    ),
    "DynUNet": (dyn, ("downsamples.0.norm1", "bottleneck", "upsamples.0")),
    "AttentionUnet": (
        lambda d: AttentionUnet(d, 1, 3, (4, 8, 8), (2, 2)),
        ("model.1.submodule.0", "model.1.attention"),
    ),
}


def attach(host, layers=("encoder.1",), size=(16, 16), **options):
    config = Attention(**{"radius": 1, **options})
    return attach_attention(host, layers, example=(1, 1, *size), config=config)


def our(seed=0):
    torch.manual_seed(seed)
    return SMALL.build(1, 3)


def weights(host):
    return {key: value.clone() for key, value in host.state_dict().items()}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("merge", ["replace", "side"])
@pytest.mark.parametrize("name", HOSTS)
def test_plugs_into_monai_hosts_and_out_again(name, merge, dims):
    make, layers = HOSTS[name]
    size = (32 if name == "BasicUNet" else 16,) * dims
    host = make(dims)
    image = torch.rand(2, 1, *size)
    before = weights(host)
    torch.manual_seed(5)
    expected = host(image)  # training mode: DynUNet returns a stack of heads
    host.load_state_dict(before)
    handle = attach(host, layers, size, merge=merge)
    assert host.training and all(m.training for m in host.modules())
    torch.manual_seed(5)
    got = host(image)
    assert got.shape == expected.shape
    assert torch.equal(got, expected) == (merge == "side")
    similarity = handle.take()
    assert list(similarity) == list(layers)
    assert all(x.shape[:2] == (2, 3**dims) and x.ndim == dims + 2 for x in similarity.values())
    (got.mean() + sum(x.mean() for x in similarity.values())).backward()
    assert all(p.grad is not None for p in handle.parameters())
    handle.remove()
    host.load_state_dict(before, strict=True)
    torch.manual_seed(5)
    assert torch.equal(host(image), expected)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in host.modules())


def test_attaching_and_removing_leave_statistics_and_modes_alone():
    host = our()
    host.encoder[0].eval()
    before, modes = weights(host), [m.training for m in host.modules()]
    attach(host).remove()
    assert [m.training for m in host.modules()] == modes
    after = host.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_the_dry_run_leaves_the_random_generator_alone():
    class Noisy(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + torch.rand(1)

    images = []
    for first in (nn.Identity(), Noisy(1, 1, 1)):
        host = nn.Sequential(first, nn.Conv2d(1, 4, 1))
        torch.manual_seed(2)
        attach(host, ["1"], (4, 4))
        images.append(torch.rand(3))
    assert torch.equal(*images)


@pytest.mark.parametrize(
    "choose", [lambda h: "encoder.2", lambda h: h.encoder[2], lambda h: lambda n: n.encoder[2]]
)
def test_layers_are_named_given_or_found(choose):
    host = our()
    handle = attach(host, [choose(host)])
    assert list(handle.modules_by_name) == ["encoder.2"]


def test_each_layer_has_its_own_grid_and_parameters():
    handle = attach(host := our(), ["encoder.0", "encoder.2"], depth=2, heads=2)
    host(torch.rand(1, 1, 16, 16))
    shapes = {name: tuple(x.shape) for name, x in handle.take().items()}
    assert shapes == {"encoder.0": (1, 9, 16, 16), "encoder.2": (1, 9, 4, 4)}
    first, second = handle.modules_by_name.values()
    assert first.projection.weight.shape == (4,)
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


def test_grids_of_any_size_follow_the_image():
    handle = attach(host := our(), ["encoder.1"])
    host(torch.rand(1, 1, 21, 34))
    assert handle.take()["encoder.1"].shape == (1, 9, 10, 17)


def test_reduction_gives_the_similarity_of_the_reduced_grid():
    handle = attach(host := our(), reduction=2)
    host(torch.rand(1, 1, 16, 16))
    assert handle.take()["encoder.1"].shape == (1, 9, 4, 4)
    with pytest.raises(ValueError, match="multiples of 2"):
        host(torch.rand(1, 1, 18, 18))


def test_parameters_belong_to_the_host():
    handle = attach(host := our())
    own = {id(p) for p in handle.parameters()}
    assert own and own <= {id(p) for p in host.parameters()}
    assert any(key.startswith(SUBMODULE) for key in host.state_dict())
    host.double()
    host(torch.rand(1, 1, 16, 16).double())
    assert handle.take()["encoder.1"].dtype == torch.float64


def test_a_constant_feature_map_has_a_constant_similarity():
    layer = attach(our()).modules_by_name["encoder.1"].eval()
    _, similarity = layer(torch.full((1, 8, 5, 5), 0.7))
    w, b = layer.projection.weight, layer.projection.bias
    torch.testing.assert_close(similarity[0, 4], torch.sigmoid(2 * w / 25 + b).expand(5, 5))
    assert similarity[similarity > 0].std() < 1e-6


def test_two_passes_have_each_their_own_similarity():
    handle = attach(host := our().eval())
    images = torch.rand(2, 1, 1, 16, 16)
    first = (host(images[0]), handle.take())[1]["encoder.1"]
    second = (host(images[1]), handle.take())[1]["encoder.1"]
    assert not torch.equal(first, second)
    (first.sum() + second.sum()).backward()
    assert handle.take() == {}


def test_a_pass_that_fails_leaves_no_similarity():
    handle = attach(host := our().eval())
    image = torch.rand(1, 1, 16, 16)
    host(image)
    fail = host.encoder[2].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        host(image)
    assert handle.take() == {}
    copy.deepcopy(host)
    fail.remove()
    host(image)
    assert list(handle.take()) == ["encoder.1"]


def test_a_layer_called_outside_its_host_records_nothing():
    handle = attach(host := our().eval())
    host.encoder[1](torch.rand(1, 4, 16, 16))
    assert handle.take() == {}


def test_copies_are_independent_and_states_travel():
    host = our().eval()
    handle = attach(host)
    image = torch.rand(1, 1, 16, 16)
    expected = host(image)
    twin = copy.deepcopy(host)
    with torch.no_grad():
        for p in handle.parameters():
            p.zero_()
    assert torch.equal(twin(image), expected)
    assert not torch.equal(host(image), expected)
    host.load_state_dict(twin.state_dict())
    assert torch.equal(host(image), expected)


def test_side_branches_survive_hosts_that_work_in_place():
    host = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    host = host.to(memory_format=torch.channels_last)
    image = torch.rand(1, 1, 8, 8)
    expected = host(image)
    handle = attach(host, ["0"], (8, 8), merge="side")
    assert torch.equal(host(image), expected)  # also: hosts that run all their children
    handle.take()["0"].sum().backward()
    assert host[0].weight.grad is not None


@pytest.mark.parametrize("depth", [1, 2])
def test_every_parameter_of_a_side_branch_is_trained_by_its_similarity(depth):
    handle = attach(host := our(), merge="side", depth=depth)
    host(torch.rand(2, 1, 16, 16))
    handle.take()["encoder.1"].square().mean().backward()
    assert all(p.grad is not None for p in handle.parameters())


def test_pausing_leaves_the_similarity_out_and_the_logits_unchanged():
    handle = attach(host := our().eval(), ["encoder.1"])
    image = torch.rand(1, 1, 16, 16)
    expected = host(image)
    with handle.paused():
        assert torch.equal(host(image), expected)
    assert handle.take() == {}
    host(image)
    assert handle.take()


def test_an_unknown_layer_is_answered_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"no layer 'encoder2'; nearest names: .*encoder\.2"):
        attach(our(), ["encoder2"])


def test_refuses_hosts_and_layers_it_cannot_serve():
    host = our()
    with pytest.raises(ValueError, match="distinct"):
        attach(host, ["encoder.1", host.encoder[1]])
    with pytest.raises(ValueError, match="at least one"):
        attach(host, [])
    with pytest.raises(ValueError, match="no submodule"):
        attach(host, [nn.Conv2d(1, 1, 1)])
    with pytest.raises(ValueError, match="no multiple of 3 heads"):
        attach(host, heads=3)
    with pytest.raises(ValueError, match="once on the example, ran it 0"):
        attach(host, ["encoder"])
    with pytest.raises(ValueError, match="ran it 2"):
        attach(dyn(2), ["bottleneck.lrelu"])
    attach(host)
    with pytest.raises(ValueError, match="already"):
        attach(host)


@pytest.mark.parametrize("wrong", [{"merge": "add"}, {"depth": 0}, {"radius": 0}, {"heads": -1}])
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        Attention(**wrong)
