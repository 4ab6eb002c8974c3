"""Masked gated CRF: neighbours that look alike should be segmented alike."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from weakseg.losses.terms import check_weight, full_precision
from weakseg.losses.window import check_window, half_window
from weakseg.types import IGNORE_INDEX, Batch, Output, Share

Border = Literal["inside", "released"]


def masked_crf(
    probs: Tensor,
    image: Tensor,
    mask: Tensor,
    *,
    radius: int = 5,
    sigma_xy: float = 6.0,
    sigma_intensity: float = 0.1,
    border: Border = "inside",
) -> Tensor:
    """Gated CRF (Obukhov et al., 2019) masked by its centre pixel (Tian et al., AttenScribble).

    With k_ij = exp(-|x_i - x_j|^2 / (2 sigma_xy^2) - |I_i - I_j|^2 / (2 sigma_intensity^2)),
    L = 1 / max(1, sum_i m_i) * sum_i m_i sum_{j in window(i), j != i} k_ij (1 - p_i . p_j).

    The gradient, with respect to ``probs`` only, is found together with the value, in one pass
    over half of the window; it is the only tensor kept for the backward pass.

    Args:
        probs: float [B, C, *S], class probabilities, 2D or 3D.
        image: float [B, M, *S], usually in [0, 1]; squared differences add up over modalities.
        mask: bool or float [B, 1, *S] or [B, *S], 1 where the centre pixel counts.
        radius: half width of the window in pixels.
        sigma_xy: pixels.
        sigma_intensity: in units of the image.
        border: "inside" leaves neighbours outside the image out. "released" adds the constant of
            the authors' code, which pads features with zeros, so that an outside neighbour
            looks like a black pixel at the origin; the gradient is the same.

    Returns:
        float [], float32 (float64 for float64 ``probs``); 0 where the mask is empty.

    Raises:
        ValueError: shapes do not match, or radius, a sigma or border is out of range.

    Example:
        >>> probs = torch.full((1, 2, 8, 8), 0.5)
        >>> masked_crf(probs, torch.zeros(1, 1, 8, 8), torch.zeros(1, 8, 8))
        tensor(0.)
    """
    share = _share(
        probs,
        image,
        mask,
        radius=radius,
        sigma_xy=sigma_xy,
        sigma_intensity=sigma_intensity,
        border=border,
    )
    return share.mean()


def _share(
    probs: Tensor,
    image: Tensor,
    mask: Tensor,
    *,
    radius: int,
    sigma_xy: float,
    sigma_intensity: float,
    border: Border,
) -> Share:
    """Return the sum over masked centres, and the sum of the mask."""
    check_window(radius, sigma_xy=sigma_xy, sigma_intensity=sigma_intensity)
    if border not in get_args(Border):
        raise ValueError(f"border must be one of {get_args(Border)}, got {border!r}")
    mask = _check_shapes(probs, image, mask)
    probs = full_precision(probs)
    with torch.no_grad():
        mask = mask.to(probs.dtype)
        scaled = image.to(probs.dtype) / (math.sqrt(2) * sigma_intensity)
    total: Tensor = _MaskedCRF.apply(  # type: ignore[no-untyped-call]
        probs, scaled, mask, radius, sigma_xy
    )
    if border == "released":
        total = total + _outside(scaled, mask, radius, sigma_xy)
    return Share(total, mask.sum())


def _check_shapes(probs: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the mask as [B, 1, *S]."""
    batch, space = probs.shape[0], tuple(probs.shape[2:])
    if len(space) not in (2, 3):
        raise ValueError(f"probs must be [B, C, H, W] or [B, C, D, H, W], got {tuple(probs.shape)}")
    if image.dim() != probs.dim() or (image.shape[0], *image.shape[2:]) != (batch, *space):
        raise ValueError(
            f"image must be [{batch}, M, {', '.join(map(str, space))}] as probs, "
            f"got {tuple(image.shape)}"
        )
    if tuple(mask.shape) not in ((batch, 1, *space), (batch, *space)):
        raise ValueError(
            f"mask must be {(batch, 1, *space)} or {(batch, *space)}, got {tuple(mask.shape)}"
        )
    return mask.reshape(batch, 1, *space)


