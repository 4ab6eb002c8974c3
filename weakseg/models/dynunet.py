"""nnU-Net's network as MONAI builds it."""

from dataclasses import dataclass
from typing import cast

from torch import nn


@dataclass(frozen=True, kw_only=True)
class DynUNet:
    """MONAI's DynUNet: strided convolutions, instance norm, leaky ReLU, deep supervision.

    The topology of Isensee et al. (Nature Methods 2021): two convolutions per level, a stride of
    2 between levels, transposed convolutions on the way up. While training, the network returns
    its main logits and those of ``heads`` deeper decoder levels, at full size.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    heads: int = 2
    dims: int = 2

    def __post_init__(self) -> None:
        if self.dims not in (2, 3):
            raise ValueError(f"dims must be 2 or 3, got {self.dims}")
        if not 0 <= self.heads < len(self.widths) - 1:
            raise ValueError(
                f"heads must be at least 0 and below {len(self.widths) - 1}, the number of decoder "
                f"levels, got {self.heads}"
            )

    def build(self, modalities: int, classes: int) -> nn.Module:
        """Return the network, float [B, modalities, *S] to logits [B, classes, *S] of each head."""
        # MONAI takes seconds to import; the other networks do without it.
        from monai.networks.nets.dynunet import DynUNet as Module

        levels = len(self.widths)
        strides = [1] + [2] * (levels - 1)
        module = Module(
            spatial_dims=self.dims,
            in_channels=modalities,
            out_channels=classes,
            kernel_size=[3] * levels,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=list(self.widths),
            norm_name=("INSTANCE", {"affine": True}),
            deep_supervision=self.heads > 0,
            deep_supr_num=max(1, self.heads),
        )
        return cast(nn.Module, module)
