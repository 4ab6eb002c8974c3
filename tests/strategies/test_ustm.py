import math

import pytest
import torch
from torch import Tensor, nn

from weakseg.models import Network
from weakseg.strategies import USTM, Task
from weakseg.strategies.schedule import ramp
from weakseg.strategies.ustm import Teacher
from weakseg.types import IGNORE_INDEX, Batch, Output

TASK = Task(steps=100, batch=2, modalities=1, classes=3, slices=4, size=(4, 4))


class Plain(nn.Module):
    """Three class scores of a pixel from its intensity; no dropout, no neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([4.0, -1.0, 0.5]))

    def forward(self, image: Tensor) -> Tensor:
        return image * self.scale.view(1, 3, 1, 1)


def teacher(network: Network, **options: float) -> Teacher:
    return USTM(**options).build(network, TASK)  # type: ignore[arg-type]


def batch(step: int = 50) -> Batch:
    image = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return Batch(image, torch.full((2, 4, 4), IGNORE_INDEX), ["a", "b"], step)


def test_the_ramp_rises_to_one_and_stays() -> None:
    assert ramp(0, 10) == pytest.approx(math.exp(-5))
    assert ramp(5, 10) == pytest.approx(math.exp(-1.25))
    assert ramp(10, 10) == ramp(99, 10) == 1


def test_the_teacher_is_the_running_mean_of_the_weights() -> None:
    network = Network(Plain())
    companion, expected = teacher(network, decay=0.9), None
    values = []
    for step in range(15):
        with torch.no_grad():
            network.host.scale.add_(1.0)  # type: ignore[operator, union-attr]
        companion.after_step(network, step)
        values.append(network.host.scale.detach().clone())  # type: ignore[operator, union-attr]
        keep = min(1 - 1 / (step + 1), 0.9)
        expected = values[-1] if expected is None else keep * expected + (1 - keep) * values[-1]
        assert torch.allclose(companion.teacher.host.scale, expected)  # type: ignore[arg-type]
    # During the warm-up the mean is the plain one.
    companion = teacher(network, decay=0.99)
    for step, value in enumerate(values[:4]):
        with torch.no_grad():
            network.host.scale.copy_(value)  # type: ignore[operator, union-attr]
        companion.after_step(network, step)
    mean = torch.stack(values[:4]).mean(0)
    assert torch.allclose(companion.teacher.host.scale, mean)  # type: ignore[arg-type]


def test_without_noise_a_student_equal_to_its_teacher_is_consistent() -> None:
    network = Network(Plain())
    companion = teacher(network, noise=0.0)
    out = network(batch().image)
    assert companion.terms(network, out, batch())["consistency"].mean() < 1e-12


@pytest.mark.parametrize("step", [10, 50, 100])
def test_the_term_is_the_mean_squared_distance_where_the_teacher_is_sure(step: int) -> None:
    network = Network(Plain())
    companion = teacher(network, noise=0.0, passes=3)
    logits = torch.randn(2, 3, 4, 4)
    share = companion.terms(network, Output(logits), batch(step))["consistency"]
    rise = math.exp(-5 * (1 - step / 100) ** 2)
    total, count = 0.0, 0
    target, student = network(batch().image).logits.softmax(1), logits.softmax(1)
    for b in range(2):
        for i in range(4):
            for j in range(4):
                q, p = target[b, :, i, j], student[b, :, i, j]
                if -(q * q.log()).sum() < (0.75 + 0.25 * rise) * math.log(3):
                    total += ((p - q) ** 2).sum().item() / 2
                    count += 1
    assert 0 < count <= 32
    assert share.mean().item() == pytest.approx(rise * total / count, rel=1e-4)


def test_an_unsure_teacher_teaches_nothing() -> None:
    network = Network(Plain())
    companion = teacher(network, noise=0.0)
    nothing = batch(0)._replace(image=torch.zeros(2, 1, 4, 4))
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = companion.terms(network, Output(logits), nothing)["consistency"].mean()
    value.backward()
    assert value == 0 and torch.all(logits.grad == 0)  # type: ignore[arg-type]


def test_the_student_learns_and_the_teacher_does_not() -> None:
    network = Network(Plain())
    companion = teacher(network)
    out = network(batch().image)
    companion.terms(network, out, batch())["consistency"].mean().backward()
    assert network.host.scale.grad is not None  # type: ignore[union-attr]
    assert all(p.grad is None and not p.requires_grad for p in companion.teacher.parameters())


@pytest.mark.parametrize("options", [{"decay": 1.0}, {"passes": 0}, {"weight": -1.0}])
def test_numbers_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        USTM(**options)  # type: ignore[arg-type]