class _MaskedCRF(torch.autograd.Function):
    """Sum over masked centres; the forward pass leaves the finished gradient behind."""

    @staticmethod
    def forward(
        ctx: Any, probs: Tensor, scaled: Tensor, mask: Tensor, radius: int, sigma_xy: float
    ) -> Tensor:
        total, pull = _total_and_pull(probs.contiguous(), scaled, mask, radius, sigma_xy)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(pull)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None, None]:
        (pull,) = ctx.saved_tensors
        return -grad_output * pull, None, None, None, None


def _total_and_pull(
    probs: Tensor, scaled: Tensor, mask: Tensor, radius: int, sigma_xy: float
) -> tuple[Tensor, Tensor]:
    """Return sum_i m_i sum_j k_ij (1 - p_i . p_j) and G_i = sum_j k_ij (m_i + m_j) p_j.

    k is symmetric, so the sum is 1/2 sum_i (D_i - p_i . G_i) with D_i = sum_j k_ij (m_i + m_j),
    and -G its gradient. D_i and G_i add the same numbers up in the same order: where the
    prediction is constant and one-hot they cancel exactly.
    """
    pull, degree = torch.zeros_like(probs), torch.zeros_like(mask)
    for pairs in half_window(radius, tuple(probs.shape[2:])):
        here, there = pairs.here, pairs.there
        distance = (scaled[here] - scaled[there]).square_().sum(1, keepdim=True)
        kernel = distance.neg_().add_(pairs.log_gaussian(sigma_xy)).exp_()
        kernel.mul_(mask[here] + mask[there])  # [B, 1, *S less the offset]
        degree[here].add_(kernel)
        degree[there].add_(kernel)
        pull[here].addcmul_(kernel, probs[there])
        pull[there].addcmul_(kernel, probs[here])
    per_pixel = degree - (probs * pull).sum(1, keepdim=True)
    return per_pixel.sum() / 2, pull


def _outside(scaled: Tensor, mask: Tensor, radius: int, sigma_xy: float) -> Tensor:
    """Return the kernel weight of the neighbours that zero padding puts outside the image."""
    inside = torch.ones_like(mask[:1])
    squares = torch.zeros_like(mask[:1])
    for axis, size in enumerate(mask.shape[2:], start=2):
        x = torch.arange(size, device=mask.device)
        count = (x + radius).clamp(max=size - 1) - (x - radius).clamp(min=0) + 1
        view = [-1 if k == axis else 1 for k in range(mask.dim())]
        inside = inside * count.view(view)
        squares = squares + x.view(view).to(mask.dtype).square()
    outside = (2 * radius + 1) ** (mask.dim() - 2) - inside
    distance = squares / (2 * sigma_xy**2) + scaled.square().sum(1, keepdim=True)
    total: Tensor = (mask * outside * torch.exp(-distance)).sum()
    return total


@dataclass(frozen=True, kw_only=True)
class MaskedCRF:
    """:func:`masked_crf` as a term; its centres are the pixels nobody annotated."""

    weight: float = 0.1
    radius: int = 5
    sigma_xy: float = 6.0
    sigma_intensity: float = 0.1

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_window(self.radius, sigma_xy=self.sigma_xy, sigma_intensity=self.sigma_intensity)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "masked_crf"

    def centres(self, batch: Batch) -> Tensor:
        """Return bool [B, *S], the pixels whose windows count: those nobody annotated."""
        return batch.label == IGNORE_INDEX

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the loss summed over the centres, and their number."""
        return _share(
            full_precision(out.logits).softmax(1),
            batch.image,
            self.centres(batch),
            radius=self.radius,
            sigma_xy=self.sigma_xy,
            sigma_intensity=self.sigma_intensity,
            border="inside",
        )
