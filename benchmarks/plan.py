"""From a table and a profile to runs, each with an identity that is its directory's name."""

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.profiles import Profile
from benchmarks.spec import AnyMethod, AnyRow, AnyScheme, Plan, Table
from weakseg.config import describe, identity, override
from weakseg.losses import Term
from weakseg.method import Budget, Method
from weakseg.online.method import OnlineMethod, StreamBudget

DONE, FAILED = "values.csv", "error.txt"


IDENTITY = ("method", "budget", "profile", "scheme", "fold", "seed", "content", "version")
"""What can change the result of a run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: a row on one fold with one seed under one budget on one content of data.

    The seed of a stream is also that of the order in which its cases arrive.
    """

    table: str
    row: str
    method: AnyMethod
    budget: Budget | StreamBudget
    profile: str
    scheme: AnyScheme
    fold: int
    seed: int
    data: str
    content: str
    version: int

    @property
    def id(self) -> str:
        """Hash of everything that can change the result; labels of table and row cannot."""
        return identity({key: getattr(self, key) for key in IDENTITY})

    def directory(self, root: Path) -> Path:
        """Return where the run is kept under ``root``."""
        return root / self.id

    def describe(self) -> dict[str, object]:
        """Return the whole configuration as plain values."""
        return {"run": self.id, **{k: describe(v) for k, v in vars(self).items()}}


def runs(
    table: Table,
    profile: Profile,
    rows: tuple[AnyRow, ...],
    data: str,
    content: str,
    plan: Plan | None = None,
) -> list[Run]:
    """Return rows x folds x seeds, the first fold of every row before the second of any.

    Args:
        table: what the rows belong to.
        profile: budget; adapted to the table here.
        rows: of the table.
        data: "real" or "phantom".
        content: hash of the data.
        plan: split schemes and folds in place of the profile's.
    """
    profile = profile.of(table)
    return [
        Run(
            table=table.name,
            row=row.label,
            method=_resized(row.method, profile),
            budget=profile.stream.budget(table.stream) if table.stream else profile.budget,
            profile=profile.name,
            scheme=scheme,
            fold=fold,
            seed=seed,
            data=data,
            content=content,
            version=row.version,
        )
        for seed in profile.seeds
        for scheme, folds in (profile.plan(table) if plan is None else plan)
        for fold in folds
        for row in rows
    ]


def _resized(method: AnyMethod, profile: Profile) -> AnyMethod:
    """Return a method at the profile's widths and windows."""
    if isinstance(method, OnlineMethod):
        return profile.stream.resized(method)
    return _resized_stages(method, profile)


def _resized_stages(method: Method, profile: Profile) -> Method:
    """Return a method at the profile's widths and windows, and so its first stage."""
    if method.first is not None:
        first = replace(method.first, method=_resized_stages(method.first.method, profile))
        method = replace(method, first=first)
    if profile.widths is not None:
        method = override(method, "network.widths", profile.widths)
    if profile.pairs is None:
        return method
    changes = {"radius": profile.pairs.radius, "sigma_xy": profile.pairs.sigma}
    changes["sigma"] = profile.pairs.sigma
    return replace(
        method,
        losses=tuple(_changed(term, changes) for term in method.losses),
        attention=method.attention and replace(method.attention, radius=profile.pairs.radius),
    )


def _changed(term: Term, changes: dict[str, float]) -> Term:
    """Replace the window of a term that has one."""
    if not hasattr(term, "radius"):
        return term
    known = {name: value for name, value in changes.items() if hasattr(term, name)}
    return replace(term, **known) if known else term  # type: ignore[type-var]
