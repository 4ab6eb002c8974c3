"""A 3D convolution that is fast for one small volume on a CPU."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEW: Final = 20480
"""Rows up to which PyTorch leaves a single volume with small kernels to its plain kernel."""


class Conv3d(nn.Conv3d):
    """``nn.Conv3d`` that hands one small volume on a CPU over as a batch of two halves.

    PyTorch 2 calls oneDNN for small kernels only where a batch holds two volumes or more than
    20480 rows (channels x D x H); a single volume goes to a kernel that is several times slower,
    and a stream learns from one volume at a time. The halves overlap by what the kernel reaches
    over, so the result is the same but for rounding.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return float [B, F, D, H, W] of float [B, M, D, H, W]."""
        if not self._plain(x):
            return super().forward(x)
        depth, reach = x.shape[2], 1
        half = (depth + 1) // 2
        padded = F.pad(x, (0, 0, 0, 0, reach, reach))
        halves = torch.cat([padded[:, :, : half + 2 * reach], padded[:, :, depth - half :]])
        out = F.conv3d(halves, self.weight, self.bias, padding=(0, reach, reach))
        return torch.cat([out[:1], out[1:, :, 2 * half - depth :]], dim=2)

    def _plain(self, x: Tensor) -> bool:
        """Return whether PyTorch would take the slow kernel and halves are possible."""
        single = x.ndim == 5 and len(x) == 1 and x.device.type == "cpu" and x.shape[2] > 1
        same = (
            self.kernel_size == (3, 3, 3)
            and self.padding == (1, 1, 1)
            and self.stride == self.dilation == (1, 1, 1)
            and self.groups == 1
            and self.padding_mode == "zeros"
        )
        return single and same and x[0, ..., 0].numel() <= _FEW
