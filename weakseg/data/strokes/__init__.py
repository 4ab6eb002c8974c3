"""Generators of scribbles for dense references, one way of drawing a file."""

from weakseg.data.strokes.drawing import Strokes
from weakseg.data.strokes.interior import Interior
from weakseg.data.strokes.skeleton import Skeleton
from weakseg.data.strokes.spline import Spline
from weakseg.data.strokes.walk import Walk

__all__ = ["Interior", "Skeleton", "Spline", "Strokes", "Walk"]
