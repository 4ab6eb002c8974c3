"""What a table is: rows, columns, the protocol they are measured under, published numbers."""

import dataclasses
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from weakseg.data.augment import Augment, Augmentation
from weakseg.data.splits import Scheme
from weakseg.method import Method
from weakseg.online.method import OnlineMethod
from weakseg.results import Selection

Metric = Literal["dice", "hd95", "hd95_max", "assd", "missed", "spurious"]
AnyScheme = Scheme | Literal["stream"]
"""How cases are shared out: a split, or in the order in which they arrive on a stream."""

Plan = tuple[tuple[AnyScheme, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Column:
    """One measured quantity of a row.

    ``cls`` is a class name, or "mean": the mean over the classes of a case, then over cases. For
    the counts ``missed`` and ``spurious``, "all" is their sum over the classes.
    """

    metric: Metric
    cls: str = "mean"

    @property
    def is_count(self) -> bool:
        """True for ``missed`` and ``spurious``, which are summed and have no spread."""
        return self.metric in ("missed", "spurious")


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A published number with where it stands and how it was measured.

    ``value`` and ``spread`` are a fraction for Dice, mm for distances; ``source`` is paper and
    table, marked where it is second-hand; ``protocol`` is split, selection and whatever differs.
    """

    value: float
    source: str
    protocol: str
    spread: float | None = None
    column: Column = Column("dice", "mean")

    def __post_init__(self) -> None:
        if not (self.source and self.protocol):
            raise ValueError(f"a published number needs a source and a protocol, got {self}")
        if self.column.metric == "dice" and not 0 <= self.value <= 1:
            raise ValueError(f"a Dice score is a fraction, got {self.value}")


AnyMethod: TypeAlias = Method | OnlineMethod
M_co = TypeVar("M_co", bound=AnyMethod, covariant=True)


@dataclass(frozen=True)
class TableRow(Generic[M_co]):
    """One method of a table. Raise ``version`` when a fix changes its numbers.

    ``cost`` is the time of a run as a multiple of the table's plainest row, for estimates only.
    """

    label: str
    method: M_co
    note: str = ""
    reported: tuple[Reported, ...] = ()
    version: int = 1
    cost: float = 1.0


Row: TypeAlias = TableRow[Method]
StreamRow: TypeAlias = TableRow[OnlineMethod]
AnyRow: TypeAlias = TableRow[AnyMethod]


@dataclass(frozen=True, kw_only=True)
class EvalProtocol:
    """How predictions are made and scored; printed in the header of the table.

    ``selection`` is the checkpoint of the headline numbers; ``empty`` the rule for empty masks;
    ``interpolation`` how images reach the network's grid and predictions the native one.
    """

    selection: Selection = "last"
    empty: Literal["skip"] = "skip"
    interpolation: str = "images bilinear; probabilities bilinear, arg-max at native resolution"


@dataclass(frozen=True, kw_only=True)
class StreamData:
    """How the cases of a table are shared out that arrive one by one, as far as there are any.

    ``stream`` cases arrive, ``test`` cases are tested on after each of them, and ``pool`` cases
    come before the others in the shuffle and are left alone, as in the published split. ``region``
    is the part of an image that grids of short profiles cover, around its middle and ``extent``
    mm (z, y, x) long; it is found without the reference.
    """

    stream: int
    test: int
    pool: int = 0
    region: Literal["all", "nonzero", "centre"] = "all"
    extent: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a paper: ``rows`` are trained, ``columns`` are shown, for ``classes``.

    Without ``classes`` they are those of the data; see :meth:`of`. ``source`` names the data;
    ``plan`` the split schemes with all their folds, of which a profile takes its part; ``field``
    is the side of the central square that grids of short profiles cover, mm, None for the whole
    slice; ``effort`` the share of a short profile's steps that these data get; ``augment`` is
    done to the slices of rows that bring no augmentation of their own; ``references`` are the
    rows that the others are compared with; ``plain`` the row whose time is the unit; ``default``
    the rows that the shortest profile computes unless asked for more, none for all of them.
    ``stream`` shares the cases out where they arrive one by one, and is None elsewhere.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    protocol: EvalProtocol
    rows: tuple[AnyRow, ...]
    classes: tuple[str, ...]
    source: str
    plan: Plan
    field: float | None = 192.0
    effort: float = 1.0
    augment: Augmentation = dataclasses.field(default_factory=Augment)
    references: tuple[str, ...] = ()
    plain: str = "pCE"
    default: tuple[str, ...] = ()
    stream: StreamData | None = None

    def __post_init__(self) -> None:
        labels = [row.label for row in self.rows]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"table {self.name}: rows must have different labels, got {twice}")
        for label in (*self.references, *self.default):
            if label not in labels:
                raise ValueError(f"table {self.name}: no row {label!r} among {labels}")
        for column in self.columns:
            known = (*self.classes, "all" if column.is_count else "mean")
            if column.cls not in known:
                raise ValueError(f"table {self.name}: {column} must be of one of {known}")

    def of(self, classes: tuple[str, ...]) -> "Table":
        """Return the table, for the classes of the data where it has none of its own."""
        if self.classes:
            return self
        dice = tuple(Column("dice", cls) for cls in classes)
        return dataclasses.replace(self, classes=classes, columns=(*dice, *self.columns))
