"""Every table by name."""

from benchmarks.spec import Table
from benchmarks.tables.acdc import ACDC
from benchmarks.tables.acdc_ablation import ACDC_ABLATION
from benchmarks.tables.acdc_strokes import ACDC_STROKES
from benchmarks.tables.brats_online import BRATS_ONLINE
from benchmarks.tables.chaos import CHAOS
from benchmarks.tables.hippocampus_online import HIPPOCAMPUS_ONLINE
from benchmarks.tables.mscmr import MSCMR
from benchmarks.tables.nci_online import NCI_ONLINE
from benchmarks.tables.nnunet import NNUNET

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(ACDC, ACDC_STROKES, ACDC_ABLATION, MSCMR, CHAOS, NNUNET),
        *(NCI_ONLINE, BRATS_ONLINE, HIPPOCAMPUS_ONLINE),
    )
}
