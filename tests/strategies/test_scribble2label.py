import pytest
import torch
from torch import Tensor, nn

from weakseg.data.augment import Augment, transform
from weakseg.models import Network
from weakseg.strategies import Scribble2Label, Task, predict_slices
from weakseg.strategies.scribble2label import RunningLabels
from weakseg.types import IGNORE_INDEX, Batch, Output

TASK = Task(steps=40, batch=2, modalities=1, classes=3, slices=5, size=(6, 6))
EYE = torch.eye(2).expand(2, 2, 2)


class Plain(nn.Module):
    """Three class scores of a pixel from its intensity."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([9.0, -9.0, 0.5]))

    def forward(self, image: Tensor) -> Tensor:
        return (image - 0.5) * self.scale.view(1, 3, 1, 1)


class Slices:
    image = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    label = torch.full((5, 6, 6), IGNORE_INDEX, dtype=torch.uint8)


def companion(**options: float) -> RunningLabels:
    return Scribble2Label(**options).build(Network(Plain()), TASK)  # type: ignore[arg-type]


def batch(step: int, rows: list[int], matrices: Tensor = EYE) -> Batch:
    label = torch.full((2, 6, 6), IGNORE_INDEX)
    image, label = transform(Slices.image[rows], label, matrices)
    return Batch(image, label, ["a", "b"], step, torch.tensor(rows), matrices)


def trained(own: RunningLabels, network: Network, until: int) -> None:
    for step in range(until + 1):
        own.before_step(network, step, Slices())


def test_predictions_are_averaged_every_part_of_the_run() -> None:
    own, network = companion(updates=4, momentum=0.3), Network(Plain())
    expected, seen = torch.zeros(5, 3, 6, 6), 0
    for step in range(40):
        with torch.no_grad():
            network.host.scale.mul_(0.98)  # type: ignore[operator, union-attr]
        own.before_step(network, step, Slices())
        if step in (10, 20, 30):
            expected = 0.7 * expected + 0.3 * predict_slices(network, Slices.image, 2)
            seen += 1
        assert torch.allclose(own.probs.float(), expected, atol=2e-3)
    assert seen == 3


def test_the_mean_is_corrected_for_its_start_at_zero() -> None:
    own, network = companion(updates=20, threshold=0.8, momentum=0.2), Network(Plain())
    trained(own, network, 2)
    sure = predict_slices(network, Slices.image, 2).max(1)
    expected = sure.indices.where(sure.values > 0.8, IGNORE_INDEX)
    border = (sure.values - 0.8).abs() < 1e-3
    found = own.confident(torch.arange(5), 2)
    assert torch.equal(found[~border], expected[~border])
    assert (found != IGNORE_INDEX).any() and (found == IGNORE_INDEX).any()


def test_pseudo_labels_are_turned_the_way_their_slices_were() -> None:
    own, network = companion(updates=20), Network(Plain())
    trained(own, network, 8)
    matrices = Augment(right_angle=1.0).matrices(0, [0, 1])
    turned = batch(8, [3, 1], matrices)
    logits = torch.randn(2, 3, 6, 6)
    share = own.terms(network, Output(logits), turned)["pseudo_ce"]
    _, expected = transform(turned.image, own.confident(turned.rows, 8), matrices)  # type: ignore[arg-type]
    # On right angles nothing is interpolated: each label sits on the pixel it was made of.
    again = predict_slices(network, turned.image, 2).argmax(1)
    known = expected != IGNORE_INDEX
    assert known.any()
    assert torch.equal(expected[known], again[known])
    mean = nn.functional.cross_entropy(logits, expected, ignore_index=IGNORE_INDEX)
    assert share.mean().item() == pytest.approx(mean.item(), rel=1e-5)


def test_annotated_pixels_get_no_pseudo_label() -> None:
    own, network = companion(updates=20), Network(Plain())
    trained(own, network, 8)
    shown = batch(8, [0, 1])
    drawn = shown._replace(label=torch.zeros_like(shown.label))
    share = own.terms(network, Output(torch.randn(2, 3, 6, 6)), drawn)["pseudo_ce"]
    assert share.weight == 0 and share.mean() == 0


@pytest.mark.parametrize(("step", "acts"), [(1, False), (9, False), (10, True)])
def test_the_term_waits_for_the_warm_up(step: int, acts: bool) -> None:
    own, network = companion(updates=20, warmup=0.25), Network(Plain())
    trained(own, network, step)
    logits = torch.randn(2, 3, 6, 6, requires_grad=True)
    value = own.terms(network, Output(logits), batch(step, [0, 1]))["pseudo_ce"].mean()
    assert (value > 0) == acts


def test_nothing_confident_is_zero_with_zero_gradient() -> None:
    own, network = companion(updates=20, threshold=0.999), Network(Plain())
    with torch.no_grad():
        network.host.scale.zero_()  # type: ignore[operator, union-attr]
    trained(own, network, 8)
    logits = torch.randn(2, 3, 6, 6, requires_grad=True)
    value = own.terms(network, Output(logits), batch(8, [0, 1]))["pseudo_ce"].mean()
    value.backward()
    assert value == 0 and torch.all(logits.grad == 0)  # type: ignore[arg-type]


def test_batches_that_do_not_say_what_they_are_made_of_are_refused() -> None:
    own, network = companion(), Network(Plain())
    bare = batch(8, [0, 1])._replace(rows=None)
    with pytest.raises(ValueError, match="rows and matrices"):
        own.terms(network, Output(torch.randn(2, 3, 6, 6)), bare)
