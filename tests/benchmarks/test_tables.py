"""Every row of every table can be built, trained, and told from the others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.spec import Column, Row, Table
from benchmarks.tables import TABLES
from weakseg.config import identity
from weakseg.data.dataset import Dataset
from weakseg.data.phantoms import PHANTOMS
from weakseg.losses import Objective
from weakseg.models import Network
from weakseg.segmenter import Segmenter
from weakseg.train import build_network
from weakseg.types import IGNORE_INDEX, Batch

EVERY_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
DISTINCT = {
    identity(row.method): (table, row)
    for table in TABLES.values()
    for row in table.rows
    if table.stream is None
}
EVERY_ROW = pytest.mark.parametrize(
    ("table", "row"),
    [pytest.param(table, row, id=f"{table.name}: {row.label}") for table, row in DISTINCT.values()],
)


def tiny(table: Table, row: Row, phantom: Dataset) -> Run:
    (run,) = runs(table, PROFILES["tiny"], (row,), "phantom", phantom.content)
    return run


def batch(run: Run) -> Batch:
    """Two images with a box in each; as scribbles one row in four of them is labelled."""
    size = run.budget.grid.size
    label = torch.zeros(2, size, size, dtype=torch.int64)
    for cls, left in enumerate((4, 12, 20), start=1):
        label[:, 8:20, left : left + 6] = cls
    random = torch.Generator().manual_seed(0)
    image = 0.2 * label[:, None] + 0.3 * torch.rand(2, 1, size, size, generator=random)
    if run.method.supervision != "dense":
        kept = torch.arange(size)[:, None] % 4 == 0
        label = label.where(kept, IGNORE_INDEX)
    return Batch(image, label, ["one", "two"])


def objective(run: Run, network: Network) -> tuple[Tensor, dict[str, Tensor]]:
    terms = Objective(run.method.losses)
    shown = batch(run)
    torch.manual_seed(0)
    shares = terms(network(shown.image), shown)
    return terms.total(shares), {name: share.mean() for name, share in shares.items()}


@EVERY_ROW
def test_one_step_of_a_row_changes_every_weight_that_its_objective_reaches(
    table: Table, row: Row, phantom: Dataset
) -> None:
    run = tiny(table, row, phantom)
    network = build_network(run.method, run.budget, phantom, run.seed)
    module = Segmenter(
        network, Objective(run.method.losses), run.budget.optim,
        steps=run.budget.steps, seed=run.seed, classes=phantom.classes,
    )  # fmt: skip
    optimizer = module.configure_optimizers()["optimizer"]
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    total, terms = objective(run, network)
    total.backward()
    optimizer.step()
    assert set(terms) == {term.name for term in run.method.losses}
    assert all(torch.isfinite(value) and value >= 0 for value in terms.values())
    for name, value in network.named_parameters():
        assert torch.isfinite(value).all(), name
        reached = value.grad is not None and bool(value.grad.any())
        assert not (reached and torch.equal(value, before[name])), name
    changed = {n for n, value in network.named_parameters() if not torch.equal(value, before[n])}
    assert next(iter(before)) in changed  # the first layer of the encoder
    assert len(changed) > len(before) / 2


@EVERY_ROW
def test_terms_of_a_row_are_finite_in_half_precision(
    table: Table, row: Row, phantom: Dataset
) -> None:
    run = tiny(table, row, phantom)
    network = build_network(run.method, run.budget, phantom, run.seed)
    exact, _ = objective(run, network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, terms = objective(run, network)
    total.backward()
    assert total.dtype == torch.float32
    assert all(torch.isfinite(value) for value in terms.values())
    assert total.item() == pytest.approx(exact.item(), rel=0.05)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@EVERY_ROW
def test_only_rows_that_use_attention_have_parameters_of_it(
    table: Table, row: Row, phantom: Dataset
) -> None:
    run = tiny(table, row, phantom)
    network = build_network(run.method, run.budget, phantom, run.seed)
    uses = any(term.name == "attentive_similarity" for term in row.method.losses)
    assert bool(network.attention_parameters()) == uses


@EVERY_TABLE
def test_rows_have_labels_and_methods_of_their_own(table: Table, phantom: Dataset) -> None:
    labels = [row.label for row in table.rows]
    assert len(set(labels)) == len(labels)
    assert all(label == label.strip() != "" for label in labels)
    assert len({identity(row.method) for row in table.rows}) == len(labels)


@EVERY_TABLE
@pytest.mark.parametrize("profile", PROFILES)
def test_runs_of_a_plan_have_identities_of_their_own(
    profile: str, table: Table, phantom: Dataset
) -> None:
    plan = runs(table, PROFILES[profile], table.rows, "phantom", phantom.content)
    folds = sum(len(folds) for _, folds in PROFILES[profile].plan(table))
    assert len(plan) == len(table.rows) * folds * len(PROFILES[profile].of(table).seeds)
    assert len({run.id for run in plan}) == len(plan)


@EVERY_TABLE
def test_a_table_is_kept_under_its_name(table: Table) -> None:
    assert TABLES[table.name] is table


@EVERY_ROW
def test_published_numbers_say_where_they_stand_and_how_they_were_measured(
    table: Table, row: Row
) -> None:
    for number in row.reported:
        assert number.source.strip()
        assert number.protocol.strip()
        assert number.column in table.columns
        if number.column.metric == "dice":
            assert 0 < number.value <= 1


@EVERY_TABLE
def test_the_classes_of_a_table_are_those_of_its_data_or_left_to_them(
    table: Table, phantom_of: Callable[[str], Dataset]
) -> None:
    if table.source in PHANTOMS:
        assert table.classes == phantom_of(table.source).classes
    else:
        assert not table.classes
        assert table.of(("liver",)).columns[0] == Column("dice", "liver")
