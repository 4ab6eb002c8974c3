import pytest
import torch

from weakseg.models import DualUNet, UNet, build
from weakseg.models.dual import DualUNetModule

SMALL = (4, 8, 8)
RATES = (0.0, 0.0, 0.0)


def module(rate: float = 0.5) -> DualUNetModule:
    torch.manual_seed(0)
    return DualUNet(widths=SMALL, dropout=RATES, feature_dropout=rate).build(1, 3)


def test_both_branches_return_logits_and_the_network_tells_them_apart() -> None:
    config = DualUNet(widths=SMALL, dropout=RATES)
    out = build(config, None, 1, 3, (16, 16))(torch.rand(2, 1, 16, 16))
    assert out.logits.shape == (2, 3, 16, 16)
    (second,) = out.auxiliary
    assert second.shape == out.logits.shape
    assert not torch.equal(second, out.logits)


def test_the_first_branch_starts_as_the_plain_network() -> None:
    torch.manual_seed(0)
    plain = UNet(widths=SMALL, dropout=RATES).build(1, 3)
    dual = module().state_dict()
    assert all(torch.equal(value, dual[name]) for name, value in plain.state_dict().items())


def test_channels_are_dropped_for_the_second_branch_and_only_while_training() -> None:
    network, image = module(), torch.rand(2, 1, 16, 16)
    network.train()
    (a, b), (c, d) = network(image), network(image)
    assert torch.equal(a, c)
    assert not torch.equal(b, d)
    network.eval()
    (a, b), (c, d) = network(image), network(image)
    assert torch.equal(b, d)


def test_without_dropout_and_with_equal_weights_the_branches_agree() -> None:
    network = module(rate=0.0)
    network.second["decoder"].load_state_dict(network.decoder.state_dict())
    network.second["head"].load_state_dict(network.head.state_dict())
    one, other = network(torch.rand(1, 1, 16, 16))
    assert torch.equal(one, other)


def test_a_rate_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="feature_dropout"):
        DualUNet(feature_dropout=1.0)
