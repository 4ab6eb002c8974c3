"""The U-Net of the scribble benchmarks, in two and three dimensions.

Ronneberger et al., MICCAI 2015, in the widths and with the dropout of Luo et al., MICCAI 2022.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weakseg.models.conv3d import Conv3d

_CONV = {2: nn.Conv2d, 3: Conv3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_NORM = {
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
}


@dataclass(frozen=True, kw_only=True)
class UNet:
    """Encoder and decoder with skip connections; one width and one dropout rate per level.

    Dropout is element-wise, in the encoder only, and draws from torch's global generator.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    dropout: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    norm: Literal["batch", "instance"] = "batch"
    dims: int = 2

    def __post_init__(self) -> None:
        if self.dims not in _CONV:
            raise ValueError(f"dims must be 2 or 3, got {self.dims}")
        if len(self.widths) != len(self.dropout) or not self.widths:
            raise ValueError(
                f"one dropout rate per width, got {len(self.dropout)} rates"
                f" for {len(self.widths)} widths"
            )
        if (self.norm, self.dims) not in _NORM:
            raise ValueError(f"norm must be 'batch' or 'instance', got {self.norm!r}")

    def build(self, modalities: int, classes: int) -> "UNetModule":
        """Return the network, float [B, modalities, *S] to logits [B, classes, *S]."""
        return UNetModule(self, modalities, classes)


class UNetModule(nn.Module):
    """The network of a :class:`UNet`; level k of the encoder is the submodule ``encoder.k``."""

    def __init__(self, config: UNet, modalities: int, classes: int) -> None:
        super().__init__()
        self.config = config
        conv, pool = _CONV[config.dims], _POOL[config.dims]
        widths = (modalities, *config.widths)
        self.encoder = nn.ModuleList()
        for level, ((before, width), rate) in enumerate(
            zip(pairwise(widths), config.dropout, strict=True)
        ):
            block = _conv_block(config, before, width, rate)
            self.encoder.append(nn.Sequential(pool(2), block) if level else block)
        self.decoder = nn.ModuleList(
            _Up(config, deep, skip) for skip, deep in reversed(list(pairwise(config.widths)))
        )
        self.head = conv(config.widths[0], classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits float [B, C, *S] of an image float [B, M, *S]; any size that can be halved.

        Raises:
            ValueError: wrong number of dimensions, or a side too short for the levels.
        """
        return cast(Tensor, self.head(self.decode(self.encode(image), self.decoder)))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return the features of each level, the finest first."""
        self._check(image)
        x, levels = image, []
        for level in self.encoder:
            x = level(x)
            levels.append(x)
        return levels

    @staticmethod
    def decode(levels: list[Tensor], decoder: nn.ModuleList) -> Tensor:
        """Return the features of the last decoder block, float [B, F, *S]."""
        x = levels[-1]
        for up, skip in zip(decoder, reversed(levels[:-1]), strict=True):
            x = up(x, skip)
        return x

    def _check(self, image: Tensor) -> None:
        shortest = 2 ** (len(self.config.widths) - 1)
        if image.ndim != self.config.dims + 2 or min(image.shape[2:]) < shortest:
            raise ValueError(
                f"image must be [B, M, *S] with {self.config.dims} sides of at least {shortest},"
                f" got {tuple(image.shape)}"
            )


class _Up(nn.Module):
    """Project to the skip's width, interpolate to the skip's size, concatenate, convolve."""

    def __init__(self, config: UNet, deep: int, skip: int) -> None:
        super().__init__()
        self.mode = {2: "bilinear", 3: "trilinear"}[config.dims]
        self.project = _CONV[config.dims](deep, skip, 1)
        self.block = _conv_block(config, 2 * skip, skip, 0.0)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return float [B, F, *S] at the size and width of ``skip``, from the coarser ``x``."""
        x = F.interpolate(self.project(x), skip.shape[2:], mode=self.mode, align_corners=True)
        return cast(Tensor, self.block(torch.cat([skip, x], dim=1)))


def _conv_block(config: UNet, before: int, width: int, dropout: float) -> nn.Sequential:
    conv = _CONV[config.dims]

    def norm() -> nn.Module:
        kind = _NORM[config.norm, config.dims]
        return kind(width, affine=True)

    return nn.Sequential(
        conv(before, width, 3, padding=1),
        norm(),
        nn.LeakyReLU(0.01),
        nn.Dropout(dropout),
        conv(width, width, 3, padding=1),
        norm(),
        nn.LeakyReLU(0.01),
    )
