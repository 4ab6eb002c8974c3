"""Sources of data, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from weakseg.data.sources import acdc, brats2015, chaos, mscmr, msd, nci_isbi2013, nnunet
from weakseg.data.sources.source import Source

_FIXED: Final = (
    acdc.SOURCE,
    mscmr.SOURCE,
    *chaos.SOURCES,
    brats2015.SOURCE,
    nci_isbi2013.SOURCE,
    msd.SOURCE,
)

Open = Callable[[Path], Source]
"""Returns the source of a download; where classes are fixed, the same for all."""


def _fixed(source: Source) -> Open:
    return lambda _: source


SOURCES: Final[Mapping[str, Open]] = MappingProxyType(
    {source.name: _fixed(source) for source in _FIXED} | {"nnunet": nnunet.open_source}
)
"""Every source that can be prepared."""
