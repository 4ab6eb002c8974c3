import pytest
import torch

from weakseg.models import LightUNet, attach_attention
from weakseg.models.light_unet import LIGHT_DEPTHS


@pytest.mark.parametrize("layer", [LIGHT_DEPTHS["enc"], LIGHT_DEPTHS["neck"]])
def test_the_attention_plugs_into_the_light_network_and_comes_off(layer: str) -> None:
    torch.manual_seed(0)
    network, image = LightUNet().build(1, 1), torch.rand(1, 1, 16, 24, 16)
    before = network(image)
    handle = attach_attention(network, [layer], example=image)
    assert network(image).shape == before.shape
    similarity = handle.take()[layer]
    assert similarity.detach().min() >= 0
    assert 0 < similarity.detach().max() < 1
    handle.remove()
    torch.testing.assert_close(network(image), before)


@pytest.mark.parametrize("size", [(30, 55, 55), (24, 32, 24), (16, 17, 19)])
def test_any_size_that_can_be_halved_gives_logits_of_that_size(size: tuple[int, int, int]) -> None:
    assert LightUNet().build(2, 1)(torch.rand(1, 2, *size)).shape == (1, 1, *size)


def test_the_distillation_head_and_the_branch_leave_the_main_head_alone() -> None:
    image = torch.rand(1, 1, 16, 16, 16)
    networks = []
    for extra in (False, True):
        torch.manual_seed(0)
        networks.append(LightUNet(distillation_head=extra, branch=extra).build(1, 1))
    main, second = networks[1](image)
    torch.testing.assert_close(main, networks[0](image))
    assert second.shape == main.shape
    assert not torch.equal(second, main)
