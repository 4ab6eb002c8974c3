"""Every method on any data set in nnU-Net's raw layout; the classes are those of the data."""

from benchmarks.spec import EvalProtocol, Table
from benchmarks.tables.methods import DENSE, SCRIBBLE, columns

NNUNET = Table(
    name="nnunet",
    title="Scribble supervision on a data set in nnU-Net's raw layout",
    classes=(),
    source="nnunet",
    plan=(("stratified", (1, 2, 3, 4, 5)),),
    field=None,
    references=("full supervision", "AttenScribble"),
    columns=columns(()),
    protocol=EvalProtocol(),
    rows=(*DENSE, *SCRIBBLE),
)
