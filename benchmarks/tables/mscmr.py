"""Every method that needs no dense labels on MSCMR, whose training part has strokes alone."""

from benchmarks.spec import EvalProtocol, Table
from benchmarks.tables.acdc import CLASSES
from benchmarks.tables.methods import SCRIBBLE, columns

MSCMR = Table(
    name="mscmr",
    title="Scribble supervision on MSCMR (late gadolinium enhancement)",
    classes=CLASSES,
    source="mscmr",
    plan=(("official", (1,)),),
    effort=0.4,
    references=("AttenScribble",),
    default=(
        "pCE",
        "pCE + Dice, nnU-Net manner",
        "random walker",
        "gated CRF",
        "Scribble2Label",
        "DMPLS",
        "pCE + masked CRF",
        "AttenScribble",
        "AttenScribble, weights 0.03",
    ),
    columns=columns(CLASSES),
    protocol=EvalProtocol(),
    rows=SCRIBBLE,
)
