import copy
import pickle

import pytest
import torch
from torch import nn

from weakseg.config import describe
from weakseg.models import Affinity, Attention, Network, UNet, attach_attention, build

SMALL = UNet(widths=(4, 8, 8), dropout=(0.1, 0.1, 0.1))
LAYERS = ("encoder.1", "encoder.2")


def small(**options):
    torch.manual_seed(0)
    return build(SMALL, Attention(layers=LAYERS, radius=1, **options), 1, 3, (16, 16))


def test_has_the_published_number_of_parameters():
    network = build(UNet(), Attention(), 1, 4, (32, 32))
    assert sum(p.numel() for p in network.parameters()) == 1_866_246
    assert sum(p.numel() for p in network.attention_parameters()) == 52_352 + 128 + 2


def test_returns_logits_and_the_similarity_of_each_layer():
    out = small()(torch.rand(2, 1, 16, 16))
    assert out.logits.shape == (2, 3, 16, 16)
    shapes = {name: tuple(x.shape) for name, x in out.similarity.items()}
    assert shapes == {"encoder.1": (2, 9, 8, 8), "encoder.2": (2, 9, 4, 4)}


def test_works_in_three_dimensions():
    host = UNet(widths=(4, 8), dropout=(0.0, 0.0), dims=3)
    network = build(host, Attention(layers=("encoder.1",), radius=1), 1, 2, (8, 8, 8))
    out = network(torch.rand(1, 1, 8, 8, 8))
    assert out.logits.shape == (1, 2, 8, 8, 8)
    assert out.similarity["encoder.1"].shape == (1, 27, 4, 4, 4)


def test_without_attention_there_is_no_similarity():
    network = build(SMALL, None, 1, 3, (16, 16))
    assert network(torch.rand(1, 1, 16, 16)).similarity == {}
    assert network.attention_parameters() == []
    assert network.predict(torch.rand(1, 1, 16, 16)).shape == (1, 3, 16, 16)


def test_the_host_starts_the_same_with_and_without_attention():
    torch.manual_seed(0)
    plain = build(SMALL, None, 1, 3, (16, 16)).state_dict()
    state = small().state_dict()
    assert all(torch.equal(state[key], value) for key, value in plain.items())


def test_predict_gives_the_logits_of_forward():
    network = small().eval()
    image = torch.rand(1, 1, 16, 16)
    assert torch.equal(network.predict(image), network(image).logits)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_return_their_own_similarity(duplicate):
    network = small().eval()
    image = torch.rand(1, 1, 16, 16)
    network(image)
    twin = duplicate(network)
    with torch.no_grad():
        for p in network.attention_parameters():
            p.zero_()
    assert not torch.equal(
        twin(image).similarity["encoder.1"], network(image).similarity["encoder.1"]
    )
    twin.attention.remove()
    assert len(twin.state_dict()) < len(network.state_dict())
    assert network(image).similarity.keys() == set(LAYERS)


@pytest.mark.parametrize("merge", ["replace", "side"])
@pytest.mark.parametrize("form", ["released", "row_max", "no_bias", "positive", "raw"])
def test_bfloat16_autocast_is_finite_and_trains_every_parameter(merge, form):
    network = small(merge=merge, affinity=Affinity(form=form))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(torch.rand(2, 1, 16, 16))
    similarity = list(out.similarity.values())
    assert all(x.dtype == torch.float32 and torch.isfinite(x).all() for x in similarity)
    (out.logits.float().square().mean() + sum(x.mean() for x in similarity)).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_similarity_is_deterministic():
    gradients = []
    for _ in range(2):
        network = small()
        out = network(torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
        sum(x.square().sum() for x in out.similarity.values()).backward()
        gradients.append([p.grad for p in network.attention_parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("many", [list, torch.stack])
def test_of_several_heads_the_first_counts(many):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 1)

        def forward(self, x):
            x = self.conv(x)
            return many([x, x + 1]) if many is list else many([x, x + 1], 1)

    host = Heads()
    handle = attach_attention(host, ["conv"], example=(1, 1, 8, 8))
    image = torch.rand(2, 1, 8, 8)
    expected = host(image)
    out = Network(host, handle)(image)
    assert torch.equal(out.logits, expected[0] if many is list else expected[:, 0])
    assert out.similarity.keys() == {"conv"}


def test_configurations_can_be_described():
    assert describe(Attention())["affinity"]["form"] == "released"
    assert describe(UNet())["widths"] == [16, 32, 64, 128, 256]


def test_a_side_branch_without_attention_is_refused():
    with pytest.raises(ValueError, match="no attention at all"):
        Attention(merge="side", affinity=Affinity(form="constant"))
