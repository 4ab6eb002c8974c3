"""Every method on CHAOS T1 in-phase MR, with generated strokes, since the data set has none."""

from dataclasses import replace

from benchmarks.spec import EvalProtocol, Row, Table
from benchmarks.tables.methods import DENSE, SCRIBBLE, columns
from weakseg.data.augment import Augment
from weakseg.data.sources.chaos import CLASSES
from weakseg.data.strong_augment import StrongAugment
from weakseg.strategies import CycleMix, ShapePU


def unmirrored(row: Row) -> Row:
    """Return a row whose own augmentation and second views do not swap left and right."""
    method = row.method
    if isinstance(method.augment, StrongAugment):
        method = replace(method, augment=replace(method.augment, mirror=False))
    if isinstance(method.strategy, (CycleMix, ShapePU)):
        method = replace(method, strategy=replace(method.strategy, mirror=False))
    return replace(row, method=method)


CHAOS = Table(
    name="chaos",
    title="Scribble supervision on CHAOS (T1 in-phase MR, generated strokes)",
    classes=CLASSES,
    source="chaos-t1",
    plan=(("chaos", (1, 2, 3)),),
    field=352.0,
    effort=2.0,  # small organs are learnt last
    augment=Augment(right_angle=0.0),  # as released: left and right are different classes
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
    columns=columns(CLASSES),
    protocol=EvalProtocol(),
    rows=tuple(unmirrored(row) for row in (*DENSE, *SCRIBBLE)),
)
