"""Second views of a batch: turned by right angles, mirrored, with a square cut out.

Right angles lose nothing, so that predictions can be turned back exactly; CycleMix and ShapePU
turn by any angle and interpolate.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from weakseg.types import IGNORE_INDEX

CUTOUT = 32 / 212
"""Side of the square that CycleMix and ShapePU cut out, as a share of the image's."""


class View(NamedTuple):
    """A turn by ``turns`` right angles, then mirroring if ``mirrored``, then a cut.

    ``cut`` is bool [B, 1, *S], true inside the squares, in the frame before the turn.
    """

    turns: int
    mirrored: bool
    cut: Tensor

    def forth(self, image: Tensor) -> Tensor:
        """Return float [B, F, S, S] as the view shows it."""
        turned = torch.rot90(image, self.turns, (2, 3))
        return turned.flip(3) if self.mirrored else turned

    def back(self, image: Tensor) -> Tensor:
        """Undo :meth:`forth`."""
        return torch.rot90(image.flip(3) if self.mirrored else image, -self.turns, (2, 3))

    def show(self, image: Tensor) -> Tensor:
        """Return the image float [B, M, S, S], 0 in the squares, as the view shows it."""
        return self.forth(image.masked_fill(self.cut, 0.0))

    def hide(self, label: Tensor) -> Tensor:
        """Return a label int64 [B, S, S], unturned, without annotation in the squares."""
        return label.masked_fill(self.cut[:, 0], IGNORE_INDEX)


def random_view(image: Tensor, cutout: float = CUTOUT, *, mirror: bool = True) -> View:
    """Draw a view of square images float [B, M, S, S] from torch's generator.

    ``mirror`` is to be off where left and right are different classes.
    """
    batch, size = len(image), image.shape[-1]
    side = max(1, round(cutout * size))
    corner = torch.randint(size - side + 1, (batch, 2))
    line = torch.arange(size)
    inside = (line >= corner[..., None]) & (line < corner[..., None] + side)  # [B, 2, S]
    cut = inside[:, 0, :, None] & inside[:, 1, None, :]
    turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
    return View(turns, mirrored and mirror, cut[:, None].to(image.device))


def cosine_distance(one: Tensor, other: Tensor) -> Tensor:
    """Return 1 - cos of the angle between two float [B, C, *S] as vectors, float [B]."""
    a, b = one.flatten(1), other.flatten(1)
    return 1 - functional.cosine_similarity(a, b, dim=1)
