"""Every method on a stream of BraTS 2015: the whole tumour in FLAIR."""

from typing import Final

from benchmarks.spec import StreamData, Table
from benchmarks.tables.online_methods import BRATS, rows, table
from weakseg.data.sources.brats2015 import CLASSES

BRATS_ONLINE: Final[Table] = table(
    "brats-online",
    "Interactive learning on a stream of BraTS 2015 (whole tumour, FLAIR)",
    "brats2015",
    CLASSES,
    StreamData(pool=117, stream=117, test=40, region="nonzero", extent=(144.0, 176.0, 144.0)),
    rows(BRATS),
)
