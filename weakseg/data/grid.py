"""The in-plane grid a 2D network works on, and the way there and back."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Window(NamedTuple):
    """Part of a native slice that the grid covers, in pixels; it may reach over the border."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A square grid of ``size`` pixels.

    With ``spacing`` (mm) it covers the central ``size * spacing`` mm of each slice; without, the
    whole field of view is squeezed into it, as the released code of AttenScribble does.
    """

    size: int = 256
    spacing: float | None = None

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size must be a positive multiple of 16 pixels, got {self.size}")
        if self.spacing is not None and self.spacing <= 0:
            raise ValueError(f"spacing must be positive, got {self.spacing} mm")

    def window(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Window:
        """Return the window for slices of shape (..., H, W) and spacing (..., dy, dx) in mm."""
        if self.spacing is None:
            return Window(0, 0, shape[-2], shape[-1])
        height, width = (max(1, round(self.size * self.spacing / mm)) for mm in spacing[-2:])
        return Window((shape[-2] - height) // 2, (shape[-1] - width) // 2, height, width)

    def image(self, image: Tensor, window: Window) -> Tensor:
        """Resample float [Z, M, H, W] to [Z, M, size, size]: bilinear, antialiased, 0 outside."""
        cut = _cut(image, window, 0.0)
        return functional.interpolate(
            cut, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )

    def label(self, label: Tensor, window: Window, outside: int) -> Tensor:
        """Resample uint8 [Z, H, W] to [Z, size, size] by nearest neighbour."""
        cut = _cut(label[:, None].float(), window, float(outside))
        small = functional.interpolate(cut, size=(self.size, self.size), mode="nearest-exact")
        return small[:, 0].to(label.dtype)

    def native(self, probs: Tensor, window: Window, shape: tuple[int, ...]) -> Tensor:
        """Bring probs [Z, C, size, size] back to native slices and decide there.

        Probabilities are interpolated bilinearly and the arg-max is taken at native resolution;
        outside the window everything is background.

        Returns:
            uint8 [Z, H, W] for ``shape`` (..., H, W).
        """
        full = functional.interpolate(
            probs.float(), size=(window.height, window.width), mode="bilinear", align_corners=False
        )
        inside = full.argmax(dim=1).to(torch.uint8)
        height, width = shape[-2:]
        return _cut(inside, Window(-window.top, -window.left, height, width), 0.0)


def _cut(image: Tensor, window: Window, outside: float) -> Tensor:
    """Cut a window out of the last two axes; negative padding crops."""
    bottom = window.top + window.height - image.shape[-2]
    right = window.left + window.width - image.shape[-1]
    return functional.pad(image, (-window.left, right, -window.top, bottom), value=outside)
