"""Every method on CHAOS T1 in-phase MR, with generated strokes, since the data set has none."""

from benchmarks.spec import Column, EvalProtocol, Table
from benchmarks.tables.methods import DENSE, SCRIBBLE
from weakseg.data.sources.chaos import CLASSES

CHAOS = Table(
    name="chaos",
    title="Scribble supervision on CHAOS (T1 in-phase MR, generated strokes)",
    classes=CLASSES,
    source="chaos-t1",
    plan=(("chaos", (1, 2, 3)),),
    field=352.0,
    effort=0.5,
    references=("full supervision", "AttenScribble"),
    default=(
        "full supervision",
        "pCE",
        "random walker",
        "gated CRF",
        "DMPLS",
        "pCE + masked CRF",
        "AttenScribble",
        "AttenScribble, weights 0.03",
    ),
    columns=(
        *(Column("dice", cls) for cls in (*CLASSES, "mean")),
        Column("hd95", "mean"),
        Column("assd", "mean"),
        Column("missed", "all"),
        Column("spurious", "all"),
    ),
    protocol=EvalProtocol(),
    rows=(*DENSE, *SCRIBBLE),
)
