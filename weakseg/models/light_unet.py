"""A small 3D U-Net with the parts that the baselines of streams need."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from torch import Tensor, nn

from weakseg.models.unet import UNet, UNetModule

LIGHT_DEPTHS: Final = MappingProxyType(
    {"enc": "encoder.1", "neck": "encoder.3", "neck2": "branch", "dec": "decoder.1"}
)
"""Submodules at the four depths of the contrastive baselines, as in :data:`vnet.DEPTHS`."""


@dataclass(frozen=True, kw_only=True)
class LightUNet:
    """3D U-Net of four levels with instance norm, for single volumes on small machines (ours).

    Instance norm keeps no running statistics, which one case at a time would make follow the
    latest case. ``distillation_head`` adds a second head, ``branch`` a block beside the deepest
    level that only a contrastive term looks at.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)
    distillation_head: bool = False
    branch: bool = False

    def build(self, modalities: int, classes: int) -> "LightUNetModule":
        """Return the network, float [B, modalities, *S] to logits [B, classes, *S] or two heads."""
        return LightUNetModule(self, modalities, classes)


class LightUNetModule(UNetModule):
    """The network of a :class:`LightUNet`."""

    def __init__(self, config: LightUNet, modalities: int, classes: int) -> None:
        plain = UNet(
            widths=config.widths, dropout=(0.0,) * len(config.widths), norm="instance", dims=3
        )
        super().__init__(plain, modalities, classes)
        width, deep = config.widths[0], config.widths[-2]
        self.distillation_head = (
            nn.Conv3d(width, classes, 3, padding=1) if config.distillation_head else None
        )
        self.branch = (
            nn.Sequential(
                nn.MaxPool3d(2),
                nn.Conv3d(deep, config.widths[-1], 3, padding=1),
                nn.InstanceNorm3d(config.widths[-1], affine=True),
                nn.LeakyReLU(0.01),
            )
            if config.branch
            else None
        )

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:  # type: ignore[override]
        """Return logits float [B, C, *S], followed by those of the distillation head if any."""
        levels = self.encode(image)
        if self.branch is not None:
            self.branch(levels[-2])
        features = self.decode(levels, self.decoder)
        logits = cast(Tensor, self.head(features))
        if self.distillation_head is None:
            return logits
        return [logits, self.distillation_head(features)]
