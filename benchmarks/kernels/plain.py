"""The losses as they are usually written: everything unfolded, every pair of tokens kept."""

import torch
from torch import Tensor
from torch.nn import functional


def masked_crf(
    probs: Tensor,
    image: Tensor,
    mask: Tensor,
    *,
    radius: int = 5,
    sigma_xy: float = 6.0,
    sigma_intensity: float = 0.1,
) -> Tensor:
    """Return the masked CRF through unfolded windows, as gated CRF codes do (2D).

    Args:
        probs: float [B, C, H, W].
        image: float [B, M, H, W].
        mask: float [B, 1, H, W], 1 where the centre pixel counts.
        radius: half width of the window in pixels.
        sigma_xy: pixels.
        sigma_intensity: in units of the image.
    """
    size, (height, width) = 2 * radius + 1, probs.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=probs.device, dtype=probs.dtype),
        torch.arange(width, device=probs.device, dtype=probs.dtype),
        indexing="ij",
    )
    position = torch.stack([y, x]).expand(len(probs), -1, -1, -1) / sigma_xy
    features = torch.cat([position, image / sigma_intensity], 1)
    distance = (_windows(features, size) - features[:, :, None]).square().sum(1)
    kernel = torch.exp(-distance / 2) * _windows(torch.ones_like(mask), size)[:, 0]
    kernel[:, kernel.shape[1] // 2] = 0  # [B, size^2, H, W]
    alike = (_windows(probs, size) * probs[:, :, None]).sum(1)
    return (mask * kernel * (1 - alike)).sum() / mask.sum().clamp(min=1)


def _windows(tensor: Tensor, size: int) -> Tensor:
    """Return [B, C, size^2, H, W], zero outside the image."""
    columns = functional.unfold(tensor, size, padding=size // 2)
    return columns.view(*tensor.shape[:2], size * size, *tensor.shape[2:])


def affinity(query: Tensor, key: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return K = sigmoid(w (A + A^T) + b), float [B, N, N], A the row softmax of q k^T.

    Args:
        query: float [B, N, F].
        key: float [B, N, F].
        weight: float [1].
        bias: float [1].
    """
    attention = (query @ key.transpose(1, 2)).softmax(2)
    return torch.sigmoid(weight * (attention + attention.transpose(1, 2)) + bias)


def pair_mask(side: int, device: torch.device, *, radius: int = 5, sigma: float = 6.0) -> Tensor:
    """Return G, float [N, N], of a grid of side x side tokens."""
    index = torch.arange(side * side, device=device)
    steps = [(x[:, None] - x[None, :]).abs() for x in (index // side, index % side)]
    farthest = torch.maximum(*steps)
    square = (steps[0].square() + steps[1].square()).float()
    near = (farthest <= radius) & (farthest > 0)
    return near * torch.exp(-square / (2 * sigma**2))


def attentive_similarity(probs: Tensor, kernel: Tensor, pairs: Tensor) -> Tensor:
    """Return the attentive similarity loss of a dense affinity (2D, square grid).

    Args:
        probs: float [B, C, H, W].
        kernel: float [B, N, N].
        pairs: float [N, N], from :func:`pair_mask`.
    """
    side = round(kernel.shape[1] ** 0.5)
    coarse = functional.interpolate(probs, (side, side), mode="bilinear", align_corners=False)
    tokens = coarse.flatten(2)  # [B, C, N]
    alike = tokens.transpose(1, 2) @ tokens
    return (pairs * kernel * (1 - alike)).sum() / (kernel.shape[0] * kernel.shape[1])
