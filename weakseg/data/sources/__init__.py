"""Sources of data, by name."""

from types import MappingProxyType

from weakseg.data.sources import acdc

SOURCES = MappingProxyType({source.name: source for source in (acdc.SOURCE,)})
"""Every source that can be prepared."""
