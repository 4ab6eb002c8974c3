"""Parts of a document, which Markdown and HTML write each in its own way."""

from typing import NamedTuple, TypeAlias

import pandas as pd


class Heading(NamedTuple):
    """A heading; level 1 is the document's title."""

    text: str
    level: int


class Text(NamedTuple):
    """A paragraph. ``**strong**`` and ``[links](target)`` are as in Markdown."""

    text: str


class Items(NamedTuple):
    """A list of lines of text, with the same marks as ``Text``."""

    items: tuple[str, ...]


class Grid(NamedTuple):
    """A table of text, its index the first column; a line feed breaks the line in a cell."""

    frame: pd.DataFrame


class Picture(NamedTuple):
    """A figure: name of its file in the folder ``figures``, and what it shows."""

    file: str
    about: str


Block: TypeAlias = Heading | Text | Items | Grid | Picture
