import pytest
import torch

from weakseg.strategies import Confident
from weakseg.strategies.pseudo_labels import largest_components
from weakseg.types import IGNORE_INDEX

NOTHING = torch.full((1, 4, 6), IGNORE_INDEX, dtype=torch.uint8)


def sure_of(label: torch.Tensor, probability: float = 0.999) -> torch.Tensor:
    """Probabilities float [N, 3, H, W] with one class at a probability."""
    rest = (1 - probability) / 2
    hot = torch.nn.functional.one_hot(label, 3).movedim(-1, 1)
    return torch.where(hot == 1, probability, rest)


def test_the_largest_component_of_each_class_and_the_background_stay() -> None:
    label = torch.tensor(
        [[[1, 1, 0, 2, 0, 1], [1, 0, 0, 0, 2, 0], [0, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 0]]]
    )
    kept = largest_components(label)
    lost = torch.zeros_like(label, dtype=torch.bool)
    lost[0, 0, 5] = lost[0, 3, 0] = True  # the diagonal of class 2 holds together
    assert torch.equal(kept, ~lost)


def test_sure_predictions_become_labels_and_others_do_not() -> None:
    label = torch.zeros(1, 4, 6, dtype=torch.int64)
    label[0, 1:3, 1:3] = 2
    probs = sure_of(label)
    probs[:, :, 1, 1] = torch.tensor([0.1, 0.2, 0.7])
    made = Confident()(probs, NOTHING)
    assert made[0, 1, 1] == IGNORE_INDEX
    label[0, 1, 1] = IGNORE_INDEX
    assert torch.equal(made.long(), label)


@pytest.mark.parametrize("probability", [0.9, 0.97, 0.99, 0.999])
def test_the_entropy_is_compared_as_a_share_of_the_largest(probability: float) -> None:
    p = torch.tensor([probability, (1 - probability) / 2, (1 - probability) / 2])
    share = float(-(p * p.log()).sum() / torch.tensor(3.0).log())
    made = Confident(entropy=0.1)(p.view(1, 3, 1, 1).expand(1, 3, 4, 6), NOTHING)
    assert bool((made == 0).all()) == (share < 0.1)


def test_annotation_wins_over_the_prediction() -> None:
    label = torch.zeros(1, 4, 6, dtype=torch.int64)
    drawn = NOTHING.clone()
    drawn[0, 2, 2], drawn[0, 3, 3] = 1, 0
    made = Confident()(sure_of(label), drawn)
    assert made[0, 2, 2] == 1 and made[0, 3, 3] == 0
    assert made.dtype == torch.uint8


@pytest.mark.parametrize("entropy", [0.0, 1.5])
def test_thresholds_out_of_range_are_refused(entropy: float) -> None:
    with pytest.raises(ValueError, match="entropy"):
        Confident(entropy=entropy)
