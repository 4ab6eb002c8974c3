from dataclasses import replace
from typing import Any, cast

import pytest

from benchmarks.plan import Run, runs
from benchmarks.profiles import PROFILES, Pairs, Profile
from benchmarks.spec import Plan, Row, Table
from benchmarks.tables import TABLES
from weakseg.config import override
from weakseg.losses import PartialCE, TreeEnergy
from weakseg.method import FirstStage
from weakseg.models import Affinity

ACDC = TABLES["acdc"]
BY_LABEL = {row.label: row for row in ACDC.rows}
ROW = BY_LABEL["AttenScribble"]
TINY = PROFILES["tiny"]


def plan(
    table: Table = ACDC,
    profile: Profile = TINY,
    row: Row = ROW,
    content: str = "c0ffee",
    fold: Plan = (("stratified", (1,)),),
) -> Run:
    (run,) = runs(table, profile, (row,), "phantom", content, fold)
    return run


def test_labels_of_table_and_row_are_no_part_of_the_identity() -> None:
    renamed = plan(replace(ACDC, name="other", title="Other"), row=replace(ROW, label="ours"))
    noted = plan(row=replace(ROW, note="a note", reported=()))
    assert renamed.row == "ours"
    assert renamed.id == noted.id == plan().id


@pytest.mark.parametrize(
    "other",
    [
        plan(profile=override(TINY, "budget.steps", 6)),
        plan(profile=override(TINY, "budget.optim.lr", 0.5)),
        plan(profile=replace(TINY, name="other")),
        plan(profile=replace(TINY, seeds=(1,))),
        plan(fold=(("stratified", (2,)),)),
        plan(fold=(("five_fold", (1,)),)),
        plan(content="decade"),
        plan(row=replace(ROW, version=2)),
        plan(row=replace(ROW, method=override(ROW.method, "losses.masked_crf.weight", 0.2))),
        plan(row=replace(ROW, method=override(ROW.method, "supervision", "dense"))),
    ],
    ids=[
        "steps",
        "lr",
        "profile",
        "seed",
        "fold",
        "scheme",
        "content",
        "version",
        "weight",
        "supervision",
    ],
)
def test_everything_that_can_change_the_result_changes_the_identity(other: Run) -> None:
    assert other.id != plan().id


def test_every_row_has_an_identity_of_its_own_under_every_profile() -> None:
    ids = [
        run.id
        for profile in PROFILES.values()
        for run in runs(ACDC, profile, ACDC.rows, "real", "c0ffee")
    ]
    assert len(set(ids)) == len(ids)


def test_all_rows_have_one_fold_before_any_has_two_and_one_seed_before_two() -> None:
    rows = (BY_LABEL["pCE"], ROW)
    folds: Plan = (("five_fold", (1, 2)), ("stratified", (1,)))
    todo = runs(ACDC, replace(TINY, seeds=(0, 1)), rows, "real", "c", folds)
    found = [(r.seed, r.scheme, r.fold, r.row) for r in todo]
    assert found == [
        (seed, scheme, fold, label)
        for seed in (0, 1)
        for scheme, fold in (("five_fold", 1), ("five_fold", 2), ("stratified", 1))
        for label in ("pCE", "AttenScribble")
    ]


def test_a_profile_sizes_the_network_and_the_windows_of_terms_and_attention() -> None:
    run = plan(profile=replace(TINY, widths=(2, 2, 2, 4, 4), pairs=Pairs(radius=4, sigma=4.5)))
    method = run.method
    assert method.network.widths == (2, 2, 2, 4, 4)
    assert method.attention is not None
    assert method.attention.radius == 4
    terms = {term.name: term for term in method.losses}
    assert terms["partial_ce"] == PartialCE()
    crf: Any = terms["masked_crf"]
    similarity: Any = terms["attentive_similarity"]
    assert (crf.radius, crf.sigma_xy, crf.sigma_intensity) == (4, 4.5, 0.1)
    assert (similarity.radius, similarity.sigma) == (4, 4.5)


@pytest.mark.parametrize("name", PROFILES)
def test_a_sigma_that_is_no_window_stays(name: str) -> None:
    (term,) = (t for t in plan(row=BY_LABEL["tree energy"], profile=PROFILES[name]).method.losses
               if t.name == "tree_energy")  # fmt: skip
    assert term == TreeEnergy()


def test_windows_of_a_row_without_attention_are_sized_too() -> None:
    assert plan(row=BY_LABEL["pCE"]).method.attention is None
    assert plan(row=BY_LABEL["pCE + masked CRF"]).method.losses[1].radius == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["paper", "gpu"])
@pytest.mark.parametrize("row", ACDC.rows, ids=lambda row: row.label)
def test_the_profiles_of_the_released_grid_change_nothing_in_a_row(name: str, row: Row) -> None:
    profile = PROFILES[name]
    for run in runs(ACDC, profile, (row,), "real", "c"):
        assert run.method == row.method
        assert run.budget == profile.budget


def test_profiles_take_their_part_of_the_folds_of_a_table() -> None:
    schemes = {name: profile.plan(ACDC) for name, profile in PROFILES.items()}
    assert schemes["paper"] == ACDC.plan
    assert schemes["gpu"] == (("five_fold", (1,)), ("stratified", (1,)))
    assert schemes["cpu"] == schemes["quick"] == schemes["tiny"] == (("stratified", (1,)),)


def test_a_smaller_data_set_gets_its_share_of_the_steps_and_as_many_evaluations() -> None:
    budget = plan(replace(ACDC, effort=0.4), PROFILES["cpu"]).budget
    assert (budget.steps, budget.interval) == (400, 100)
    budget = plan(replace(ACDC, effort=0.4), TINY).budget
    assert (budget.steps, budget.interval) == (2, 1)
    budget = plan(replace(ACDC, effort=0.4), PROFILES["paper"]).budget
    assert budget == PROFILES["paper"].budget


def test_a_wider_field_has_wider_pixels_and_windows_of_the_same_size_in_mm() -> None:
    run = plan(replace(ACDC, field=384.0), PROFILES["cpu"])
    assert run.budget.grid.spacing == 4.0
    crf: Any = {term.name: term for term in run.method.losses}["masked_crf"]
    assert (crf.radius, crf.sigma_xy) == (2, 2.0)
    assert plan(replace(ACDC, field=384.0), PROFILES["paper"]).budget.grid.spacing is None


def test_the_first_stage_of_a_method_is_sized_like_the_second() -> None:
    stages = FirstStage(method=ROW.method, pseudo_labels=cast(Any, Affinity()))
    run = plan(row=replace(ROW, method=replace(ROW.method, first=stages)))
    assert run.method.first is not None
    assert run.method.first.method == replace(run.method, first=None)


def test_the_record_of_a_run_spells_the_configuration_out() -> None:
    record = plan().describe()
    assert record["run"] == plan().id
    assert record["budget"]["steps"] == 4  # type: ignore[index]
    assert record["method"]["attention"]["radius"] == 1  # type: ignore[index]
