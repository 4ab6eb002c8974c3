"""Methods that need more than losses of one forward pass."""

from weakseg.strategies.pseudo_labels import PseudoLabels
from weakseg.strategies.strategy import Companion, Strategy, Task, TrainingSlices, predict_slices

__all__ = [
    "Companion",
    "PseudoLabels",
    "Strategy",
    "Task",
    "TrainingSlices",
    "predict_slices",
]
