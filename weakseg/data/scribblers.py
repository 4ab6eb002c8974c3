"""Scribble generators by name, and what their strokes are like.

``python -m weakseg.data.scribblers interior PATH...`` draws strokes into the references of prepared
data sets, or of NIfTI label maps, and prints their statistics; ``drawn`` in place of a name
measures the strokes that prepared data come with. Nothing is written.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import jsonargparse
import numpy as np
from numpy.typing import NDArray

from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.strokes import Interior, Skeleton, Spline, Strokes, Walk
from weakseg.data.strokes.statistics import Volume, statistics, text
from weakseg.seeding import seed_from
from weakseg.types import IGNORE_INDEX


class Scribbler(Protocol):
    """Draws strokes into a dense reference; a frozen configuration."""

    def __call__(
        self, reference: NDArray[np.uint8], spacing: tuple[float, float, float], seed: int
    ) -> NDArray[np.uint8]:
        """Return uint8 [D, H, W], ``IGNORE_INDEX`` where undrawn.

        Args:
            reference: uint8 [D, H, W], 0 for background.
            spacing: voxel size (z, y, x), mm.
            seed: the strokes are a function of the configuration and the arguments only.
        """


SCRIBBLERS: Final[Mapping[str, type[Strokes]]] = MappingProxyType(
    {"interior": Interior, "skeleton": Skeleton, "walk": Walk, "spline": Spline}
)
"""Every generator that can be chosen by name."""


def volumes(path: Path, scribbler: Scribbler | None) -> Iterator[Volume]:
    """Yield references with strokes: those of a scribbler, or the drawn ones.

    Args:
        path: a prepared data set, or, with a scribbler, a NIfTI label map.
        scribbler: draws strokes as preparing does; None takes the strokes there are.

    Raises:
        FileNotFoundError: no such file, or no prepared data set.
        ValueError: drawn strokes are asked of a label map, or a file is damaged.
    """
    if path.is_file():
        if scribbler is None:
            raise ValueError(f"{path} is no prepared data set; expected one with drawn strokes")
        labels = nifti.read_labels(path, range(IGNORE_INDEX))
        seed = seed_from("strokes", path.name)
        yield labels.array, scribbler(labels.array, labels.spacing, seed), labels.spacing
        return
    dataset = Dataset.open(path)
    for case in dataset.cases:
        if case.reference is None or (scribbler is None and case.scribble is None):
            continue
        sample = dataset.load(case)
        strokes = sample.scribble
        if scribbler is not None and sample.reference is not None:
            seed = seed_from("strokes", case.name)
            strokes = scribbler(sample.reference, sample.spacing, seed)
        if sample.reference is not None and strokes is not None:
            yield sample.reference, strokes, sample.spacing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 after an error that concerns the data."""
    parser = jsonargparse.ArgumentParser(
        prog="python -m weakseg.data.scribblers",
        description="Draw strokes into dense references and print what they are like.",
    )
    ways = parser.add_subcommands(dest="way")
    for name in (*SCRIBBLERS, "drawn"):
        way = jsonargparse.ArgumentParser()
        way.add_argument("paths", nargs="+", help="prepared data sets, or label maps (NIfTI)")
        if name in SCRIBBLERS:
            way.add_class_arguments(SCRIBBLERS[name])
        ways.add_subcommand(name, way)
    asked = parser.parse_args(arguments)
    options = asked[asked.way]
    try:
        scribbler = None
        if asked.way in SCRIBBLERS:
            kind = SCRIBBLERS[asked.way]
            scribbler = kind(**{field.name: options[field.name] for field in fields(kind)})
        for path in map(Path, options.paths):
            names = None if path.is_file() else ("background", *Dataset.open(path).classes)
            table = statistics(volumes(path, scribbler), names)
            sys.stdout.write(f"{path}\n\n{text(table)}\n\n")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
