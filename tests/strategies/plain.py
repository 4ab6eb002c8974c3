"""A network that can be computed by hand, and a batch with a few strokes."""

import torch
from torch import Tensor, nn

from weakseg.models import Network, UNet
from weakseg.models.network import build
from weakseg.strategies import Strategy, Task
from weakseg.types import IGNORE_INDEX, Batch, Share, channels_last

CLASSES, SIZE = 3, 32


class Plain(nn.Module):
    """Class scores of a pixel from its intensity alone; keeps the last image it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([4.0, -1.0, 0.5]))

    def forward(self, image: Tensor) -> Tensor:
        self.shown = image.detach()
        return image * self.scale.view(1, 3, 1, 1)


def task(steps: int = 100, size: int = SIZE) -> Task:
    return Task(steps=steps, batch=2, modalities=1, classes=CLASSES, slices=4, size=(size, size))


def strokes(size: int = SIZE, samples: int = 2, step: int = 50, seed: int = 0) -> Batch:
    """Random images with a stroke of each class, in other places from sample to sample."""
    image = torch.rand(samples, 1, size, size, generator=torch.Generator().manual_seed(seed))
    label = torch.full((samples, size, size), IGNORE_INDEX)
    for sample in range(samples):
        for cls in range(CLASSES):
            label[sample, size * cls // CLASSES + sample, 2 : 4 + 2 * cls] = cls
    return Batch(image, label, ["case"] * samples, step)


def undrawn(batch: Batch) -> Batch:
    return batch._replace(label=torch.full_like(batch.label, IGNORE_INDEX))


def small_unet(strategy: Strategy) -> Network:
    host = UNet(widths=(4, 8), dropout=(0.0, 0.1))
    layers = getattr(strategy, "layers", ())
    return build(host, None, 1, CLASSES, (SIZE, SIZE), layers).train()


def train_once(
    strategy: Strategy, batch: Batch, autocast: bool
) -> tuple[Network, dict[str, Share]]:
    """Return a small U-Net with the gradients of a strategy's terms, and the terms."""
    torch.manual_seed(0)
    network = small_unet(strategy)
    companion = strategy.build(network, task())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = network(channels_last(batch.image))
        terms = companion.terms(network, out, batch)
        total = torch.stack([companion.weights[k] * s.mean() for k, s in terms.items()]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return network, terms
