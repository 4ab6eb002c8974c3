import math

import numpy as np
import pytest
import torch
from monai.metrics import HausdorffDistanceMetric, SurfaceDistanceMetric
from scipy import ndimage
from scipy.spatial.distance import cdist

from weakseg.metrics import CaseMetrics, case_metrics, dice, surface_distances

SPACING = (8.0, 1.5, 1.25)


def blobs(seed: int, shape: tuple[int, ...] = (7, 24, 26)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return (noise > np.quantile(noise, 0.8)).astype(np.uint8)


def score(prediction: np.ndarray, reference: np.ndarray, spacing=SPACING) -> CaseMetrics:
    return case_metrics(prediction, reference, spacing, ("LV",))[0]


def ball(radius: float, shift: float = 0.0, size: int = 41) -> np.ndarray:
    axes = np.indices((size,) * 3) - size // 2
    axes[0] = axes[0] - shift
    return (np.sqrt((axes**2).sum(0)) <= radius).astype(np.uint8)


def brute_force(prediction: np.ndarray, reference: np.ndarray) -> tuple[float, float, float]:
    """All pairs of surface voxels of the whole arrays, without cropping or transforms."""

    def points(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask.astype(bool), 1)
        inside = np.ones_like(padded)
        for axis in range(mask.ndim):
            inside &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
        return np.argwhere(padded & ~inside) * np.asarray(SPACING[: mask.ndim])

    pairs = cdist(points(prediction), points(reference))
    forward, backward = pairs.min(1), pairs.min(0)
    pooled = np.percentile(np.concatenate([forward, backward]), 95)
    largest = max(np.percentile(forward, 95), np.percentile(backward, 95))
    return pooled, largest, (forward.mean() + backward.mean()) / 2


@pytest.mark.parametrize("seed", range(4))
def test_distances_equal_all_pairs_of_surface_voxels(seed: int) -> None:
    prediction, reference = blobs(seed), blobs(seed + 100)
    found = score(prediction, reference)
    expected = brute_force(prediction, reference)
    assert (found.hd95, found.hd95_max, found.assd) == pytest.approx(expected, abs=1e-9)


def test_distances_in_two_dimensions_equal_all_pairs() -> None:
    prediction, reference = blobs(1, (30, 32)), blobs(2, (30, 32))
    found = score(prediction, reference, SPACING[:2])
    assert (found.hd95, found.hd95_max, found.assd) == pytest.approx(
        brute_force(prediction, reference)
    )


@pytest.mark.parametrize("seed", range(4))
def test_maximum_of_directed_percentiles_is_monais(seed: int) -> None:
    prediction, reference = blobs(seed), blobs(seed + 100)
    monai = HausdorffDistanceMetric(include_background=True, percentile=95, directed=False)
    value = monai(as_tensor(prediction), as_tensor(reference), spacing=SPACING).item()
    assert score(prediction, reference).hd95_max == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_are_monais(seed: int) -> None:
    prediction, reference = blobs(seed), blobs(seed + 100)
    pair = as_tensor(prediction), as_tensor(reference)
    directed = SurfaceDistanceMetric(include_background=True, symmetric=False)
    there = directed(*pair, spacing=SPACING).item()
    back = directed(*pair[::-1], spacing=SPACING).item()
    assert score(prediction, reference).assd == pytest.approx((there + back) / 2, rel=1e-5)
    pooled = SurfaceDistanceMetric(include_background=True, symmetric=True)
    both = np.concatenate(surface_distances(prediction > 0, reference > 0, SPACING))
    assert both.mean() == pytest.approx(pooled(*pair, spacing=SPACING).item(), rel=1e-5)


def as_tensor(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask)[None, None].float()


def test_one_voxel_shift_of_a_flat_block_is_the_slice_spacing() -> None:
    reference = np.zeros((12, 60, 60), np.uint8)
    reference[3:7, 5:55, 5:55] = 1
    found = score(np.roll(reference, 1, axis=0), reference)
    assert found.hd95 == found.hd95_max == 8.0
    assert found.dice == pytest.approx(0.75)


def test_concentric_balls_are_as_far_apart_as_their_radii() -> None:
    found = score(ball(16), ball(10), (1.0, 1.0, 1.0))
    assert found.hd95 == pytest.approx(6, abs=0.6)
    assert found.assd == pytest.approx(6, abs=0.6)
    assert found.dice == pytest.approx(2 * 10**3 / (10**3 + 16**3), abs=0.01)


def test_distances_scale_with_the_spacing() -> None:
    prediction, reference = blobs(3), blobs(4)
    once = score(prediction, reference)
    thrice = score(prediction, reference, tuple(3 * s for s in SPACING))
    assert (thrice.hd95, thrice.hd95_max, thrice.assd) == pytest.approx(
        (3 * once.hd95, 3 * once.hd95_max, 3 * once.assd)
    )
    assert thrice.dice == once.dice


def test_pooled_percentile_can_be_below_the_larger_directed_one() -> None:
    far = np.zeros((41, 41, 41), np.uint8)
    far[:6, :6, :6] = 1
    found = score(ball(6) | far, ball(6), (1.0, 1.0, 1.0))
    assert found.hd95 < found.hd95_max


def test_swapping_prediction_and_reference_changes_nothing() -> None:
    assert score(blobs(5), blobs(6)) == pytest.approx(score(blobs(6), blobs(5)))


def test_cropping_changes_nothing() -> None:
    prediction, reference = blobs(7), blobs(8)
    wide = [np.pad(mask, ((3, 9), (20, 4), (0, 31))) for mask in (prediction, reference)]
    assert score(*wide) == pytest.approx(score(prediction, reference))


def test_identical_masks_score_one_and_zero() -> None:
    mask = blobs(0)
    assert score(mask, mask) == CaseMetrics("LV", 1.0, 0.0, 0.0, 0.0, 0, 0)


def test_disjoint_masks_have_dice_zero() -> None:
    assert dice(ball(3, -10) > 0, ball(3, 10) > 0) == 0


def test_class_absent_from_both_is_not_counted() -> None:
    nothing = np.zeros((3, 4, 5), np.uint8)
    found = score(nothing, nothing)
    assert all(math.isnan(v) for v in (found.dice, found.hd95, found.hd95_max, found.assd))
    assert (found.missed, found.spurious) == (0, 0)


def test_missed_structure_has_dice_zero_and_no_distance() -> None:
    found = score(np.zeros((7, 24, 26), np.uint8), blobs(0))
    assert (found.dice, found.missed, found.spurious) == (0, 1, 0)
    assert all(math.isnan(v) for v in (found.hd95, found.hd95_max, found.assd))


def test_spurious_structure_has_dice_zero_and_no_distance() -> None:
    found = score(blobs(0), np.zeros((7, 24, 26), np.uint8))
    assert (found.dice, found.missed, found.spurious) == (0, 0, 1)
    assert all(math.isnan(v) for v in (found.hd95, found.hd95_max, found.assd))


def test_each_label_is_scored_under_its_own_name() -> None:
    reference = np.zeros((4, 9, 9), np.uint8)
    reference[:, 2:5, 2:5], reference[:, 5:8, 5:8] = 1, 3
    prediction = np.where(reference == 3, 2, reference).astype(np.uint8)
    found = {m.cls: m for m in case_metrics(prediction, reference, SPACING, ("RV", "MYO", "LV"))}
    assert found["RV"].dice == 1
    assert (found["MYO"].spurious, found["LV"].missed) == (1, 1)


@pytest.mark.parametrize(
    ("prediction", "spacing", "message"),
    [
        (np.zeros((3, 4, 6), np.uint8), SPACING, "share their shape"),
        (np.full((3, 4, 5), 2, np.uint8), SPACING, r"labels 0\.\.1 \(LV\), got 2\.\.2"),
        (np.zeros((3, 4, 5), np.uint8), (1.0, 1.0), "3 positive numbers in mm"),
        (np.zeros((3, 4, 5), np.uint8), (1.0, 0.0, 1.0), "3 positive numbers in mm"),
        (np.zeros((3, 4, 5), np.uint8), (1.0, float("nan"), 1.0), "3 positive numbers in mm"),
    ],
)
def test_bad_input_is_named(prediction: np.ndarray, spacing, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        case_metrics(prediction, np.zeros((3, 4, 5), np.uint8), spacing, ("LV",))


def test_probabilities_are_refused() -> None:
    with pytest.raises(TypeError, match="prediction must hold integer labels, got float32"):
        score(np.zeros((3, 4, 5), np.float32), np.zeros((3, 4, 5), np.uint8))


def test_surface_distances_of_an_empty_mask_are_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        surface_distances(np.zeros((3, 3), bool), np.ones((3, 3), bool), (1.0, 1.0))
