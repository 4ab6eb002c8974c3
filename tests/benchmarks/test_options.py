from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.options import chosen, parse_shard, pick_profile, planned, resolved
from benchmarks.profiles import PROFILES
from benchmarks.spec import Plan
from benchmarks.tables import TABLES
from weakseg.config import Compute
from weakseg.data.splits import Scheme

ACDC = TABLES["acdc"]
PLAN = PROFILES["paper"].plan(ACDC)


def machine(monkeypatch: pytest.MonkeyPatch, *, cores: int = 8, gpus: int = 0) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")


@pytest.mark.parametrize(
    ("gpus", "data", "profile", "why"),
    [
        (1, None, "paper", "Some GPU"),
        (1, Path("ACDC"), "paper", "Some GPU"),
        (0, Path("ACDC"), "cpu", "real data and no GPU"),
        (0, None, "quick", "no data given"),
    ],
)
def test_auto_goes_by_the_gpu_then_by_the_data(
    gpus: int, data: Path | None, profile: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, gpus=gpus)
    name, reason = pick_profile("auto", data)
    assert name == profile
    assert why in reason


def test_a_named_profile_is_taken_whatever_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpus=1)
    assert pick_profile("quick", None) == ("quick", "asked for")


def test_rows_are_labels_between_semicolons_in_the_order_of_the_table() -> None:
    wanted = "AttenScribble, weights 0.03 ;pCE;  AttenScribble"
    labels = [row.label for row in chosen(ACDC, wanted)]
    assert labels == ["pCE", "AttenScribble", "AttenScribble, weights 0.03"]
    assert chosen(ACDC, "all") == ACDC.rows


def test_a_mistyped_row_is_told_the_nearest_and_all_there_are() -> None:
    with pytest.raises(SystemExit) as error:
        chosen(ACDC, "pCE; pCE + maskd CRF")
    message = str(error.value)
    assert "no row 'pCE + maskd CRF'; did you mean 'pCE + masked CRF'?" in message
    assert all(f"\n  {row.label}" in message for row in ACDC.rows)


def test_a_row_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(SystemExit, match="no row '%'; rows:") as error:
        chosen(ACDC, "%")
    assert "did you mean" not in str(error.value)


def test_schemes_and_folds_replace_those_of_the_profile() -> None:
    assert planned(PLAN, None, ()) == PLAN
    assert planned(PLAN, "maag_35", ()) == (("maag_35", (1,)),)
    assert planned(PLAN, "five_fold", ()) == (("five_fold", (1, 2, 3, 4, 5)),)
    assert planned(PLAN, "stratified", (2, 4)) == (("stratified", (2, 4)),)
    assert planned(PLAN, None, (3,)) == (("five_fold", (3,)), ("stratified", (3,)))


def test_a_subset_is_taken_by_default_only_where_the_profile_says_so() -> None:
    table = replace(ACDC, default=("pCE", "AttenScribble"))
    assert [row.label for row in chosen(table, "default", subset=True)] == list(table.default)
    assert chosen(table, "all", subset=True) == table.rows
    assert chosen(table, "default") == table.rows


@pytest.mark.parametrize(
    ("scheme", "folds"), [("maag_35", (2,)), ("five_fold", (1, 6)), (None, (0,))]
)
def test_folds_a_scheme_does_not_have_are_refused(
    scheme: Scheme | None, folds: tuple[int, ...]
) -> None:
    with pytest.raises(SystemExit, match=r"has the folds \(1.*\), not \[[206]\]"):
        planned(PLAN, scheme, folds)


@pytest.mark.parametrize("shard", ["", "1", "4/4", "5/4", "-1/4", "0/0", "a/b", "1/2/3", "0 of 4"])
def test_what_is_no_shard_is_told_the_form(shard: str) -> None:
    with pytest.raises(SystemExit, match=r"such as 0/4; got") as error:
        parse_shard(shard)
    assert str(error.value).endswith(repr(shard))


def test_shards_together_are_the_whole() -> None:
    runs = list(range(10))
    parts = [runs[part::parts] for part, parts in map(parse_shard, ("0/3", "1/3", "2/3"))]
    assert sorted(run for part in parts for run in part) == runs


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("runs", [0, 1, 2, 10])
@pytest.mark.parametrize("jobs", [None, 1])
def test_jobs_and_threads_never_exceed_the_cores(
    cores: int, runs: int, jobs: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cores=cores)
    compute, found = resolved(Compute(), jobs, runs)
    assert compute.threads is not None
    assert 1 <= found <= max(1, min(runs, 4))
    assert 1 <= compute.threads * found <= cores
    assert compute.precision == "32-true"


def test_what_was_asked_for_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cores=4)
    compute, jobs = resolved(Compute(threads=3, precision="bf16-mixed"), 2, 10)
    assert (compute.threads, compute.precision, jobs) == (3, "bf16-mixed", 2)


def test_on_gpus_one_run_each_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cores=16, gpus=4)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    compute, jobs = resolved(Compute(), None, 10)
    assert (compute.threads, compute.precision, jobs) == (4, "bf16-mixed", 4)
    assert resolved(Compute(devices=2), None, 10)[1] == 2
    assert resolved(Compute(devices=8), None, 10)[1] == 1
    compute, jobs = resolved(Compute(accelerator="cpu"), None, 10)
    assert (compute.precision, jobs) == ("32-true", 4)


def test_a_stream_has_one_fold_and_no_other_scheme() -> None:
    stream: Plan = (("stream", (1,)),)
    assert planned(stream, None, (1,)) == stream
    with pytest.raises(SystemExit, match=r"stream has the folds \(1,\), not \[2\]"):
        planned(stream, None, (2,))
    with pytest.raises(SystemExit, match="--scheme official: the cases of this table stream"):
        planned(stream, "official", ())
