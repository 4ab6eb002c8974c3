"""Budgets as data: what every row of a table gets alike, by the machine it runs on."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from benchmarks.spec import Plan, StreamData, Table
from benchmarks.stream_profiles import RELEASED, StreamProfile
from weakseg.config import Optim
from weakseg.data.grid import Grid
from weakseg.method import Budget

ADAMW = Optim(name="adamw", lr=2e-3, weight_decay=1e-4)
HALF = (8, 16, 32, 64, 128)
FIELD: Final = 192.0
"""Side of the square, mm, that the grids below are written for."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Size of the pairwise terms' windows, in pixels for the CRF and cells for the similarity.

    The released radius 5 and sigma 6 hold where the whole field of view, about 350 mm, is 256
    pixels. On a coarser grid the same numbers reach further into the body, where most pairs of a
    window are of different classes even in the true segmentation, and giving up classes becomes
    cheaper than drawing them. A profile with another pixel size therefore keeps the physical
    size of the windows, in whole pixels.
    """

    radius: int
    sigma: float

    def scaled(self, factor: float) -> "Pairs":
        """Return the windows for pixels that are ``1 / factor`` times as wide."""
        return Pairs(radius=max(1, round(self.radius * factor)), sigma=self.sigma * factor)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One budget, for a data set the size of ACDC and a field of 192 mm; see :meth:`of`.

    ``stream`` is the budget of tables whose cases arrive one by one.

    ``folds`` says whether all folds of all split schemes of a table are computed, the first fold
    of each, or the first of the table's last scheme. ``widths`` replaces the network's widths and
    ``pairs`` the windows of the pairwise terms, None leaves them; ``subset`` takes a table's
    default rows unless others are asked for; ``patients`` and ``matrix`` size the phantom that
    stands in for missing data (``matrix`` pixels in plane, None for the sizes scanners use).
    Without ``seeds`` there is one, 0, or those of the stream's orders.
    """

    name: str
    about: str
    budget: Budget
    stream: StreamProfile = field(default_factory=StreamProfile)
    folds: Literal["all", "first", "one"] = "one"
    seeds: tuple[int, ...] = ()
    widths: tuple[int, ...] | None = None
    pairs: Pairs | None = None
    subset: bool = False
    patients: int = 30
    matrix: int | None = None

    def plan(self, table: Table) -> Plan:
        """Return the split schemes and folds of a table that this profile computes."""
        if self.folds == "all":
            return table.plan
        first = tuple((scheme, folds[:1]) for scheme, folds in table.plan)
        return first if self.folds == "first" else first[-1:]

    def seeded(self, seeds: tuple[int, ...]) -> "Profile":
        """Return the profile with other seeds, unless none are given."""
        return replace(self, seeds=seeds) if seeds else self

    def of(self, table: Table) -> "Profile":
        """Return the profile for a table: its seeds, steps, field, augmentation and phantom."""
        if table.stream is not None:
            return self._of_stream(table.stream)
        budget, factor = self.budget, FIELD / (table.field or FIELD)
        interval, grid = budget.interval, budget.grid
        if grid.spacing is not None:
            interval = max(1, round(interval * table.effort))
            grid = replace(grid, spacing=grid.spacing / factor if table.field else None)
        steps = interval * (budget.steps // budget.interval)
        pairs = self.pairs and (self.pairs if factor == 1 else self.pairs.scaled(factor))
        budget = replace(budget, grid=grid, steps=steps, interval=interval, augment=table.augment)
        return replace(self, pairs=pairs, budget=budget, seeds=self.seeds or (0,))

    def _of_stream(self, data: StreamData) -> "Profile":
        budget = self.stream.budget(data)
        return replace(
            self,
            about=self.stream.about(budget),
            seeds=self.seeds or self.stream.orders,
            patients=budget.pool + budget.stream + budget.test,
            matrix=self.stream.matrix,
        )


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="paper",
            about="the budget of the released code: 60,000 steps of 12 slices at 256 x 256",
            budget=Budget(grid=Grid(), batch=12, steps=60_000, interval=2_000, optim=Optim()),
            stream=StreamProfile(orders=(1, 2, 3), optim=RELEASED),
            folds="all",
        ),
        Profile(
            name="gpu",
            about="a tenth of the paper's steps",
            budget=Budget(grid=Grid(), batch=12, steps=6_000, interval=500, optim=Optim()),
            stream=StreamProfile(updates=50, optim=RELEASED),
            folds="first",
        ),
        Profile(
            name="cpu",
            about="real data on two cores: the central part at 96 x 96, 1,000 steps of 8 slices; "
            "some hours for all rows",
            budget=Budget(
                grid=Grid(size=96, spacing=2.0), batch=8, steps=1_000, interval=250, optim=ADAMW
            ),
            stream=StreamProfile(stream=64, test=16, size=(24, 32, 24), width=8, updates=25),
            pairs=Pairs(radius=3, sigma=4.0),
        ),
        Profile(
            name="quick",
            about="phantoms on two cores: the central part at 64 x 64, 400 steps of 8 slices, half "
            "the widths; minutes",
            budget=Budget(
                grid=Grid(size=64, spacing=3.0), batch=8, steps=400, interval=100, optim=ADAMW
            ),
            stream=StreamProfile(
                stream=24, test=8, size=(16, 24, 16), width=8, updates=20, window=5, review=8
            ),
            widths=HALF,
            pairs=Pairs(radius=2, sigma=3.0),
            subset=True,
        ),
        Profile(
            name="tiny",
            about="a few steps for tests; its numbers mean nothing",
            budget=Budget(
                grid=Grid(size=32, spacing=6.0), batch=2, steps=4, interval=2, optim=ADAMW
            ),
            stream=StreamProfile(
                stream=3,
                test=2,
                size=(16, 16, 16),
                width=4,
                updates=2,
                window=2,
                review=2,
                matrix=32,
            ),
            widths=(4, 4, 4, 8, 8),
            pairs=Pairs(radius=1, sigma=1.5),
            patients=10,
            matrix=64,
        ),
    )
}
