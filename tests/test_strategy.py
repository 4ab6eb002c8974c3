from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from tests.runs import CPU, tiny
from weakseg.data.dataset import Dataset
from weakseg.data.splits import split
from weakseg.losses import Entropy, PartialCE
from weakseg.method import FirstStage, Method
from weakseg.models import Network
from weakseg.results import read_csv
from weakseg.strategies import Companion, PacingPseudo, Task, TrainingSlices, predict_slices
from weakseg.train import fit_and_test
from weakseg.types import IGNORE_INDEX, Batch, Output, Share


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Counts the hooks and pulls an own parameter towards one."""

    def build(self, network: Network, task: Task) -> "Watcher":
        return Watcher(task)


class Watcher(Companion):
    calls: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__({"pull": 2.0})
        self.task = task
        self.register_buffer("calls", torch.zeros(3))
        self.pulled = torch.nn.Parameter(torch.zeros(()))

    def before_step(self, network: Network, step: int, slices: TrainingSlices) -> None:
        assert self.calls.tolist() == [step] * 3
        assert len(slices.image) == len(slices.label) == self.task.slices
        self.calls[0] += 1

    def terms(self, network: Network, out: Output, batch: Batch) -> dict[str, Share]:
        assert network.training and out.logits.shape[1] == self.task.classes
        self.calls[1] += 1
        return {"pull": Share((self.pulled - 1) ** 2, self.pulled.new_ones(()))}

    def after_step(self, network: Network, step: int) -> None:
        assert self.pulled.item() > 0
        self.calls[2] += 1


@dataclass(frozen=True, kw_only=True)
class Everything:
    """Pseudo-labels that trust every prediction and keep what was drawn."""

    def __call__(self, probs: Tensor, label: Tensor) -> Tensor:
        sure = probs.argmax(1).to(torch.uint8)
        return torch.where(label == IGNORE_INDEX, sure, label)


def fit(method: Method, phantom: Dataset, cache: Path, out: Path) -> Mapping[str, list[float]]:
    run = tiny(phantom, label="pCE", steps=4, interval=2)
    fit_and_test(
        method, run.budget, phantom, split(run.scheme, phantom.cases, run.fold),
        seed=0, out=out, cache=cache, compute=CPU,
    )  # fmt: skip
    curve = read_csv(out / "curve.csv")
    return {str(name): list(part["value"]) for name, part in curve.groupby("quantity")}


def test_a_companion_is_called_around_every_step_and_its_term_is_weighted(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    losses = tiny(phantom, label="pCE").method.losses
    curves = fit(Method(losses=losses, strategy=Watching()), phantom, cache, tmp_path)
    for total, own, pull in zip(*(curves[n] for n in ("loss", "partial_ce", "pull")), strict=True):
        assert total == pytest.approx(own + 2 * pull, abs=1e-5)
    assert 0 < curves["pull"][0] <= 1


def test_the_second_stage_learns_what_the_first_one_predicts(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    first = tiny(phantom, label="pCE").method
    method = replace(first, first=FirstStage(method=first, pseudo_labels=Everything()))
    fit(method, phantom, cache, tmp_path)
    assert (tmp_path / "first" / "labels.npy").exists()
    assert not list(tmp_path.glob("**/*.ckpt"))
    steps = [read_csv(path / "curve.csv")["step"].max() for path in (tmp_path, tmp_path / "first")]
    assert steps == [2, 2]


def test_mirrors_of_the_curves_see_the_steps_of_both_stages_in_a_row(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom, label="DMSPS", steps=4, interval=1)
    logger = CSVLogger(tmp_path, "mirror", "")
    steps: list[int] = []
    logger.log_metrics = lambda metrics, step=None: steps.append(step)  # type: ignore[assignment, arg-type, return-value]
    fit_and_test(
        run.method, run.budget, phantom, split(run.scheme, phantom.cases, run.fold),
        seed=0, out=tmp_path / "run", cache=cache, compute=CPU, loggers=(logger,),
    )  # fmt: skip
    assert steps == [1, 2, 3, 4]


def test_two_stages_need_two_intervals(phantom: Dataset, cache: Path, tmp_path: Path) -> None:
    run = tiny(phantom, label="pCE", steps=2, interval=2)
    method = replace(run.method, first=FirstStage(method=run.method, pseudo_labels=Everything()))
    with pytest.raises(ValueError, match="at least two intervals"):
        fit_and_test(
            method, run.budget, phantom, split(run.scheme, phantom.cases, run.fold),
            seed=0, out=tmp_path, cache=cache, compute=CPU,
        )  # fmt: skip


def test_predicting_slices_averages_full_heads_and_leaves_the_network_as_it_was() -> None:
    class TwoHeads(torch.nn.Module):
        def forward(self, image: Tensor) -> list[Tensor]:
            one = torch.cat([image, -image], dim=1)
            return [one, torch.zeros_like(one), one[..., ::2, ::2]]

    network = Network(TwoHeads()).train()
    image = torch.rand(5, 1, 4, 4)
    probs = predict_slices(network, image, batch=2)
    expected = (torch.cat([image, -image], dim=1).softmax(1) + 0.5) / 2
    assert torch.allclose(probs, expected)
    assert network.training


def test_a_first_stage_has_no_other_supervision_and_no_stage_before_it(phantom: Dataset) -> None:
    plain = tiny(phantom, label="pCE").method
    dense = replace(plain, supervision="dense")
    with pytest.raises(ValueError, match="the same supervision"):
        replace(plain, first=FirstStage(method=dense, pseudo_labels=Everything()))


def test_a_strategy_cannot_take_the_name_of_a_loss(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    losses = (PartialCE(), Entropy())
    with pytest.raises(ValueError, match="share \\['entropy'\\]"):
        fit(Method(losses=losses, strategy=PacingPseudo()), phantom, cache, tmp_path)


def test_cases_without_a_reference_are_told_before_training(
    phantom: Dataset, cache: Path, tmp_path: Path
) -> None:
    run = tiny(phantom, label="pCE", steps=2, interval=2)
    parts = split(run.scheme, phantom.cases, run.fold)
    bare = tuple(case._replace(reference=None) for case in parts.test)
    with pytest.raises(ValueError, match="have no reference: patient"):
        fit_and_test(
            run.method, run.budget, phantom, replace(parts, test=bare),
            seed=0, out=tmp_path, cache=cache, compute=CPU,
        )  # fmt: skip
    assert not (tmp_path / "curve.csv").exists()
