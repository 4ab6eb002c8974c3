"""Losses: pure functions, and the terms an objective is made of."""

from weakseg.losses.attentive_similarity import AttentiveSimilarity, attentive_similarity
from weakseg.losses.dense import Dice
from weakseg.losses.masked_crf import MaskedCRF, masked_crf
from weakseg.losses.partial_ce import PartialCE, partial_cross_entropy
from weakseg.losses.terms import Objective, Term

__all__ = [
    "AttentiveSimilarity",
    "Dice",
    "MaskedCRF",
    "Objective",
    "PartialCE",
    "Term",
    "attentive_similarity",
    "masked_crf",
    "partial_cross_entropy",
]
