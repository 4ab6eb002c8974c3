"""The V-Net of the streaming experiments.

Milletari et al., 3DV 2016, in the form of the released code of Tian, Yang & Gao, "Multi-scale
multi-task distillation for incremental 3D medical image segmentation" (MSMT), ECCV workshops 2022.
"""

from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DEPTHS: Final = {"enc": "encoder.1", "neck": "encoder.3", "neck2": "branch", "dec": "decoder.2"}
"""Submodules of a :class:`VNetModule` at which features are contrasted, by the code's names."""

SHORTEST: Final = 16
"""Least side of an image, voxels: four stages halve it."""


@dataclass(frozen=True, kw_only=True)
class VNet:
    """V-Net with ELU, batch norm and kernels of 5 x 5 x 5 (released code of MSMT).

    ``width`` channels at full size, twice as many at each of four coarser stages; whole channels
    are dropped with probability ``dropout`` in the two coarsest stages, before the two coarsest
    steps up and in every skip. ``distillation_head`` adds a second head on the same features, whose
    logits come second; ``branch`` adds a stage next to ``encoder.3`` that nothing but a loss on its
    features uses.
    """

    width: int = 16
    dropout: float = 0.5
    distillation_head: bool = False
    branch: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"width must be at least 1 and dropout in [0, 1), got {self.width} and "
                f"{self.dropout}"
            )

    def build(self, modalities: int, classes: int) -> "VNetModule":
        """Return the network, float [B, modalities, D, H, W] to logits [B, classes, D, H, W]."""
        return VNetModule(self, modalities, classes)


class VNetModule(nn.Module):
    """The network of a :class:`VNet`; its stages are ``encoder.0`` to ``decoder.3``."""

    def __init__(self, config: VNet, modalities: int, classes: int) -> None:
        super().__init__()
        w, drop = config.width, config.dropout
        self.encoder = nn.ModuleList(
            [
                _Entry(modalities, w),
                _Down(w, convolutions=1, dropout=0.0),
                _Down(2 * w, convolutions=2, dropout=0.0),
                _Down(4 * w, convolutions=3, dropout=drop),
                _Down(8 * w, convolutions=2, dropout=drop),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                _Up(16 * w, 16 * w, convolutions=2, dropout=drop, skip_dropout=drop),
                _Up(16 * w, 8 * w, convolutions=2, dropout=drop, skip_dropout=drop),
                _Up(8 * w, 4 * w, convolutions=1, dropout=0.0, skip_dropout=drop),
                _Up(4 * w, 2 * w, convolutions=1, dropout=0.0, skip_dropout=drop),
            ]
        )
        self.head = _head(2 * w, classes)
        # Made last, so that the options leave the other initial weights as they are.
        self.distillation = _head(2 * w, classes) if config.distillation_head else None
        self.branch = _Down(4 * w, convolutions=3, dropout=drop) if config.branch else None

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Return logits float [B, C, D, H, W], and those of the distillation head where it exists.

        Args:
            image: float [B, M, D, H, W] with sides of at least 16 voxels.

        Raises:
            ValueError: wrong number of dimensions or a side too short.
        """
        if image.ndim != 5 or min(image.shape[2:]) < SHORTEST:
            raise ValueError(
                f"image must be [B, M, D, H, W] with sides of at least {SHORTEST}, got "
                f"{tuple(image.shape)}"
            )
        levels = [self.encoder[0](image)]
        for stage in self.encoder[1:]:
            levels.append(stage(levels[-1]))
        x = levels.pop()
        if self.branch is not None:
            self.branch(levels[2])
        for stage in self.decoder:
            x = stage(x, levels.pop())
        logits = cast(Tensor, self.head(x))
        return logits if self.distillation is None else [logits, self.distillation(x)]


class _Norm(nn.BatchNorm3d):
    """Batch norm that falls back on its running statistics where a channel has one value only."""

    def forward(self, x: Tensor) -> Tensor:
        if x.numel() > x.shape[1]:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class _Entry(nn.Module):
    """Convolve to ``width`` channels and add the image, repeated over the channels."""

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.convolve = nn.Sequential(nn.Conv3d(modalities, width, 5, padding=2), _Norm(width))

    def forward(self, image: Tensor) -> Tensor:
        times = -(-self.width // image.shape[1])
        repeated = image.repeat(1, times, 1, 1, 1)[:, : self.width]
        return F.elu(self.convolve(image) + repeated)


class _Down(nn.Module):
    """Halve the size, double the channels, convolve, add what was halved."""

    def __init__(self, before: int, *, convolutions: int, dropout: float) -> None:
        super().__init__()
        self.halve = nn.Sequential(
            nn.Conv3d(before, 2 * before, 2, stride=2), _Norm(2 * before), nn.ELU()
        )
        self.drop = nn.Dropout3d(dropout)
        self.convolve = _convolutions(2 * before, convolutions)

    def forward(self, x: Tensor) -> Tensor:
        halved = self.halve(x)
        return F.elu(self.convolve(self.drop(halved)) + halved)


class _Up(nn.Module):
    """Double the size, join with the skip of half the channels, convolve, add what was joined."""

    def __init__(
        self, before: int, width: int, *, convolutions: int, dropout: float, skip_dropout: float
    ) -> None:
        super().__init__()
        self.drop, self.drop_skip = nn.Dropout3d(dropout), nn.Dropout3d(skip_dropout)
        self.enlarge = nn.Sequential(
            nn.ConvTranspose3d(before, width // 2, 2, stride=2), _Norm(width // 2), nn.ELU()
        )
        self.convolve = _convolutions(width, convolutions)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        enlarged = pad_low(self.enlarge(self.drop(x)), skip.shape[2:])
        joined = torch.cat([enlarged, self.drop_skip(skip)], dim=1)
        return F.elu(self.convolve(joined) + joined)


def pad_low(x: Tensor, size: torch.Size) -> Tensor:
    """Return features [B, F, *S] grown to ``size`` by repeating the first plane of each axis.

    The released code pads the low side only, by replication; written as a concatenation since the
    backward pass of replication in 3D is not deterministic on every GPU.
    """
    for axis, side in enumerate(size, start=2):
        missing = side - x.shape[axis]
        x = torch.cat([x.narrow(axis, 0, 1)] * missing + [x], dim=axis) if missing else x
    return x


def _convolutions(width: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv3d(width, width, 5, padding=2), _Norm(width), nn.ELU()]
    return nn.Sequential(*layers)


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width, classes, 5, padding=2),
        _Norm(classes),
        nn.ELU(),
        nn.Conv3d(classes, classes, 1),
    )
