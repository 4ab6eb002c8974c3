"""Budgets as data: what every row of a table gets alike, by the machine it runs on."""

from dataclasses import dataclass

from weakseg.config import Optim
from weakseg.data.grid import Grid
from weakseg.data.splits import Scheme
from weakseg.method import Budget

ADAMW = Optim(name="adamw", lr=2e-3, weight_decay=1e-4)
HALF = (8, 16, 32, 64, 128)


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


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One budget.

    ``plan`` lists split schemes with their folds; ``widths`` replaces the network's widths and
    ``pairs`` the windows of the pairwise terms, None leaves them; ``patients`` and ``matrix`` size
    the phantom that stands in for missing data (``matrix`` pixels in plane, None for the sizes
    scanners use).
    """

    name: str
    about: str
    budget: Budget
    plan: tuple[tuple[Scheme, tuple[int, ...]], ...]
    seeds: tuple[int, ...] = (0,)
    widths: tuple[int, ...] | None = None
    pairs: Pairs | None = None
    patients: int = 30
    matrix: int | None = None


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="paper",
            about="the budget of the released code: 60,000 steps of 12 slices at 256 x 256",
            budget=Budget(grid=Grid(), batch=12, steps=60_000, interval=2_000, optim=Optim()),
            plan=(("five_fold", (1, 2, 3, 4, 5)), ("stratified", (1, 2, 3, 4, 5))),
        ),
        Profile(
            name="gpu",
            about="a tenth of the paper's steps",
            budget=Budget(grid=Grid(), batch=12, steps=6_000, interval=500, optim=Optim()),
            plan=(("five_fold", (1,)), ("stratified", (1,))),
        ),
        Profile(
            name="cpu",
            about="real data on two cores: the central 192 mm at 2 mm, 1,000 steps of 8 slices; "
            "about an hour",
            budget=Budget(
                grid=Grid(size=96, spacing=2.0), batch=8, steps=1_000, interval=250, optim=ADAMW
            ),
            plan=(("five_fold", (1,)), ("stratified", (1,))),
            pairs=Pairs(radius=3, sigma=4.0),
        ),
        Profile(
            name="quick",
            about="phantoms on two cores: the central 192 mm at 3 mm, half the widths; "
            "about five minutes",
            budget=Budget(
                grid=Grid(size=64, spacing=3.0), batch=8, steps=400, interval=100, optim=ADAMW
            ),
            plan=(("stratified", (1,)),),
            widths=HALF,
            pairs=Pairs(radius=2, sigma=3.0),
        ),
        Profile(
            name="tiny",
            about="a few steps for tests; its numbers mean nothing",
            budget=Budget(
                grid=Grid(size=32, spacing=6.0), batch=2, steps=4, interval=2, optim=ADAMW
            ),
            plan=(("stratified", (1,)),),
            widths=(4, 4, 4, 8, 8),
            pairs=Pairs(radius=1, sigma=1.5),
            patients=10,
            matrix=64,
        ),
    )
}
