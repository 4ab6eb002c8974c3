"""Attentive similarity: what attention finds alike should be segmented alike."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from weakseg.losses.terms import check_weight, full_precision
from weakseg.losses.window import band_index, check_window, half_window
from weakseg.types import IGNORE_INDEX, Batch, Output, Share

Form = Literal["released", "balanced"]


def attentive_similarity(
    probs: Tensor, similarity: Tensor, *, radius: int = 5, sigma: float = 6.0
) -> Tensor:
    """Attentive similarity loss (Tian et al., AttenScribble; form of the released code).

    With G_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)) for distinct cells of one window, else 0, and
    p the prediction resampled to the grid of the similarity,
    L = 1 / (B Q) * sum_b sum_ij G_ij K_ij (1 - p_i . p_j).

    Args:
        probs: float [B, C, *S], class probabilities, 2D or 3D.
        similarity: float [B, W, *s] in [0, 1], banded: entry [b, o, i] is K between cell i and
            the cell at offset o of the window, W = (2 * radius + 1) ** dims offsets in
            row-major order; entries that point at the cell itself or outside the grid are unused.
        radius: half width of the window in cells.
        sigma: cells.

    Returns:
        float [], float32 (float64 for float64 arguments), differentiable in both arguments.

    Raises:
        ValueError: shapes do not match, or radius or sigma is out of range.

    Example:
        >>> probs = torch.full((1, 2, 8, 8), 0.5)
        >>> attentive_similarity(probs, torch.zeros(1, 121, 2, 2))
        tensor(0.)
    """
    return _per_sample(probs, similarity, radius, sigma, "released").mean()


def _per_sample(probs: Tensor, similarity: Tensor, radius: int, sigma: float, form: Form) -> Tensor:
    """Return the loss of each sample, float [B], a mean over grid cells."""
    check_window(radius, sigma=sigma)
    _check_shapes(probs, similarity, radius)
    dtype = torch.promote_types(full_precision(probs).dtype, full_precision(similarity).dtype)
    probs, similarity = probs.to(dtype), similarity.to(dtype)
    grid = tuple(similarity.shape[2:])
    if grid != tuple(probs.shape[2:]):
        mode = "bilinear" if len(grid) == 2 else "trilinear"
        probs = functional.interpolate(probs, grid, mode=mode, align_corners=False)
    total: Tensor = _PairCost.apply(  # type: ignore[no-untyped-call]
        probs, similarity, radius, sigma, form
    )
    return total / similarity[0, 0].numel()


def _check_shapes(probs: Tensor, similarity: Tensor, radius: int) -> None:
    dims = probs.dim() - 2
    if dims not in (2, 3):
        raise ValueError(f"probs must be [B, C, H, W] or [B, C, D, H, W], got {tuple(probs.shape)}")
    window = (2 * radius + 1) ** dims
    if similarity.dim() != probs.dim() or similarity.shape[:2] != (probs.shape[0], window):
        raise ValueError(
            f"similarity must be [{probs.shape[0]}, {window}, *s] with {dims} axes in *s for "
            f"radius {radius}, got {tuple(similarity.shape)}"
        )


class _PairCost(torch.autograd.Function):
    """Sum over pairs for each sample; the forward pass leaves the finished gradients behind."""

    @staticmethod
    def forward(
        ctx: Any, probs: Tensor, similarity: Tensor, radius: int, sigma: float, form: Form
    ) -> Tensor:
        wanted: tuple[bool, bool] = ctx.needs_input_grad[:2]
        probs = probs.contiguous()
        grads = [
            torch.zeros_like(x) if w else None
            for x, w in zip((probs, similarity), wanted, strict=True)
        ]
        total = _accumulate(probs, similarity, radius, sigma, form, *grads)
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor | None, ...] = ctx.saved_tensors
        grads = (
            None if g is None else g * grad_output.view(-1, *[1] * (g.dim() - 1)) for g in saved
        )
        return *grads, None, None, None


def _accumulate(
    probs: Tensor,
    similarity: Tensor,
    radius: int,
    sigma: float,
    form: Form,
    grad_probs: Tensor | None,
    grad_similarity: Tensor | None,
) -> Tensor:
    """Return sum_ij G_ij c_ij, float [B], and add its gradients to the tensors given.

    c = K (1 - d) for "released" and K (1 - d) + (1 - K) d for "balanced", with d = p_i . p_j.
    Each unordered pair is met once and stands for (i, j) and (j, i).
    """
    total = probs.new_zeros(len(probs))
    for pairs in half_window(radius, tuple(probs.shape[2:])):
        weight = pairs.gaussian(sigma)
        out = band_index(pairs.offset, radius)
        back = similarity.shape[1] - 1 - out
        p, q = probs[pairs.here], probs[pairs.there]
        both = similarity[:, out][pairs.here] + similarity[:, back][pairs.there]
        same = (p * q).sum(1)
        if form == "released":
            slope = 1 - same  # by K
            cost, coupling = both * slope, -both  # by d
        else:
            slope = 1 - 2 * same
            cost, coupling = 2 * same + both * slope, 2 - 2 * both
        total.add_(cost.flatten(1).sum(1), alpha=weight)
        if grad_probs is not None:
            coupling = coupling[:, None]
            grad_probs[pairs.here].addcmul_(coupling, q, value=weight)
            grad_probs[pairs.there].addcmul_(coupling, p, value=weight)
        if grad_similarity is not None:
            slope.mul_(weight)
            grad_similarity[:, out][pairs.here] = slope
            grad_similarity[:, back][pairs.there] = slope
    return total


@dataclass(frozen=True, kw_only=True)
class AttentiveSimilarity:
    """:func:`attentive_similarity` as a term, with the switches of the released code.

    Where the network attends at several layers, the term is the mean of their losses, each a mean
    over its own grid, so that ``weight`` means the same for one layer and for many.

    Attributes:
        form: "released" only ever lowers K; "balanced" adds (1 - K) p_i . p_j to each pair, so
            that K is raised where the prediction agrees.
        exclude_single_class: samples whose annotation shows fewer than two classes add nothing.
            "released" does so only while K gets gradients, and still divides by all samples;
            "balanced" divides by the samples that take part.
        grad_probs: whether the prediction learns from this term.
        grad_similarity: whether the attention learns from this term.
        start: first optimisation step, from 0, at which the term acts; before it is 0 with zero
            gradient. The released code's ``cutoff_iter = c`` (active while step > c) is
            ``start = c + 1``; its default c = 0 only spares step 0.

    Raises:
        ValueError: both gradients are off, or a number is out of range.
    """

    weight: float = 0.1
    radius: int = 5
    sigma: float = 6.0
    form: Form = "released"
    exclude_single_class: bool = True
    grad_probs: bool = True
    grad_similarity: bool = True
    start: int = 0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_window(self.radius, sigma=self.sigma)
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {get_args(Form)}, got {self.form!r}")
        if not (self.grad_probs or self.grad_similarity):
            raise ValueError(
                "grad_probs and grad_similarity are both off: the term teaches nothing"
            )
        if self.start < 0:
            raise ValueError(f"start must be at least 0, got {self.start}")

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "attentive_similarity"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the loss summed over grid cells, and how many of them (those of the first layer).

        Raises:
            ValueError: the network exports no similarity, or its window has another radius.
        """
        if not out.similarity:
            raise ValueError(
                "attentive_similarity needs a network that exports a similarity, got none: "
                "attach the attention to a layer, or drop the term"
            )
        bands = list(out.similarity.values())
        cells = bands[0][0, 0].numel()
        keep = self._keep(batch.label).to(full_precision(bands[0]).dtype)
        counted = keep if self.form == "balanced" else torch.ones_like(keep)
        if batch.step < self.start:
            return Share(_zero(out.logits, *bands), cells * counted.sum())
        probs = full_precision(out.logits).softmax(1)
        probs = probs if self.grad_probs else probs.detach()
        bands = bands if self.grad_similarity else [band.detach() for band in bands]
        losses = [_per_sample(probs, band, self.radius, self.sigma, self.form) for band in bands]
        total = (torch.stack(losses).mean(0) * keep).sum()
        return Share(cells * total, cells * counted.sum())

    def _keep(self, label: Tensor) -> Tensor:
        """Return bool [B], which samples take part."""
        if self.exclude_single_class and (self.grad_similarity or self.form == "balanced"):
            return _several_classes(label)
        return torch.ones(len(label), dtype=torch.bool, device=label.device)


def _several_classes(label: Tensor) -> Tensor:
    """Return bool [B], whether a sample's annotation shows at least two classes.

    Example:
        >>> _several_classes(torch.tensor([[0, 255], [0, 1], [255, 255]]))
        tensor([False,  True, False])
    """
    label = label.flatten(1)
    unknown = label == IGNORE_INDEX
    lowest = label.amin(1)  # IGNORE_INDEX is above every class
    return label.masked_fill(unknown, -1).amax(1) > lowest


def _zero(*tensors: Tensor) -> Tensor:
    """Return 0 that all tensors take part in, with zero gradient, whatever they hold."""
    empty = [full_precision(tensor[..., :0]).sum() for tensor in tensors]
    return torch.stack(empty).sum()
