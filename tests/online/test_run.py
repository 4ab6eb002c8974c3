import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.online import streams
from weakseg.data.dataset import Dataset
from weakseg.data.stream_order import stream_order
from weakseg.online.run import arrange, stream_and_score

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streams.prepared(tmp_path_factory.mktemp("stream"))


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    for name in streams.METHODS:
        streams.run(data, root / name, name)
    return {name: root / name for name in streams.METHODS}


def process(data: Path, out: Path, name: str, at: int = 0, devices: int = 1, batch: int = 1) -> int:
    """Run a stream in a process of its own, which kills itself at an update; return its code."""
    asked = [str(data), str(out), name, str(at), str(devices), str(batch)]
    return subprocess.run(
        [sys.executable, "-m", "tests.online.streams", *asked], cwd=ROOT, check=False
    ).returncode


def rounds(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "rounds.csv")


def positions(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "positions.csv")


def test_cases_arrive_in_the_seeded_order(data: Path, done: dict[str, Path]) -> None:
    names = [case.name for case in Dataset.open(data).cases]
    order = stream_order(names, pool_a=0, pool_b=4, test=2, order_seed=1)
    assert tuple(positions(done["interactive"])["case"]) == order.stream
    values = pd.read_csv(done["interactive"] / "values.csv")
    assert set(values["case"]) == set(order.test)


@pytest.mark.parametrize("name", streams.METHODS)
def test_every_method_leaves_finite_scores(done: dict[str, Path], name: str) -> None:
    frame = positions(done[name])
    assert frame[["initial", "pre", "post", "best", "last", "test_soft"]].notna().all().all()
    assert (frame["full_boundary"] > 0).all()


@pytest.mark.parametrize(
    ("name", "at"),
    [("interactive", 8), ("interactive", 19), ("distilled", 27), ("full", 13), ("offline", 10)],
)
def test_f07_a_stream_killed_inside_a_round_ends_as_if_it_had_not_been(
    data: Path, done: dict[str, Path], tmp_path: Path, name: str, at: int
) -> None:
    assert process(data, tmp_path / "run", name, at) == -signal.SIGKILL
    assert not (tmp_path / "run" / "values.csv").exists()
    assert process(data, tmp_path / "run", name) == 0
    streams.assert_same_run(tmp_path / "run", done[name])


def test_f07_effort_grows_within_a_case_and_is_counted_once(done: dict[str, Path]) -> None:
    frame = rounds(done["interactive"])
    for _, case in frame.groupby("position"):
        assert (case["boundary"].diff().dropna() >= 0).all()
        assert list(case["round"]) == [1, 2, 3]
    last = frame.groupby("position").last()
    assert (last["boundary"].to_numpy() == positions(done["interactive"])["boundary"]).all()


def test_full_annotation_costs_what_it_is_said_to_cost(done: dict[str, Path]) -> None:
    frame = positions(done["full"])
    assert (frame["boundary"] == frame["full_boundary"]).all()
    assert (frame["proxy"] == 1).all()


def test_ramped_rounds_make_their_share_of_the_updates(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    learn = streams.InteractiveLearner.learn

    def counted(self, sample, number, updates):  # type: ignore[no-untyped-def]
        before = self.updates
        found = learn(self, sample, number, updates)
        made.append(self.updates - before)
        return found

    monkeypatch.setattr(streams.InteractiveLearner, "learn", counted)
    streams.run(data, tmp_path, "interactive")
    assert made == [2, 4, 6] * 4


def test_optimiser_state_carries_over_between_cases(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []
    position = streams.InteractiveLearner._log

    def noted(self, at):  # type: ignore[no-untyped-def]
        steps.append(float(next(iter(self._optimiser().state.values()))["step"]))
        position(self, at)

    monkeypatch.setattr(streams.InteractiveLearner, "_log", noted)
    streams.run(data, tmp_path, "interactive")
    assert steps == [12, 24, 36, 48]


def test_cold_starts_forget_weights_and_optimiser(done: dict[str, Path]) -> None:
    frame = positions(done["cold"])
    assert np.allclose(frame["pre"], frame["initial"])


def test_the_teacher_is_the_network_before_the_case(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    update, step = streams.InteractiveLearner._update, streams.InteractiveLearner._stream_step
    before: dict[str, torch.Tensor] = {}

    def stepped(self, case):  # type: ignore[no-untyped-def]
        before.clear()
        before.update({k: v.clone() for k, v in self.network.state_dict().items()})
        step(self, case)

    def updated(self, *args):  # type: ignore[no-untyped-def]
        found = update(self, *args)
        for teacher in self.teacher:
            same = all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
            seen.append((self.case.position, same))
        return found

    monkeypatch.setattr(streams.InteractiveLearner, "_update", updated)
    monkeypatch.setattr(streams.InteractiveLearner, "_stream_step", stepped)
    streams.run(data, tmp_path, "distilled")
    assert {at for at, _ in seen} == {2, 3, 4}
    assert all(same for _, same in seen)


def test_a_reference_reaches_only_the_user_and_the_scores(
    data: Path, done: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last case's reference changes everywhere but on the slices that were asked for."""
    import weakseg.online.run as module

    def changed(dataset, budget, seed, cache):  # type: ignore[no-untyped-def]
        cases = arrange(dataset, budget, seed, cache)
        kept = torch.load(tmp_path / "asked.pt", weights_only=False)
        volume = cases.stream[-1]
        reference = ~volume.reference
        reference[kept] = volume.reference[kept]
        reference[[0, -1]] = volume.reference[[0, -1]]
        return cases._replace(stream=[*cases.stream[:-1], volume._replace(reference=reference)])

    quiet = replace(streams.METHODS["interactive"], interaction=replace(streams.MARKED, ends=()))

    def go(out: Path) -> None:
        stream_and_score(
            quiet, streams.BUDGET, Dataset.open(data),
            seed=1, out=out, cache=data.parent / "cache", compute=streams.CPU,
        )  # fmt: skip

    drawn: dict[str, np.ndarray] = {}
    keep = streams.InteractiveLearner._stream_step

    def last(self, case):  # type: ignore[no-untyped-def]
        keep(self, case)
        drawn["slices"] = np.array(list(self.progress.annotation.slices(0)))

    monkeypatch.setattr(streams.InteractiveLearner, "_stream_step", last)
    go(tmp_path / "as it is")
    torch.save(drawn["slices"].tolist(), tmp_path / "asked.pt")
    monkeypatch.setattr(module, "arrange", changed)
    go(tmp_path / "changed")
    one, other = (
        torch.load(tmp_path / name / "last.pt", weights_only=True)
        for name in ("as it is", "changed")
    )
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    scores = [positions(tmp_path / name)["last"] for name in ("as it is", "changed")]
    assert scores[0].iloc[-1] != scores[1].iloc[-1]


def test_two_processes_end_where_one_does(data: Path, tmp_path: Path) -> None:
    for devices in (1, 2):
        out = tmp_path / str(devices)
        assert process(data, out, "full", devices=devices, batch=2) == 0
    one, two = (torch.load(tmp_path / str(n) / "last.pt", weights_only=True) for n in (1, 2))
    for key, value in one.items():
        torch.testing.assert_close(value, two[key], rtol=1e-4, atol=1e-6)
    frames = [positions(tmp_path / str(n)) for n in (1, 2)]
    np.testing.assert_allclose(frames[0]["test_soft"], frames[1]["test_soft"], atol=1e-4)
