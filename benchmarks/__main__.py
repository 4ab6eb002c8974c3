"""Command line: ``python -m benchmarks {run,status,render,audit}``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from jsonargparse import auto_cli
from rich.console import Console
from rich.markup import escape

from benchmarks import propagation
from benchmarks.audit import audit
from benchmarks.dispatch import dispatch
from benchmarks.estimate import seconds_for
from benchmarks.options import chosen, numbers, parse_shard, pick_profile, planned, resolved
from benchmarks.plan import DONE, runs
from benchmarks.profiles import PROFILES, Profile
from benchmarks.progress import clock
from benchmarks.publish import known_runs, publish, rerender, write_index
from benchmarks.runner import PREEMPTED
from benchmarks.source import dataset
from benchmarks.spec import Plan, Table
from benchmarks.tables import TABLES
from weakseg.config import Compute
from weakseg.data.dataset import Dataset
from weakseg.data.scribblers import SCRIBBLERS
from weakseg.data.splits import Scheme

if TYPE_CHECKING:
    TableName = str
    AnyTable = str
    ScribblerName = str
    ProfileName = str
else:  # the command line offers and checks the names there are
    TableName = Literal[tuple(TABLES)]
    AnyTable = Literal[("all", *TABLES)]
    ScribblerName = Literal[tuple(SCRIBBLERS)]
    ProfileName = Literal[("auto", *PROFILES)]


def run(
    table: TableName,
    data: Path | None = None,
    profile: ProfileName = "auto",
    rows: str = "default",
    scheme: Scheme | None = None,
    folds: str = "",
    seeds: str = "",
    jobs: int | None = None,
    shard: str = "0/1",
    scribbles: ScribblerName | None = None,
    compute: Compute = Compute(),  # noqa: B008
    home: Path = Path(),
    results: Path = Path("results"),
) -> None:
    """Compute a table, or finish it, and render it.

    Args:
        table: name of the table.
        data: the official download; without it a phantom stands in.
        profile: budget; auto is paper on a GPU, else cpu on real data and quick on phantoms.
        rows: labels of the rows to compute, separated by semicolons, or all; default leaves out
            the longer ones of a large table where the profile is quick.
        scheme: split scheme in place of the profile's.
        folds: folds in place of the profile's, such as 1,2.
        seeds: seeds in place of the profile's, such as 0,1,2.
        jobs: runs computed at once; by default one per GPU, or one per core (at most 4).
        shard: i/n computes every n-th run from the i-th, for job arrays.
        scribbles: draws strokes into data that come without: interior curves, skeletons, random
            walks or splines.
        compute: accelerator, devices and precision of one run.
        home: folder that holds runs/ and data/.
        results: folder of the rendered tables.
    """
    console = Console(soft_wrap=True)
    chosen_table = TABLES[table]
    name, why = pick_profile(profile, data)
    budget = PROFILES[name].seeded(numbers(seeds, "--seeds"))
    wanted = chosen(chosen_table, rows, budget.subset)
    plan = planned(budget.plan(chosen_table), scheme, numbers(folds, "--folds"))
    part, parts = parse_shard(shard)
    sized = budget.of(chosen_table)
    introduce(chosen_table, sized, why, console)
    source = prepared(chosen_table.source, data, sized, home / "data", console, scribbles)
    kind = "phantom" if source.synthetic else "real"
    todo = runs(chosen_table, budget, wanted, kind, source.content, plan)[part::parts]
    if not todo:
        console.print(f"  shard {shard} holds none of the runs: nothing to do")
        sys.exit(0)
    root, cache = home / "runs", home / "data" / "cache"
    left = [r for r in todo if not (r.directory(root) / DONE).exists()]
    compute, jobs = resolved(compute, jobs, len(left))
    code = 0
    if left:
        guess = seconds_for(left, {row.label: row.cost for row in wanted}, source, jobs, compute)
        todo_told = f"{len(left)} of {len(todo)} runs to do, {jobs} at once"
        console.print(f"  {kind} data, {told(plan)}; {todo_told}")
        more = len(chosen_table.rows) - len(wanted) if rows == "default" else 0
        foretell(guess, more, root, console)
        code = dispatch(
            todo, source.root, root=root, cache=cache, compute=compute, jobs=jobs,
            console=console, guess=guess,
        )  # fmt: skip
    if code != PREEMPTED and known_runs(chosen_table, root):
        folder = publish(chosen_table, name, kind, source, root, results)
        write_index(TABLES, results)
        console.print(f"table:   {folder / 'table.md'}\npage:    {folder / 'table.html'}")
    sys.exit(code)


def told(plan: Plan) -> str:
    """Return split schemes and their folds in words."""
    return ", ".join(f"{scheme} {folds}" for scheme, folds in plan)


def introduce(table: Table, profile: Profile, why: str, console: Console) -> None:
    """Say what will be computed under which budget, why that one, and how to choose another."""
    name = profile.name
    console.print(f"[bold]{table.title}[/], profile [bold]{name}[/] ({why}): {profile.about}")
    others = ", ".join(other for other in PROFILES if other != name)
    console.print(
        f"  for another budget: PROFILE=... or --profile, one of {others}", highlight=False
    )


def foretell(seconds: float, more: int, root: Path, console: Console) -> None:
    """Say how long it will take, what is left out, and where the workers write."""
    if more:
        console.print(f"  {more} further rows are computed with ROWS=all or --rows all")
    about = "under a minute" if seconds < 60 else f"about {clock(seconds)}"
    console.print(f"  {about} on this machine; stop any time, the same command goes on")
    console.print(f"  the workers write to {escape(str(root / 'worker-*.log'))}")


def prepared(
    source: str,
    data: Path | None,
    profile: Profile,
    folder: Path,
    console: Console,
    scribbles: str | None = None,
) -> Dataset:
    """Return a source's data, or end with the reason why they cannot be used."""
    data = data and data.expanduser()
    if data is not None and not data.is_dir():
        raise SystemExit(f"DATA (--data): there is no folder {data}")
    try:
        return dataset(source, data, profile, folder, console, scribbles)
    except (FileNotFoundError, ValueError) as error:
        console.print(f"[red]the data cannot be used:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)


def status(table: AnyTable = "all", home: Path = Path()) -> None:
    """List the runs of a table, or of all: done, failed, interrupted or running.

    Args:
        table: name of the table.
        home: folder that holds runs/.
    """
    columns = ["run", "data", "profile", "row", "scheme", "fold", "seed", "status", "seconds"]
    console = Console(soft_wrap=True)
    for each in _tables(table):
        records = known_runs(each, home / "runs")
        frame = pd.DataFrame(records, columns=columns).sort_values(columns[1:7])
        console.print(f"[bold]{each.title}[/]: {'no runs yet' if not records else len(records)}")
        if records:
            console.print(frame.to_string(index=False))


def render(table: AnyTable = "all", results: Path = Path("results")) -> None:
    """Render every committed result of a table, or of all, again, from the CSV files alone.

    Args:
        table: name of the table.
        results: folder of the rendered tables.
    """
    console = Console(soft_wrap=True)
    for each in _tables(table):
        for folder in rerender(each, results):
            console.print(f"rendered {folder / 'table.md'}")
    if (place := propagation.rerender(results)) is not None:
        console.print(f"rendered {place / 'table.md'}")
    console.print(f"rendered {write_index(TABLES, results)}")


def check(results: Path = Path("results"), home: Path = Path()) -> None:
    """Check every committed number against its per-case values, its record and today's tables.

    Args:
        results: folder of the rendered tables.
        home: folder that holds data/, to tell whether the data have changed.
    """
    found = audit(TABLES, results, home / "data" / "prepared")
    console = Console(soft_wrap=True)
    for finding in found.findings:
        console.print(
            f"[red]{finding.severity}[/] {finding.folder}: {escape(finding.text)}", highlight=False
        )
    console.print(found.summary)
    sys.exit(int(bool(found.findings)))


def _tables(name: str) -> list[Table]:
    return list(TABLES.values()) if name == "all" else [TABLES[name]]


if __name__ == "__main__":
    auto_cli(
        {"run": run, "status": status, "render": render, "audit": check},
        as_positional=True,
        prog="python -m benchmarks",
    )
