"""The methods that every table of the scribble benchmark compares, under one budget.

Weights are those of the papers or of the released codes; what differs is said in each method's
own file.
"""

from dataclasses import replace
from typing import Final

from benchmarks.spec import Column, Row
from weakseg.data.random_walker import RandomWalker
from weakseg.data.strong_augment import StrongAugment
from weakseg.losses import (
    AttentiveSimilarity,
    AuxiliaryPartialCE,
    DeepSupervision,
    Dice,
    Entropy,
    GatedCRF,
    IntensityVariance,
    MaskedCRF,
    MixedPseudoLabels,
    MumfordShah,
    PartialCE,
    PartialDice,
    TotalVariation,
    TreeEnergy,
)
from weakseg.method import FirstStage, Method
from weakseg.models import Attention, DualUNet, DynUNet
from weakseg.strategies import (
    USTM,
    Confident,
    CycleMix,
    PacingPseudo,
    Scribble2Label,
    ShapePU,
)


def columns(classes: tuple[str, ...]) -> tuple[Column, ...]:
    """Return what every table shows: Dice of each class and their mean, distances, counts."""
    return (
        *(Column("dice", cls) for cls in (*classes, "mean")),
        Column("hd95", "mean"),
        Column("assd", "mean"),
        Column("missed", "all"),
        Column("spurious", "all"),
    )


ATTENTION: Final = Attention(layers=("encoder.2",))
ATTENSCRIBBLE: Final = Method(
    attention=ATTENTION, losses=(PartialCE(), MaskedCRF(), AttentiveSimilarity())
)
PCE: Final = Method(losses=(PartialCE(),))
NNUNET_LOSSES: Final = (DeepSupervision(term=PartialCE()), DeepSupervision(term=PartialDice()))
NNUNET: Final = "MONAI's DynUNet with deep supervision and nnU-Net's augmentation; same widths, \
optimiser and steps as every row"
DMPLS: Final = Method(
    network=DualUNet(),
    losses=(PartialCE(weight=0.5), AuxiliaryPartialCE(weight=0.5), MixedPseudoLabels(weight=0.5)),
)
DMSPS: Final = Method(
    network=DualUNet(),
    losses=(
        PartialCE(weight=0.5),
        AuxiliaryPartialCE(weight=0.5),
        MixedPseudoLabels(weight=8.0, targets="soft"),
    ),
)

DENSE: Final = (
    Row(
        "full supervision",
        Method(losses=(PartialCE(weight=0.5), Dice(weight=0.5)), supervision="dense"),
        note="dense labels, 0.5 (cross-entropy + Dice)",
    ),
    Row(
        "full supervision, nnU-Net manner",
        Method(
            network=DynUNet(),
            losses=NNUNET_LOSSES,
            supervision="dense",
            augment=StrongAugment(),
        ),
        note=f"dense labels, cross-entropy + Dice; {NNUNET}",
        cost=2.0,
    ),
)
"""Rows that need dense labels for training."""

SCRIBBLE: Final = (
    Row("pCE", PCE, note="cross-entropy on the strokes alone"),
    Row(
        "pCE + Dice, nnU-Net manner",
        Method(network=DynUNet(), losses=NNUNET_LOSSES, augment=StrongAugment()),
        note=f"partial cross-entropy + partial Dice on the strokes; {NNUNET}",
        cost=2.0,
    ),
    Row(
        "random walker",
        Method(losses=(PartialCE(weight=0.5), PartialDice(weight=0.5)), supervision=RandomWalker()),
        note="0.5 (cross-entropy + Dice) on the labels of a random walker (Grady, TPAMI 2006)",
    ),
    Row(
        "entropy minimisation",
        Method(losses=(PartialCE(), Entropy())),
        note="Grandvalet and Bengio, NIPS 2004",
    ),
    Row("total variation", Method(losses=(PartialCE(), TotalVariation())), cost=1.1),
    Row(
        "Mumford-Shah",
        Method(losses=(PartialCE(), MumfordShah())),
        note="Kim and Ye, IEEE TIP 2020",
    ),
    Row(
        "gated CRF",
        Method(losses=(PartialCE(), GatedCRF())),
        note="Obukhov et al., 2019; no mask",
        cost=1.1,
    ),
    Row(
        "intensity variance",
        Method(losses=(PartialCE(), IntensityVariance())),
        note="little variance within a class, much between, as meant and not as released",
    ),
    Row(
        "tree energy",
        Method(losses=(PartialCE(), TreeEnergy())),
        note="Liang et al., CVPR 2022",
        cost=1.5,
    ),
    Row(
        "USTM",
        Method(losses=(PartialCE(),), strategy=USTM()),
        note="mean teacher with uncertainty, Liu et al., Pattern Recognition 2022",
        cost=3.6,
    ),
    Row(
        "Scribble2Label",
        Method(losses=(PartialCE(),), strategy=Scribble2Label()),
        note="running pseudo-labels, Lee and Jeong, MICCAI 2020",
        cost=1.8,
    ),
    Row("DMPLS", DMPLS, note="two decoders, mixed hard labels, Luo et al., MICCAI 2022", cost=1.5),
    Row(
        "DMSPS, stage 1",
        DMSPS,
        note="two decoders, mixed soft labels, Han et al., MedIA 2024",
        cost=1.5,
    ),
    Row(
        "DMSPS",
        replace(DMSPS, first=FirstStage(method=DMSPS, pseudo_labels=Confident())),
        note="half of the steps for stage 1, half for stage 2 on its confident labels",
        cost=1.5,
    ),
    Row(
        "CycleMix",
        Method(losses=(PartialCE(),), strategy=CycleMix()),
        note="Zhang and Zhuang, CVPR 2022",
        cost=2.7,
    ),
    Row(
        "ShapePU",
        Method(losses=(PartialCE(),), strategy=ShapePU()),
        note="Zhang and Zhuang, MICCAI 2022",
        cost=2.1,
    ),
    Row(
        "PacingPseudo",
        Method(losses=(PartialCE(),), strategy=PacingPseudo()),
        note="Yang et al., Expert Systems with Applications 2024",
        cost=1.9,
    ),
    Row("pCE + masked CRF", Method(losses=(PartialCE(), MaskedCRF())), cost=1.1),
    Row(
        "pCE + attentive similarity",
        Method(attention=ATTENTION, losses=(PartialCE(), AttentiveSimilarity())),
        cost=1.3,
    ),
    Row(
        "AttenScribble",
        ATTENSCRIBBLE,
        note="the released configuration; its published tables could not be found",
        cost=1.4,
    ),
    Row(
        "AttenScribble, weights 0.03",
        Method(
            attention=ATTENTION,
            losses=(PartialCE(), MaskedCRF(weight=0.03), AttentiveSimilarity(weight=0.03)),
        ),
        note="both pairwise terms at 0.03 in place of the released 0.1",
        cost=1.4,
    ),
)
"""Rows that see strokes alone."""
