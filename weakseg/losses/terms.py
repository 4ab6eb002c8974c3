"""What every loss term looks like, and their weighted sum."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from weakseg.types import Batch, Output, Share


class Term(Protocol):
    """One summand of the objective; ``weight`` is applied by :class:`Objective` only."""

    @property
    def name(self) -> str:
        """Snake-case name, unique within an objective."""

    @property
    def weight(self) -> float:
        """Factor of the term in the objective."""

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the term as a mean, unweighted, exact when shares of micro-batches are added."""


@dataclass(frozen=True)
class Objective:
    """The weighted sum of terms: sum over terms of weight * mean.

    Raises:
        ValueError: no term, or two terms of one name.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("an objective needs at least one term, got none")
        twice = [name for name, n in Counter(term.name for term in self.terms).items() if n > 1]
        if twice:
            raise ValueError(f"each term may appear once in an objective, got {twice} repeatedly")

    def __call__(self, out: Output, batch: Batch) -> dict[str, Share]:
        """Return the unweighted share of each term by name."""
        return {term.name: term(out, batch) for term in self.terms}

    def total(self, shares: Mapping[str, Share]) -> Tensor:
        """Return the objective, float [], from the shares of all terms.

        Example:
            >>> from weakseg.losses import PartialCE
            >>> share = Share(torch.tensor(6.0), torch.tensor(3.0))
            >>> Objective((PartialCE(weight=0.5),)).total({"partial_ce": share})
            tensor(1.)
        """
        parts = [term.weight * shares[term.name].mean() for term in self.terms]
        return torch.stack(parts).sum()


def check_weight(weight: float) -> None:
    """Raise ValueError unless a term's weight is finite and not negative."""
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"the weight of a loss must be finite and at least 0, got {weight}")


def full_precision(tensor: Tensor) -> Tensor:
    """Return float32 of anything narrower; float64 stays, for gradient checks.

    Example:
        >>> full_precision(torch.ones(2, dtype=torch.float16)).dtype
        torch.float32
    """
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def one_hot(label: Tensor, like: Tensor) -> Tensor:
    """Return the one-hot of a label int64 [B, *S] with the classes and type of [B, C, *S].

    Example:
        >>> one_hot(torch.tensor([[1]]), torch.zeros(1, 3, 1)).flatten().tolist()
        [0.0, 1.0, 0.0]
    """
    return functional.one_hot(label, like.shape[1]).movedim(-1, 1).to(like.dtype)
