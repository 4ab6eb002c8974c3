import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.runner import execute
from benchmarks.tables import TABLES
from tests.runs import CPU, differing, outcome, tiny
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import PHANTOMS
from weakseg.data.splits import split
from weakseg.method import Method
from weakseg.results import read_csv
from weakseg.train import build_network, fit_and_test

ROWS = [
    (table.name, row.label)
    for table in TABLES.values()
    for row in table.rows
    if table.source in PHANTOMS and table.stream is None
]


@pytest.mark.parametrize(("table", "label"), ROWS)
def test_every_row_trains_on_the_phantom_of_its_data_and_is_scored(
    table: str,
    label: str,
    phantom_of: Callable[[str], Dataset],
    cache: Path,
    tmp_path: Path,
) -> None:
    phantom = phantom_of(TABLES[table].source)
    run = tiny(phantom, label=label, steps=2, interval=1, table=table)
    assert execute(run, phantom, root=tmp_path, cache=cache, compute=CPU)
    out = run.directory(tmp_path)
    assert not (out / "error.txt").exists()
    parts = split(run.scheme, phantom.cases, run.fold)
    values = read_csv(out / "values.csv")
    lines = values.groupby(["selection", "split"]).size()
    classes = len(phantom.classes)
    assert lines.to_dict() == {
        ("last", "val"): len(parts.val) * classes,
        **{(s, "test"): len(parts.test) * classes for s in ("last", "best-val", "best-test")},
    }
    assert len(list((out / "predictions").iterdir())) == len(parts.test)
    curve = read_csv(out / "curve.csv")
    known = {*curve.loc[curve["split"] == "train", "quantity"]}
    named = {"loss", "lr", *(term.name for term in run.method.losses)}
    assert named < known if run.method.strategy else named == known
    assert np.isfinite(curve.loc[curve["split"] == "train", "value"]).all()
    if run.method.attention is not None:
        kept = curve[curve["quantity"].str.startswith("similarity/")]
        defined = kept[~kept["quantity"].str.endswith("correlation")]
        names = {q.rpartition("/")[2] for q in defined["quantity"]}
        assert {"mean", "std"} < names and names & {"w", "b"}
        assert np.isfinite(defined["value"]).all()
    record = json.loads((out / "run.json").read_text())
    assert (record["row"], record["status"], record["threads"]) == (label, "done", 1)
    assert not list(out.glob("*.ckpt"))


def test_initial_weights_depend_on_the_seed_and_hosts_are_alike(phantom: Dataset) -> None:
    plain, attended = (tiny(phantom, label=label) for label in ("pCE", "AttenScribble"))
    host = build_network(plain.method, plain.budget, phantom, seed=0).state_dict()
    other = build_network(plain.method, plain.budget, phantom, seed=1).state_dict()
    with_attention = build_network(attended.method, attended.budget, phantom, seed=0).state_dict()
    assert all(torch.equal(value, with_attention[name]) for name, value in host.items())
    assert any(not torch.equal(value, other[name]) for name, value in host.items())


def test_a_run_repeated_is_the_same_bit_by_bit(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom, steps=4, interval=2)
    for root in (tmp_path / "one", tmp_path / "other"):
        execute(run, phantom, root=root, cache=cache, compute=CPU)
    assert differing(outcome(run, tmp_path / "one"), outcome(run, tmp_path / "other")) == []


def test_selections_follow_the_curves(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    run = tiny(phantom, label="full supervision", steps=9, interval=3)
    run = replace(run, budget=replace(run.budget, batch=4))
    fit_and_test(
        run.method, run.budget, phantom, split(run.scheme, phantom.cases, run.fold),
        seed=run.seed, out=tmp_path, cache=cache, compute=CPU,
    )  # fmt: skip
    curve = read_csv(tmp_path / "curve.csv")
    dice = curve[curve["quantity"] == "dice"].set_index(["split", "step"])["value"]
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    for name in ("val", "test"):
        best = torch.load(tmp_path / f"best-{name}.pt", weights_only=True)
        same = all(torch.equal(value, last[key]) for key, value in best.items())
        assert same == (dice[name].idxmax() == 9)


def test_f25_budgets_and_methods_of_no_use_are_refused(phantom: Dataset) -> None:
    with pytest.raises(ValueError, match="steps must be a multiple of interval, got 5 and 2"):
        replace(tiny(phantom).budget, steps=5, interval=2)
    with pytest.raises(ValueError, match="at least one loss term"):
        Method(losses=())
