"""Weights that change over a run, as shares of its steps."""

import math


def ramp(step: int, steps: float, steepness: float = 5.0) -> float:
    """Return exp(-steepness (1 - min(step / steps, 1))^2), which rises to 1 at ``steps``.

    Laine and Aila, ICLR 2017.

    Example:
        >>> ramp(100, 100)
        1.0
    """
    return math.exp(-steepness * (1 - min(step / max(steps, 1e-8), 1.0)) ** 2)
