"""Synthetic data sets in official layouts, by the name of the source that reads them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from weakseg.data.phantoms import acdc, brats2015, chaos, hippocampus, mscmr, nci_isbi2013

Writer = Callable[[Path, int, int | None, int], None]
"""Writes (root, patients, matrix, seed): ``matrix`` fixes the rows and columns of all slices, None
takes the data set's own; a patient's files depend on its number, the matrix and the seed only. The
file ``root / "PHANTOM"`` marks the result as synthetic."""

PHANTOMS: Final[Mapping[str, Writer]] = MappingProxyType(
    {
        "acdc": acdc.write,
        "mscmr": mscmr.write,
        "chaos-t1": chaos.write_t1,
        "chaos-t1-out": chaos.write_t1,
        "chaos-t2": chaos.write_t2,
        "chaos-ct": chaos.write_ct,
        "brats2015": brats2015.write,
        "nci-isbi2013": nci_isbi2013.write,
        "hippocampus": hippocampus.write,
    }
)
"""Every data set that can be written."""
