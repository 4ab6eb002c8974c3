"""Every method on a stream of the Decathlon's hippocampus, and the parts of the interactive one.

Neither paper has this table. The data are open, many and small, so it can be computed anywhere.
"""

from typing import Final

from benchmarks.spec import StreamData, Table
from benchmarks.tables.online_methods import NCI, ablation, rows, table
from weakseg.data.sources.msd import CLASSES

HIPPOCAMPUS_ONLINE: Final[Table] = table(
    "hippocampus-online",
    "Interactive learning on a stream of the Decathlon's hippocampus",
    "hippocampus",
    CLASSES,
    StreamData(stream=64, test=16, extent=(36.0, 48.0, 36.0)),
    (*rows(NCI), *ablation()),
)
