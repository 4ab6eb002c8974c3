"""Every method on a stream of NCI-ISBI 2013: the prostate in T2-weighted MR."""

from typing import Final

from benchmarks.spec import StreamData, Table
from benchmarks.tables.online_methods import NCI, rows, table
from weakseg.data.sources.nci_isbi2013 import CLASSES

NCI_ONLINE: Final[Table] = table(
    "nci-online",
    "Interactive learning on a stream of NCI-ISBI 2013",
    "nci-isbi2013",
    CLASSES,
    StreamData(stream=64, test=16, region="centre", extent=(90.0, 100.0, 100.0)),
    rows(NCI),
)
