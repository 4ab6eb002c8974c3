"""Methods that need more than losses of one forward pass."""

from weakseg.strategies.cyclemix import CycleMix
from weakseg.strategies.pacing_pseudo import PacingPseudo
from weakseg.strategies.pseudo_labels import Confident, PseudoLabels
from weakseg.strategies.scribble2label import Scribble2Label
from weakseg.strategies.shapepu import ShapePU
from weakseg.strategies.strategy import Companion, Strategy, Task, TrainingSlices, predict_slices
from weakseg.strategies.ustm import USTM

__all__ = [
    "Companion",
    "Confident",
    "CycleMix",
    "PacingPseudo",
    "PseudoLabels",
    "Scribble2Label",
    "ShapePU",
    "Strategy",
    "Task",
    "TrainingSlices",
    "USTM",
    "predict_slices",
]
