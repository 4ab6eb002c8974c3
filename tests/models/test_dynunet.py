import pytest
import torch

from weakseg.models import DynUNet, build


@pytest.mark.parametrize("dims", [2, 3])
def test_heads_at_full_size_while_training_and_one_to_predict(dims: int) -> None:
    network = build(DynUNet(widths=(4, 4, 8, 8), heads=2, dims=dims), None, 1, 3, (16,) * dims)
    image = torch.rand(2, 1, *(16,) * dims)
    out = network.train()(image)
    assert [tuple(head.shape) for head in (out.logits, *out.auxiliary)] == [
        (2, 3, *(16,) * dims)
    ] * 3
    assert not torch.equal(out.logits, out.auxiliary[0])
    out.logits.sum().backward()
    out = network.eval()(image)
    assert out.auxiliary == ()
    assert torch.equal(out.logits, network.predict(image))


def test_no_head_is_a_plain_network() -> None:
    network = build(DynUNet(widths=(4, 4, 8), heads=0), None, 1, 2, (16, 16))
    assert network.train()(torch.rand(1, 1, 16, 16)).auxiliary == ()


def test_more_heads_than_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        DynUNet(widths=(4, 4, 8), heads=2)
