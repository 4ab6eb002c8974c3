"""The augmentation recipe of nnU-Net, batched on the device the tensors are on."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from weakseg.config import LATER
from weakseg.seeding import generator

_BLUR_RADIUS = 4


@dataclass(frozen=True, kw_only=True)
class StrongAugment:
    """Rotation, scaling, mirroring, noise, blur, brightness, contrast, low resolution, gamma.

    Probabilities and ranges are those of nnU-Net's 2D trainer (Isensee et al., Nature Methods
    2021, supplement 4) for images in [0, 1] in place of z-scores: the noise variance and
    brightness ranges are kept, the noise is scaled by ``unit``, which stands for one standard
    deviation of a normalised image. Geometry is one linear map, so that the order of scaling and
    rotation does not matter; nnU-Net's elastic deformation is off there by default as well.
    ``mirror`` is to be off where left and right are different classes.
    """

    rotation: float = 0.2
    scaling: float = 0.2
    scales: tuple[float, float] = (0.7, 1.4)
    noise: float = 0.1
    noise_variance: float = 0.1
    blur: float = 0.2
    blur_sigma: tuple[float, float] = (0.5, 1.0)
    brightness: float = 0.15
    factors: tuple[float, float] = (0.75, 1.25)
    contrast: float = 0.15
    low_resolution: float = 0.25
    zooms: tuple[float, float] = (0.5, 1.0)
    gamma: float = 0.3
    inverted_gamma: float = 0.1
    gammas: tuple[float, float] = (0.7, 1.5)
    unit: float = 0.2
    mirror: bool = field(default=True, metadata=LATER)

    def matrices(self, seed: int, draws: list[int]) -> Tensor:
        """Return float [B, 2, 2], the linear map of each draw; a function of (seed, draw) only."""
        return torch.from_numpy(np.stack([self._matrix(seed, draw) for draw in draws])).float()

    def intensity(self, image: Tensor, seed: int, draws: list[int]) -> Tensor:
        """Return the image float [B, M, S, S] with intensities changed, clipped to [0, 1]."""
        changed = [self._change(one, seed, draw) for one, draw in zip(image, draws, strict=True)]
        return torch.stack(changed)

    def _matrix(self, seed: int, draw: int) -> np.ndarray:
        random = generator(seed, "augment", draw)
        angle = random.uniform(-np.pi, np.pi) if random.random() < self.rotation else 0.0
        scale = random.uniform(*self.scales) if random.random() < self.scaling else 1.0
        flip = np.diag(random.choice([-1.0, 1.0], 2) if self.mirror else np.ones(2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix: np.ndarray = turn @ flip / scale
        return matrix

    def _change(self, image: Tensor, seed: int, draw: int) -> Tensor:
        """Change one slice float [M, S, S], in nnU-Net's order."""
        random = generator(seed, "intensity", draw)
        if random.random() < self.noise:
            sigma = self.unit * np.sqrt(random.uniform(0, self.noise_variance))
            noise = random.standard_normal(tuple(image.shape), dtype=np.float32)
            image = image + float(sigma) * torch.from_numpy(noise).to(image)
        if random.random() < self.blur:
            image = _blurred(image, random.uniform(*self.blur_sigma))
        if random.random() < self.brightness:
            image = image * random.uniform(*self.factors)
        if random.random() < self.contrast:
            mean, low, high = image.mean(), image.min(), image.max()
            image = ((image - mean) * random.uniform(*self.factors) + mean).clamp(low, high)
        if random.random() < self.low_resolution:
            image = _coarse(image, random.uniform(*self.zooms))
        image = image.clamp(0, 1)
        for inverted, chance in ((True, self.inverted_gamma), (False, self.gamma)):
            if random.random() < chance:
                power = random.uniform(*self.gammas)
                image = 1 - (1 - image) ** power if inverted else image**power
        return image


def _blurred(image: Tensor, sigma: float) -> Tensor:
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = functional.pad(image[:, None], (_BLUR_RADIUS,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1))
    return functional.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]


def _coarse(image: Tensor, zoom: float) -> Tensor:
    size = [max(1, round(side * zoom)) for side in image.shape[-2:]]
    small = functional.interpolate(image[None], size=size, mode="nearest-exact")
    full = functional.interpolate(
        small, size=image.shape[-2:], mode="bicubic", align_corners=False, antialias=False
    )
    return full[0]
