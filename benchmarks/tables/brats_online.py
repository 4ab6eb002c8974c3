"""Every method on a stream of BraTS 2015: the whole tumour in FLAIR."""

from typing import Final

from benchmarks.spec import StreamData, Table
from benchmarks.tables.online_methods import (
    BRATS,
    COLUMNS,
    FINE_TUNING,
    OFFLINE,
    ONLINE_FULL,
    PROTOCOL,
    TWICE,
    rows,
)
from weakseg.data.sources.brats2015 import CLASSES

BRATS_ONLINE: Final = Table(
    name="brats-online",
    title="Interactive learning on a stream of BraTS 2015 (whole tumour, FLAIR)",
    classes=CLASSES,
    source="brats2015",
    plan=(("stream", (1,)),),
    stream=StreamData(
        pool=117, stream=117, test=40, region="nonzero", extent=(144.0, 176.0, 144.0)
    ),
    references=(ONLINE_FULL, TWICE, OFFLINE),
    plain=FINE_TUNING,
    columns=COLUMNS,
    protocol=PROTOCOL,
    rows=rows(BRATS),
)
