"""Losses: pure functions, and the terms an objective is made of."""

from weakseg.losses.attentive_similarity import AttentiveSimilarity, attentive_similarity
from weakseg.losses.deep_supervision import DeepSupervision
from weakseg.losses.dense import Dice
from weakseg.losses.entropy import Entropy
from weakseg.losses.gated_crf import GatedCRF
from weakseg.losses.intensity_variance import IntensityVariance
from weakseg.losses.masked_crf import MaskedCRF, masked_crf
from weakseg.losses.mixed_pseudo_labels import AuxiliaryPartialCE, MixedPseudoLabels
from weakseg.losses.mumford_shah import MumfordShah
from weakseg.losses.partial_ce import PartialCE, partial_cross_entropy
from weakseg.losses.partial_dice import PartialDice
from weakseg.losses.terms import Objective, Term
from weakseg.losses.total_variation import TotalVariation
from weakseg.losses.tree_energy import TreeEnergy

__all__ = [
    "AttentiveSimilarity",
    "AuxiliaryPartialCE",
    "DeepSupervision",
    "Dice",
    "Entropy",
    "GatedCRF",
    "IntensityVariance",
    "MaskedCRF",
    "MixedPseudoLabels",
    "MumfordShah",
    "Objective",
    "PartialCE",
    "PartialDice",
    "Term",
    "TotalVariation",
    "TreeEnergy",
    "attentive_similarity",
    "masked_crf",
    "partial_cross_entropy",
]
