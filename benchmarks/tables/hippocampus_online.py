"""Every method on a stream of the Decathlon's hippocampus, and the parts of the interactive one.

Neither paper has this table. The data are open, many and small, so it can be computed anywhere.
"""

from typing import Final

from benchmarks.spec import StreamData, Table
from benchmarks.tables.online_methods import (
    COLUMNS,
    FINE_TUNING,
    NCI,
    OFFLINE,
    ONLINE_FULL,
    PROTOCOL,
    TWICE,
    ablation,
    rows,
)
from weakseg.data.sources.msd import CLASSES

HIPPOCAMPUS_ONLINE: Final = Table(
    name="hippocampus-online",
    title="Interactive learning on a stream of the Decathlon's hippocampus",
    classes=CLASSES,
    source="hippocampus",
    plan=(("stream", (1,)),),
    stream=StreamData(stream=64, test=16, extent=(36.0, 48.0, 36.0)),
    references=(ONLINE_FULL, TWICE, OFFLINE),
    plain=FINE_TUNING,
    columns=COLUMNS,
    protocol=PROTOCOL,
    rows=(*rows(NCI), *ablation()),
)
