"""Every row of every table of streams can be built, learns, and is told from the others."""

from dataclasses import replace

import pytest
import torch

from benchmarks.estimate import most_steps
from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES
from benchmarks.spec import StreamRow, Table
from benchmarks.stream_profiles import StreamProfile
from benchmarks.tables import TABLES
from benchmarks.tables.online_methods import BRATS, INTERACTIVE, NCI, ablation, rows
from weakseg.config import describe, identity
from weakseg.models import LightUNet
from weakseg.models.light_unet import LIGHT_DEPTHS
from weakseg.models.vnet import VNet
from weakseg.online.contrastive import Contrastive
from weakseg.online.method import OnlineMethod, StreamBudget, window_ends
from weakseg.online.run import build_stream_network

STREAMS = {name: table for name, table in TABLES.items() if table.stream is not None}
EVERY_STREAM = pytest.mark.parametrize("table", STREAMS.values(), ids=STREAMS.keys())
DISTINCT = {identity(row.method): (table, row) for table in STREAMS.values() for row in table.rows}
EVERY_ROW = pytest.mark.parametrize(
    ("table", "row"),
    [pytest.param(table, row, id=f"{table.name}: {row.label}") for table, row in DISTINCT.values()],
)
HIPPOCAMPUS = STREAMS["hippocampus-online"]


def made(table: Table, profile: str, row: StreamRow) -> Run:
    (run,) = runs(table, PROFILES[profile].seeded((1,)), (row,), "real", "c0ffee")
    return run


def budget(table: Table, profile: str) -> StreamBudget:
    return PROFILES[profile].stream.budget(table.stream)


@EVERY_ROW
def test_one_step_of_a_row_changes_its_network_by_every_term(table: Table, row: StreamRow) -> None:
    run = made(table, "tiny", row)
    network = build_stream_network(run.method, run.budget, 1, seed=1).train()
    torch.manual_seed(0)
    image = torch.randn(1, 1, 32, 32, 32)
    target = torch.zeros_like(image)
    target[..., 8:, 8:, 8:] = 1
    with torch.no_grad():
        teacher = network(image)
    for term in run.method.terms:
        network.zero_grad()
        loss = term(network(image), target, torch.ones_like(target), teacher)
        loss.backward()
        assert torch.isfinite(loss)
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert any(gradient.any() for gradient in gradients)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@EVERY_STREAM
def test_rows_of_a_stream_have_labels_and_methods_of_their_own(table: Table) -> None:
    assert len({row.label for row in table.rows}) == len(table.rows)
    assert len({identity(row.method) for row in table.rows}) == len(table.rows)
    assert all(isinstance(row.method, OnlineMethod) for row in table.rows)


@EVERY_STREAM
@pytest.mark.parametrize(("profile", "network"), [("paper", VNet()), ("quick", LightUNet())])
def test_all_rows_but_the_one_that_says_so_have_the_same_network_and_budget(
    table: Table, profile: str, network: VNet | LightUNet
) -> None:
    plan = runs(table, PROFILES[profile].seeded((1,)), table.rows, "real", "c0ffee")
    parts = {"distillation_head": False, "branch": False}
    others = [run for run in plan if not run.row.endswith("V-Net")]
    assert {replace(run.method.network, **parts) for run in others} == {network}
    assert len({run.budget for run in plan}) == 1


@EVERY_STREAM
def test_the_rows_that_are_named_apart_are_rows_of_the_table(table: Table) -> None:
    labels = {row.label for row in table.rows}
    assert {*table.references, table.plain} <= labels


def test_the_paper_budget_is_the_released_one() -> None:
    nci, brats = (budget(STREAMS[name], "paper") for name in ("nci-online", "brats-online"))
    assert (nci.pool, nci.stream, nci.test) == (0, 64, 16)
    assert (brats.pool, brats.stream, brats.test) == (117, 117, 40)
    for found in (nci, brats):
        assert (found.grid.size, found.grid.mode, found.grid.margin) == ((30, 55, 55), "parity", 10)
        assert (found.updates, found.window, found.gap, found.batch) == (150, 15, 1, 1)
        assert (found.split_seed, found.optim.name) == (42, "sgd")
        optim = (found.optim.lr, found.optim.momentum, found.optim.weight_decay)
        assert optim == (1e-3, 0.99, 5e-4)
    assert window_ends(nci.stream) == (44, 49, 54, 59, 64)
    assert window_ends(brats.stream) == (97, 102, 107, 112, 117)
    assert PROFILES["paper"].of(STREAMS["nci-online"]).seeds == (1, 2, 3)


@EVERY_STREAM
@pytest.mark.parametrize("profile", ["cpu", "quick", "tiny"])
def test_short_budgets_look_at_no_reference_and_cover_the_same_field(
    profile: str, table: Table
) -> None:
    found = budget(table, profile)
    assert found.grid.mode == "honest"
    assert found.grid.region == table.stream.region
    for cells, spacing, length in zip(
        found.grid.size, found.grid.spacing, table.stream.extent, strict=True
    ):
        assert cells * spacing == pytest.approx(length, abs=0.05)
    assert found.pool == 0


