"""Every method on a stream of NCI-ISBI 2013: the prostate in T2-weighted MR."""

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
    rows,
)
from weakseg.data.sources.nci_isbi2013 import CLASSES

NCI_ONLINE: Final = Table(
    name="nci-online",
    title="Interactive learning on a stream of NCI-ISBI 2013",
    classes=CLASSES,
    source="nci-isbi2013",
    plan=(("stream", (1,)),),
    stream=StreamData(stream=64, test=16, region="centre", extent=(90.0, 100.0, 100.0)),
    references=(ONLINE_FULL, TWICE, OFFLINE),
    plain=FINE_TUNING,
    columns=COLUMNS,
    protocol=PROTOCOL,
    rows=rows(NCI),
)
