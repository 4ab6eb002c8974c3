"""Every method on ACDC."""

from dataclasses import replace

from benchmarks.spec import EvalProtocol, Reported, Table
from benchmarks.tables.methods import DENSE, SCRIBBLE, columns

CLASSES = ("RV", "MYO", "LV")
FIVE_FOLD = "five folds of 20 patients, selection not stated"
DMSPS_SPLIT = "70/15/15, its own split"
MAAG_35 = "35 training patients of Valvano et al., 15 test"
MAAG = "70/15/15 of Valvano et al."
UNSTATED = "not stated"


def second_hand(value: float, source: str, protocol: str) -> Reported:
    """Return a mean Dice that was read in another publication than its own."""
    return Reported(value=value, source=f"{source}, second-hand", protocol=protocol)


REPORTED = {
    "full supervision": (
        second_hand(0.9084, "EFFDNet (MICCAI 2025)", FIVE_FOLD),
        second_hand(0.9031, "DMSPS (MedIA 2024)", DMSPS_SPLIT),
        second_hand(0.886, "ScribFormer (TMI 2024)", MAAG_35),
    ),
    "full supervision, nnU-Net manner": (
        second_hand(0.920, "nnU-Net in ScribFormer (TMI 2024)", MAAG_35),
    ),
    "pCE": (
        Reported(value=0.5046, source="DMSPS (MedIA 2024), abstract", protocol=DMSPS_SPLIT),
        second_hand(0.780, "ScribFormer (TMI 2024), ablation", MAAG_35),
        second_hand(0.790, "Valvano et al. (TMI 2021)", MAAG),
    ),
    "gated CRF": (second_hand(0.8789, "'GCL' in DMSPS (MedIA 2024)", DMSPS_SPLIT),),
    "DMPLS": (second_hand(0.8887, "SDTNet, README", UNSTATED),),
    "DMSPS, stage 1": (Reported(value=0.8894, source="DMSPS, README", protocol=DMSPS_SPLIT),),
    "DMSPS": (Reported(value=0.8951, source="DMSPS, README", protocol=DMSPS_SPLIT),),
    "CycleMix": (
        second_hand(0.848, "ScribFormer (TMI 2024)", MAAG_35),
        second_hand(0.884, "ScribbleBench's collection", UNSTATED),
    ),
    "ShapePU": (second_hand(0.850, "ScribbleBench's collection", UNSTATED),),
}

ACDC = Table(
    name="acdc",
    title="Scribble supervision on ACDC",
    classes=CLASSES,
    source="acdc",
    plan=(("five_fold", (1, 2, 3, 4, 5)), ("stratified", (1, 2, 3, 4, 5))),
    references=("full supervision", "AttenScribble"),
    default=(
        "full supervision",
        "pCE",
        "pCE + Dice, nnU-Net manner",
        "random walker",
        "entropy minimisation",
        "gated CRF",
        "tree energy",
        "Scribble2Label",
        "DMPLS",
        "DMSPS",
        "ShapePU",
        "pCE + masked CRF",
        "pCE + attentive similarity",
        "AttenScribble",
        "AttenScribble, weights 0.03",
    ),
    columns=columns(CLASSES),
    protocol=EvalProtocol(),
    rows=tuple(replace(row, reported=REPORTED.get(row.label, ())) for row in (*DENSE, *SCRIBBLE)),
)
