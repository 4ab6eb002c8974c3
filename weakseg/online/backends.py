"""Registration by other libraries, and none at all: they take and return what Demons does."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weakseg.online.demons import unfolded


@dataclass(frozen=True, kw_only=True)
class Copy:
    """No movement: the mask of the nearest slice is copied."""

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """Return zeros [P, 2, H, W] for images [P, H, W]."""
        return fixed.new_zeros((len(fixed), 2, *fixed.shape[1:]))


@dataclass(frozen=True, kw_only=True)
class SimpleITKDemons:
    """Fast symmetric-forces demons of SimpleITK on a pyramid (spec: speed of single pairs).

    Attributes:
        iterations: per level, coarse to fine; each level halves the pixel of the one before.
        sigma: smoothing of the field, pixels.
    """

    iterations: tuple[int, ...] = (60, 40, 20)
    sigma: float = 1.5

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """Return the displacement [P, 2, H, W], pixels, of images [P, H, W].

        Raises:
            ImportError: SimpleITK is not installed.
        """
        pairs = zip(fixed.cpu().numpy(), moving.cpu().numpy(), strict=True)
        fields = [self._registered(*pair) for pair in pairs]
        return unfolded(_stacked(fields, fixed))

    def _registered(self, fixed: Any, moving: Any) -> Any:
        sitk = _library("SimpleITK", "simpleitk")
        low, high = min(fixed.min(), moving.min()), max(fixed.max(), moving.max())
        images = [
            sitk.GetImageFromArray(((image - low) / max(high - low, 1e-12)).astype(np.float32))
            for image in (fixed, moving)
        ]
        method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        method.SetStandardDeviations(self.sigma)
        field = None
        for level, iterations in enumerate(self.iterations):
            factor = 2 ** (len(self.iterations) - 1 - level)
            target, source = (_shrunk(image, factor) for image in images)
            method.SetNumberOfIterations(iterations)
            if field is None:
                field = method.Execute(target, source)
            else:
                field = method.Execute(target, source, sitk.Resample(field, target))
        return np.moveaxis(sitk.GetArrayFromImage(field), -1, 0)[::-1]


@dataclass(frozen=True, kw_only=True)
class AntsSyN:
    """SyN of ANTs through ANTsPy, called as the released code does (spec 3.4): default arguments.

    A pair that ANTs gives up gets a field of NaN, so that its slice falls back. The seed is fixed,
    as the released code's results are not repeatable without one.

    Attributes:
        transform: "SyN" starts with an affine stage; "SyNOnly" from the identity.
        seed: of the sampling of mutual information.
    """

    transform: str = "SyN"
    seed: int = 1

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """Return the displacement [P, 2, H, W], pixels, of images [P, H, W].

        Raises:
            ImportError: antspyx is not installed.
        """
        ants = _library("ants", "antspyx")
        pairs = zip(fixed.cpu().numpy(), moving.cpu().numpy(), strict=True)
        return _stacked([self._registered(ants, *pair) for pair in pairs], fixed)

    def _registered(self, ants: Any, fixed: Any, moving: Any) -> Any:
        target, source = ants.from_numpy(fixed), ants.from_numpy(moving)
        try:
            result = ants.registration(
                target, source, self.transform, random_seed=self.seed, singleprecision=True
            )
        except RuntimeError:
            return np.full((2, *fixed.shape), np.nan, np.float32)
        grids = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in fixed.shape), indexing="ij")
        moved = [
            ants.apply_transforms(target, ants.from_numpy(grid), result["fwdtransforms"]).numpy()
            for grid in grids
        ]
        return np.stack(moved) - np.stack(grids)


def _library(name: str, package: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"this registration needs {name}: pip install {package}") from error


def _shrunk(image: Any, factor: int) -> Any:
    sitk = _library("SimpleITK", "simpleitk")
    if factor == 1:
        return image
    soft = sitk.DiscreteGaussian(image, variance=(0.5 * factor) ** 2)
    size = [max(2, -(-n // factor)) for n in image.GetSize()]
    spacing = [(n - 1) / (m - 1) for n, m in zip(image.GetSize(), size, strict=True)]
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    return sitk.Resample(soft, grid, sitk.Transform(), sitk.sitkLinear)


def _stacked(fields: list[Any], like: Tensor) -> Tensor:
    empty = np.zeros((0, 2, *like.shape[1:]), np.float32)
    stacked = np.stack(fields) if fields else empty
    return torch.from_numpy(np.ascontiguousarray(stacked, dtype=np.float32)).to(like)
