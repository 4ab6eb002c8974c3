"""How much drawing is needed: ACDC with all, a half, a quarter and an eighth of each stroke."""

from dataclasses import replace

from benchmarks.spec import EvalProtocol, Row, Table
from benchmarks.tables.acdc import CLASSES
from benchmarks.tables.methods import DENSE, SCRIBBLE, columns
from weakseg.data.shortened import Shortened

METHODS = ("pCE", "pCE + masked CRF", "AttenScribble", "DMPLS")
BASE = {row.label: row for row in SCRIBBLE}
PARTS = {"1/2": 0.5, "1/4": 0.25, "1/8": 0.125}


def shortened(label: str, part: str) -> Row:
    """Return a row whose strokes are cut to a part of their length."""
    row = BASE[label]
    method = replace(row.method, supervision=Shortened(keep=PARTS[part]))
    return Row(f"{label}, {part}", method, note=f"each stroke cut to {part}")


ACDC_STROKES = Table(
    name="acdc-strokes",
    title="Shorter strokes on ACDC",
    classes=CLASSES,
    source="acdc",
    plan=(("stratified", (1, 2, 3, 4, 5)),),
    references=("full supervision",),
    columns=columns(CLASSES),
    protocol=EvalProtocol(),
    rows=(
        DENSE[0],
        *(row for label in METHODS for row in (BASE[label], *(shortened(label, p) for p in PARTS))),
    ),
)
