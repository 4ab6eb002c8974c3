"""Registration of slice pairs: what a register is, and the ones there are."""

from typing import Protocol

from torch import Tensor

from weakseg.online.backends import AntsSyN, Copy, SimpleITKDemons
from weakseg.online.demons import Demons
from weakseg.online.fields import compose, folding, jacobian, warp

__all__ = [
    "AntsSyN",
    "Copy",
    "Demons",
    "Register",
    "SimpleITKDemons",
    "compose",
    "folding",
    "jacobian",
    "warp",
]


class Register(Protocol):
    """Brings moving slices onto fixed ones; a frozen dataclass, so that its text identifies it."""

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """Return the displacement [P, 2, H, W], pixels along H and W, of images [P, H, W].

        ``moving(x + u(x))`` resembles ``fixed(x)``. The field of a pair depends on nothing but the
        pair; one that could not be found is NaN.
        """
        ...
