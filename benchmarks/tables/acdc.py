"""AttenScribble and what it is compared with, on ACDC."""

from benchmarks.spec import Column, EvalProtocol, Reported, Row, Table
from weakseg.losses import AttentiveSimilarity, Dice, MaskedCRF, PartialCE
from weakseg.method import Method
from weakseg.models import Affinity, Attention

CLASSES = ("RV", "MYO", "LV")
FIVE_FOLD = "five folds of 20 patients, selection not stated"
FULL_REPORTED = (
    Reported(value=0.9084, source="EFFDNet (MICCAI 2025), second-hand", protocol=FIVE_FOLD),
    Reported(
        value=0.9031, source="DMSPS (MedIA 2024), second-hand", protocol="70/15/15, its own split"
    ),
    Reported(
        value=0.886,
        source="ScribFormer (TMI 2024), second-hand",
        protocol="35 training patients of Valvano et al., 15 test",
    ),
)
PCE_REPORTED = (
    Reported(
        value=0.5046, source="DMSPS (MedIA 2024), abstract", protocol="70/15/15, its own split"
    ),
    Reported(
        value=0.780,
        source="ScribFormer (TMI 2024), ablation, second-hand",
        protocol="35 training patients of Valvano et al., 15 test",
    ),
    Reported(
        value=0.790,
        source="Valvano et al. (TMI 2021), second-hand",
        protocol="70/15/15 of Valvano et al.",
    ),
)
ATTENTION = Attention(layers=("encoder.2",))
ALL_TERMS = (PartialCE(), MaskedCRF(), AttentiveSimilarity())

ACDC = Table(
    name="acdc",
    title="Scribble supervision on ACDC",
    classes=CLASSES,
    source="acdc",
    plan=(("five_fold", (1, 2, 3, 4, 5)), ("stratified", (1, 2, 3, 4, 5))),
    references=("full supervision", "AttenScribble"),
    columns=(
        *(Column("dice", cls) for cls in (*CLASSES, "mean")),
        Column("hd95", "mean"),
        Column("assd", "mean"),
        Column("missed", "all"),
        Column("spurious", "all"),
    ),
    protocol=EvalProtocol(),
    rows=(
        Row(
            "full supervision",
            Method(losses=(PartialCE(weight=0.5), Dice(weight=0.5)), supervision="dense"),
            note="dense labels, 0.5 (cross-entropy + Dice)",
            reported=FULL_REPORTED,
        ),
        Row(
            "pCE",
            Method(losses=(PartialCE(),)),
            note="cross-entropy on the strokes alone",
            reported=PCE_REPORTED,
        ),
        Row("pCE + masked CRF", Method(losses=(PartialCE(), MaskedCRF()))),
        Row(
            "pCE + attentive similarity",
            Method(attention=ATTENTION, losses=(PartialCE(), AttentiveSimilarity())),
        ),
        Row(
            "AttenScribble",
            Method(attention=ATTENTION, losses=ALL_TERMS),
            note="the released configuration; its published tables could not be found",
        ),
        Row(
            "AttenScribble, K = sigmoid(b)",
            Method(
                attention=Attention(layers=("encoder.2",), affinity=Affinity(form="constant")),
                losses=ALL_TERMS,
            ),
            note="the similarity ignores the attention: does the attention carry anything?",
        ),
        Row(
            "AttenScribble, balanced",
            Method(
                attention=ATTENTION,
                losses=(PartialCE(), MaskedCRF(), AttentiveSimilarity(form="balanced")),
            ),
            note="K (1 - p.p) + (1 - K) p.p, which cannot be minimised by K = 0",
        ),
        Row(
            "AttenScribble, weights 0.03",
            Method(
                attention=ATTENTION,
                losses=(PartialCE(), MaskedCRF(weight=0.03), AttentiveSimilarity(weight=0.03)),
            ),
            note="both pairwise terms at 0.03 in place of the released 0.1",
        ),
        Row(
            "AttenScribble, level 4",
            Method(attention=Attention(layers=("encoder.3",)), losses=ALL_TERMS),
            note="attention one level deeper, stride 8",
        ),
        Row(
            "AttenScribble, side branch",
            Method(attention=Attention(layers=("encoder.2",), merge="side"), losses=ALL_TERMS),
            note="the attention only makes the similarity; features pass unchanged",
        ),
    ),
)
