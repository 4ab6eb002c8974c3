import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage

from weakseg.online.volume_augment import VolumeAugment, rotated

SIZE = (6, 9, 11)


def volume(seed, channels=1, batch=2):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.random((batch, channels, *SIZE), np.float32))


def keys(update, cases=("a", "b")):
    return [(0, case, update) for case in cases]


def test_image_target_and_weight_get_the_same_geometry():
    same = volume(0)
    for update in range(8):
        image, target, weight = VolumeAugment()(torch.cat([same] * 3, 1), same, same, keys(update))
        for part in (image[:, :1], image[:, 2:], weight):
            assert torch.equal(part, target)
        assert not torch.equal(target, same)


def test_a_transform_depends_on_its_key_and_nothing_else():
    image, target, weight = volume(0, 2), volume(1), volume(2)
    first = VolumeAugment()(image, target, weight, keys(3))
    torch.manual_seed(9)
    alone = VolumeAugment()(image[1:], target[1:], weight[1:], keys(3)[1:])
    for both, one in zip(first, alone, strict=True):
        assert torch.equal(both[1:], one)


def test_each_update_and_each_case_gets_a_transform_of_its_own():
    same = volume(0, batch=1)
    moved = [
        VolumeAugment()(same, same, same, [(0, case, update)])[1]
        for case, update in itertools.product("ab", range(6))
    ]
    distinct = {tuple(m.flatten()[:40].tolist()) for m in moved}
    assert len(distinct) == len(moved)


def test_flips_move_voxels_without_changing_them_and_each_axis_half_of_the_time():
    same, augment = volume(0, batch=1), VolumeAugment(degrees=0)
    counts = np.zeros(3)
    combinations = list(itertools.product((0, 1), repeat=3))
    for update in range(200):
        moved = augment(same, same, same, [(0, "a", update)])[1]
        found = [
            c
            for c in combinations
            if torch.equal(same.flip([2 + a for a in range(3) if c[a]]), moved)
        ]
        assert len(found) == 1
        counts += found[0]
    assert (np.abs(counts / 200 - 0.5) < 0.15).all()


def test_without_flips_and_rotation_soft_targets_come_through_unchanged():
    image, target, weight = volume(0), volume(1), volume(2)
    got = VolumeAugment(flip=0, degrees=0)(image, target, weight, keys(0))
    assert all(torch.equal(a, b) for a, b in zip(got, (image, target, weight), strict=True))


@pytest.mark.parametrize("plane", [(0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("degrees", [-22, 7])
def test_a_rotation_is_linear_about_the_centre_in_voxels_and_reflected(plane, degrees):
    given = volume(0, 2)[0]
    expected = ndimage.rotate(
        given.numpy(), degrees, (plane[0] + 1, plane[1] + 1), reshape=False, order=1, mode="reflect"
    )
    np.testing.assert_allclose(rotated(given, plane, degrees).numpy(), expected, atol=1e-5)


def test_targets_stay_in_their_range_and_weights_too():
    ones = torch.ones(1, 1, *SIZE)
    for update in range(10):
        image, target, weight = VolumeAugment()(5 * ones, ones, 2 * ones, [(0, update)])
        assert (target == 1).all()
        assert (weight == 2).all()
        assert (image == 5).all()


def test_angles_are_whole_numbers_within_the_limit(monkeypatch):
    angles = set()
    monkeypatch.setattr(
        "weakseg.online.volume_augment.rotated", lambda v, plane, angle: angles.add(angle) or v
    )
    same = volume(0, batch=1)
    for update in range(600):
        VolumeAugment()(same, same, same, [(0, update)])
    assert angles == set(range(-22, 23))


def test_refuses_another_number_of_keys_than_cases():
    with pytest.raises(ValueError, match="a key for each"):
        VolumeAugment()(volume(0), volume(0), volume(0), keys(0)[:1])


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"degrees": -1}, {"degrees": 200}])
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        VolumeAugment(**wrong)