@EVERY_STREAM
@pytest.mark.parametrize("profile", PROFILES)
def test_the_phantom_of_a_stream_has_as_many_cases_as_the_budget_asks_for(
    profile: str, table: Table
) -> None:
    found = budget(table, profile)
    sized = PROFILES[profile].of(table)
    assert sized.patients == found.pool + found.stream + found.test
    assert sized.matrix == PROFILES[profile].stream.matrix


def test_seeds_that_are_asked_for_are_the_orders_of_arrival() -> None:
    plan = runs(HIPPOCAMPUS, PROFILES["paper"].seeded((7, 8)), HIPPOCAMPUS.rows[:1], "real", "c")
    assert [(run.scheme, run.fold, run.seed) for run in plan] == [
        ("stream", 1, 7), ("stream", 1, 8)
    ]  # fmt: skip
    assert PROFILES["paper"].of(TABLES["acdc"]).seeds == (0,)


def test_a_short_profile_takes_a_light_u_net_with_the_parts_of_the_v_net_it_replaces() -> None:
    light = StreamProfile(width=2)
    by_label = {row.label: row.method for row in HIPPOCAMPUS.rows}
    found = light.resized(by_label["MSMT"])
    assert found.network == LightUNet(widths=(2, 4, 8, 16), distillation_head=True, branch=True)
    depths = [term.layer for term in found.terms if isinstance(term, Contrastive)]
    assert depths == [LIGHT_DEPTHS[depth] for depth in ("enc", "neck", "neck2", "dec")]
    narrow = by_label[f"{INTERACTIVE}, V-Net"]
    assert light.resized(narrow) == narrow
    assert StreamProfile().resized(by_label["MSMT"]) == by_label["MSMT"]


def test_what_a_profile_says_of_itself_is_what_the_table_gets() -> None:
    paper, quick = (PROFILES[name].of(STREAMS["nci-online"]) for name in ("paper", "quick"))
    assert paper.about == (
        "64 cases arrive, 16 test; grids of 30 x 55 x 55 around the reference, as released; "
        "the released V-Net, 150 updates a case"
    )
    assert "of the image; a light U-Net" in quick.about


def test_the_baselines_are_those_of_the_released_scripts() -> None:
    nci = {row.label: row.method for row in rows(NCI)}
    brats = {row.label: row.method for row in rows(BRATS)}
    sizes = {label: nci[label].memory.size for label in ("fine tuning", "Mem2", "Mem4 + MSMT")}
    assert sizes == {"fine tuning": 0, "Mem2": 2, "Mem4 + MSMT": 4}
    assert nci["joint training"].memory.law == "all"
    assert _terms(nci["KD1"]) == [("distillation", 0.4, 2.0)]
    assert _terms(nci["KD2"]) == [("distillation", 0.4, 1.0)]
    assert _terms(nci["contrastive, enc"]) == [("contrastive_encoder_1", 0.2, 2.0)]
    assert _terms(brats["contrastive, enc"]) == [("contrastive_encoder_1", 0.1, 0.5)]
    assert [t[1:] for t in _terms(nci["MSMT"])] == [(0.4, 1.0), *[(0.1, 1.0)] * 4]
    assert [t[1:] for t in _terms(brats["MSMT"])] == [(0.4, 1.0), *[(0.1, 0.5)] * 3]
    assert (brats["MSMT"].network.distillation_head, brats["MSMT"].network.branch) == (False, False)
    assert (nci["MSMT"].network.distillation_head, nci["MSMT"].network.branch) == (True, True)


def _terms(method: OnlineMethod) -> list[tuple[str, float, float]]:
    return [(term.name, term.weight, term.temperature) for term in method.terms[1:]]


def test_an_ablation_changes_one_part_of_the_interactive_row() -> None:
    (whole,) = (row.method for row in rows(NCI) if row.label == INTERACTIVE)
    for row in ablation():
        fields = describe(whole)
        changed = {name for name, value in describe(row.method).items() if value != fields[name]}
        assert len(changed) == 1, row.label
        if changed == {"interaction"}:
            plan = describe(whole.interaction)
            other = describe(row.method.interaction)
            assert sum(plan[name] != other[name] for name in plan) == 1, row.label


def test_the_steps_of_ramped_rounds_are_foretold() -> None:
    by_label = {row.label: row for row in HIPPOCAMPUS.rows}
    plain, asked = (made(HIPPOCAMPUS, "cpu", by_label[n]) for n in ("fine tuning", INTERACTIVE))
    updates, length = plain.budget.updates, plain.budget.stream
    assert most_steps(plain) == plain.budget.steps == updates * length
    rounds = asked.method.interaction.stop.rounds
    assert rounds > 1
    steps = sum(updates * number // rounds for number in range(1, rounds + 1))
    assert most_steps(asked) == length * steps
