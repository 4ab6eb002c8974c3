"""What is measured: two losses, two forms of each, two sizes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.kernels import plain
from weakseg.losses import attentive_similarity, masked_crf
from weakseg.models.affinity import Affinity, Projection

Inputs = Mapping[str, Tensor]


class Size(NamedTuple):
    """A batch of square slices, and the side of the attention's token grid."""

    batch: int
    classes: int
    side: int
    grid: int


SIZES = {"small": Size(2, 4, 128, 32), "paper": Size(12, 4, 256, 64)}
"""Sizes by name; "paper" is the released training batch."""

WIDTH = 64
"""Of a token in the released network."""


class Kernel(NamedTuple):
    """One loss in two forms; ``forms`` map inputs to float [], ``leaves`` get gradients."""

    title: str
    inputs: Callable[[Size, torch.device], dict[str, Tensor]]
    leaves: tuple[str, ...]
    forms: Mapping[str, Callable[[Inputs], Tensor]]


def _probs(size: Size, generator: torch.Generator) -> Tensor:
    shape = (size.batch, size.classes, size.side, size.side)
    return torch.randn(shape, generator=generator).softmax(1)


def _crf_inputs(size: Size, device: torch.device) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (size.batch, 1, size.side, size.side)
    tensors = {
        "probs": _probs(size, generator),
        "image": torch.rand(shape, generator=generator),
        "mask": (torch.rand(shape, generator=generator) < 0.99).float(),
    }
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _similarity_inputs(size: Size, device: torch.device) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (size.batch, size.grid**2, WIDTH)
    tensors = {
        "probs": _probs(size, generator),
        "query": 0.5 * torch.randn(shape, generator=generator),
        "key": 0.5 * torch.randn(shape, generator=generator),
        "weight": torch.tensor([100.0]),
        "bias": torch.tensor([-0.5]),
    }
    moved = {name: tensor.to(device) for name, tensor in tensors.items()}
    return {**moved, "pairs": plain.pair_mask(size.grid, device)}


def _banded(x: Inputs) -> Tensor:
    projection = Projection(1, Affinity())
    del projection.weight, projection.bias
    projection.weight, projection.bias = x["weight"], x["bias"]  # type: ignore[assignment]
    side = round(x["query"].shape[1] ** 0.5)
    band = projection([(x["query"][:, None], x["key"][:, None])], (side, side), 5)
    return attentive_similarity(x["probs"], band)


def _dense(x: Inputs) -> Tensor:
    kernel = plain.affinity(x["query"], x["key"], x["weight"], x["bias"])
    return plain.attentive_similarity(x["probs"], kernel, x["pairs"])


KERNELS: Mapping[str, Kernel] = {
    "masked_crf": Kernel(
        "masked CRF",
        _crf_inputs,
        ("probs",),
        {
            "ours": lambda x: masked_crf(x["probs"], x["image"], x["mask"]),
            "plain": lambda x: plain.masked_crf(x["probs"], x["image"], x["mask"]),
        },
    ),
    "attentive_similarity": Kernel(
        "attentive similarity from q, k",
        _similarity_inputs,
        ("probs", "query", "key", "weight", "bias"),
        {"ours": _banded, "plain": _dense},
    ),
}


class Step:
    """Forward and backward pass of one form on fixed inputs."""

    def __init__(self, kernel: str, size: Size, form: str, device: torch.device) -> None:
        self.kernel = KERNELS[kernel]
        self.form = self.kernel.forms[form]
        self.inputs = self.kernel.inputs(size, device)
        for name in self.kernel.leaves:
            self.inputs[name].requires_grad_()

    def __call__(self) -> dict[str, Tensor]:
        """Return the value and the gradient of each leaf."""
        value = self.form(self.inputs)
        leaves = [self.inputs[name] for name in self.kernel.leaves]
        grads = torch.autograd.grad(value, leaves)
        return {"value": value.detach(), **dict(zip(self.kernel.leaves, grads, strict=True))}
