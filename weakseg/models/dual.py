"""One encoder and two decoders (Luo et al., MICCAI 2022, "dual-branch network")."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from weakseg.models.unet import UNet, UNetModule

_DROP = {2: F.dropout2d, 3: F.dropout3d}


@dataclass(frozen=True, kw_only=True)
class DualUNet(UNet):
    """A :class:`UNet` with a second, equal decoder that sees the encoder through channel dropout.

    The second decoder gets each level's features with a share ``feature_dropout`` of the channels
    dropped while training. The released code drops them at test time too, where only the first
    decoder is used.
    """

    feature_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.feature_dropout < 1:
            raise ValueError(f"feature_dropout must be in [0, 1), got {self.feature_dropout}")

    def build(self, modalities: int, classes: int) -> "DualUNetModule":
        """Return the network, float [B, modalities, *S] to two logits [B, classes, *S]."""
        return DualUNetModule(self, modalities, classes)


class DualUNetModule(UNetModule):
    """The network of a :class:`DualUNet`; the second branch is the submodule ``second``."""

    def __init__(self, config: DualUNet, modalities: int, classes: int) -> None:
        super().__init__(config, modalities, classes)
        self.rate = config.feature_dropout
        other = UNetModule(config, modalities, classes)
        self.second = nn.ModuleDict({"decoder": other.decoder, "head": other.head})

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return the logits of both decoders, float [B, C, *S] each."""
        levels = self.encode(image)
        drop = _DROP[self.config.dims]
        dropped = [drop(level, self.rate, self.training) for level in levels]
        second = self.decode(dropped, cast(nn.ModuleList, self.second["decoder"]))
        return self.head(self.decode(levels, self.decoder)), self.second["head"](second)
