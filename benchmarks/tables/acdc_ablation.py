"""What in AttenScribble matters: one change at a time, on ACDC."""

from dataclasses import replace

from benchmarks.spec import EvalProtocol, Row, Table
from benchmarks.tables.acdc import CLASSES
from benchmarks.tables.methods import ATTENSCRIBBLE, ATTENTION, PCE, SCRIBBLE, columns
from weakseg.losses import AttentiveSimilarity, MaskedCRF, PartialCE
from weakseg.method import Method
from weakseg.models import Affinity, Attention

BASE = {row.label: row for row in SCRIBBLE}


def attended(attention: Attention, note: str, label: str) -> Row:
    """Return AttenScribble with another attention."""
    return Row(f"AttenScribble, {label}", replace(ATTENSCRIBBLE, attention=attention), note=note)


def affinity(form: Affinity, note: str, label: str) -> Row:
    """Return AttenScribble with another way from attention to similarity."""
    return attended(replace(ATTENTION, affinity=form), note, label)


def term(similarity: AttentiveSimilarity, note: str, label: str) -> Row:
    """Return AttenScribble with another similarity loss."""
    losses = (PartialCE(), MaskedCRF(), similarity)
    return Row(f"AttenScribble, {label}", Method(attention=ATTENTION, losses=losses), note=note)


ACDC_ABLATION = Table(
    name="acdc-ablation",
    title="Parts of AttenScribble on ACDC",
    classes=CLASSES,
    source="acdc",
    plan=(("five_fold", (1, 2, 3, 4, 5)), ("stratified", (1, 2, 3, 4, 5))),
    references=("AttenScribble",),
    columns=columns(CLASSES),
    protocol=EvalProtocol(),
    rows=(
        Row("pCE", PCE),
        BASE["pCE + masked CRF"],
        BASE["pCE + attentive similarity"],
        BASE["AttenScribble"],
        BASE["AttenScribble, weights 0.03"],
        affinity(
            Affinity(form="constant"),
            "the similarity ignores the attention: does the attention carry anything?",
            "K = sigmoid(b)",
        ),
        affinity(Affinity(form="no_bias"), "K = sigmoid(w S)", "no bias"),
        affinity(Affinity(form="positive"), "K = sigmoid(softplus(w) S + b)", "w positive"),
        affinity(
            Affinity(form="row_max"),
            "each row of the attention divided by its maximum",
            "row maximum",
        ),
        affinity(Affinity(form="raw"), "no softmax: K = sigmoid(w (Z + Z^T) + b)", "raw logits"),
        affinity(Affinity(scaled=True), "logits divided by the root of the width", "scaled logits"),
        term(
            AttentiveSimilarity(form="balanced"),
            "K (1 - p.p) + (1 - K) p.p, which cannot be minimised by K = 0",
            "balanced",
        ),
        term(
            AttentiveSimilarity(grad_similarity=False),
            "the term teaches the prediction only",
            "K detached",
        ),
        attended(Attention(layers=("encoder.1",)), "one level finer, stride 2", "level 2"),
        attended(Attention(layers=("encoder.3",)), "one level deeper, stride 8", "level 4"),
        attended(
            Attention(layers=("encoder.2", "encoder.3")), "two attended layers", "levels 3 and 4"
        ),
        attended(
            Attention(layers=("encoder.2",), merge="side"),
            "the attention only makes the similarity; features pass unchanged",
            "side branch",
        ),
    ),
)
