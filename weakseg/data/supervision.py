"""What training sees as labels where it is neither the scribbles nor the dense reference."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weakseg.data.dataset import Sample
from weakseg.data.grid import Grid, Window


class Supervision(Protocol):
    """A frozen configuration that makes training labels of a case.

    The result is a function of the configuration and the arguments only; it is computed once and
    cached.
    """

    def labels(self, sample: Sample, grid: Grid, window: Window, case: str) -> NDArray[np.uint8]:
        """Return uint8 [D, S, S] on the grid, ``IGNORE_INDEX`` where nothing is known.

        Args:
            sample: native arrays of the case.
            grid: the network's grid.
            window: where the grid lies in the native slices.
            case: name, from which anything random is seeded.
        """
