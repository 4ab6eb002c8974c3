import numpy as np
import pytest
import torch

from weakseg.data.augment import Augment, transform
from weakseg.types import IGNORE_INDEX

TURNS = Augment(right_angle=1.0)
TILTS = Augment(right_angle=0.0, rotation=1.0)


def sample(size: int = 24, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    image = torch.rand(batch, 1, size, size)
    label = torch.randint(0, 4, (batch, size, size))
    return image, label


def right_angles(array: np.ndarray) -> list[np.ndarray]:
    """The eight turned and flipped copies; each reachable by a turn and one flip."""
    return [np.rot90(flipped, k) for k in range(4) for flipped in (array, np.flip(array, 0))]


def test_a_transform_depends_on_seed_and_draw_alone() -> None:
    augment = Augment()
    together = augment.matrices(7, [3, 4, 5])
    assert torch.equal(together[1:2], augment.matrices(7, [4]))
    assert not torch.equal(
        augment.matrices(7, list(range(20))), augment.matrices(8, list(range(20)))
    )


@pytest.mark.parametrize("size", [24, 25])
def test_right_angles_are_exact_with_one_flip(size: int) -> None:
    image, label = sample(size)
    seen = set()
    for draw in range(60):
        matrices = TURNS.matrices(0, [draw])
        assert torch.det(matrices[0]) == pytest.approx(-1)
        turned, codes = transform(image, label, matrices)
        copies = right_angles(label[0].numpy())
        (which,) = [i for i, copy in enumerate(copies) if np.array_equal(codes[0].numpy(), copy)]
        expected = right_angles(image[0, 0].numpy())[which]
        np.testing.assert_allclose(turned[0, 0].numpy(), expected, atol=2e-4)
        seen.add(which)
    assert len(seen) == 4  # turns after one flip: every reflection, no pure turn


def test_small_rotations_keep_the_codes_and_leave_corners_unlabelled() -> None:
    image, label = sample(batch=40)
    label[label == 3] = IGNORE_INDEX
    matrices = TILTS.matrices(1, list(range(40)))
    turned, codes = transform(image, label, matrices)
    assert codes.dtype == torch.int64
    assert set(codes.unique().tolist()) <= {0, 1, 2, IGNORE_INDEX}
    tilted = matrices[:, 0, 1].abs() > 0.15
    assert tilted.any()
    assert (codes[tilted][:, 0, 0] == IGNORE_INDEX).all()
    assert (turned[tilted][:, 0, 0, 0] == 0).all()


def test_corners_of_dense_labels_become_background_when_asked() -> None:
    image, label = sample(batch=40)
    _, codes = transform(image, label, TILTS.matrices(1, list(range(40))), outside=0)
    assert set(codes.unique().tolist()) == {0, 1, 2, 3}


def test_image_and_label_move_together() -> None:
    label = torch.zeros(30, 32, 32, dtype=torch.int64)
    label[:, 6:14, 10:26] = 1
    turned, codes = transform(label[:, None].float(), label, Augment().matrices(2, list(range(30))))
    inside = codes != IGNORE_INDEX
    agree = (turned[:, 0].round().long() == codes) | ~inside
    assert agree.float().mean() > 0.98


def test_probabilities_and_angles_are_those_of_the_released_code() -> None:
    matrices = Augment().matrices(0, list(range(4000)))
    flipped = torch.det(matrices) < 0
    identity = (matrices == torch.eye(2)).flatten(1).all(1)
    angles = torch.rad2deg(torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]))[~flipped]
    assert flipped.float().mean() == pytest.approx(0.5, abs=0.03)
    assert identity.float().mean() == pytest.approx(0.25 + 0.25 / 40, abs=0.03)
    whole = angles.round()
    assert torch.allclose(angles, whole, atol=1e-3)
    assert (whole.min(), whole.max()) == (-20, 19)


def test_no_augmentation_is_the_identity() -> None:
    image, label = sample()
    matrices = Augment(right_angle=0.0, rotation=0.0).matrices(0, [0])
    turned, codes = transform(image, label, matrices)
    torch.testing.assert_close(turned, image, atol=2e-4, rtol=0)
    assert torch.equal(codes, label)
