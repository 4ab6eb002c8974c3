"""Writes a phantom: ``python -m weakseg.data.phantoms acdc ROOT --patients 30``."""

import sys
from collections.abc import Sequence
from pathlib import Path

import jsonargparse

from weakseg.data.phantoms import PHANTOMS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 after an impossible request."""
    parser = jsonargparse.ArgumentParser(
        prog="python -m weakseg.data.phantoms",
        description="Write a synthetic data set in the official layout of a real one.",
    )
    parser.add_argument("name", choices=sorted(PHANTOMS), help="whose layout")
    parser.add_argument("root", help="folder to write to; made where missing")
    parser.add_argument("--patients", type=int, default=30, help="number of patients")
    parser.add_argument("--matrix", type=int, help="rows and columns of all slices")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other patients")
    asked = parser.parse_args(arguments)
    try:
        PHANTOMS[asked.name](Path(asked.root), asked.patients, asked.matrix, asked.seed)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
