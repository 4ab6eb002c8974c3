from dataclasses import dataclass

import torch
from torch import Tensor

from weakseg.online.field_cache import FieldCache


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Moves by the difference of the slices."""

    gain: float = 1.0

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        return torch.stack((fixed - moving, moving - fixed), dim=1) * self.gain


SLICES = torch.rand((6, 8, 8), generator=torch.Generator().manual_seed(0))


def test_a_pair_is_registered_once() -> None:
    cache = FieldCache()
    first, registered = cache.fields(Difference(), SLICES[:3], SLICES[3:])
    again, anew = cache.fields(Difference(), SLICES[:3], SLICES[3:])
    assert (registered, anew, len(cache)) == (3, 0, 3) and torch.equal(first, again)


def test_the_same_pair_twice_in_a_batch_is_registered_once() -> None:
    fields, registered = FieldCache().fields(Difference(), SLICES[[0, 0]], SLICES[[1, 1]])
    assert registered == 1 and torch.equal(fields[0], fields[1])


def test_known_and_new_pairs_come_back_in_the_order_asked() -> None:
    cache = FieldCache()
    cache.fields(Difference(), SLICES[1:2], SLICES[4:5])
    fields, registered = cache.fields(Difference(), SLICES[:3], SLICES[3:])
    assert registered == 2 and torch.equal(fields, Difference()(SLICES[:3], SLICES[3:]))


def test_a_pair_turned_round_is_another_pair() -> None:
    cache = FieldCache()
    cache.fields(Difference(), SLICES[:1], SLICES[1:2])
    assert cache.fields(Difference(), SLICES[1:2], SLICES[:1])[1] == 1


def test_another_setting_of_the_register_is_another_field() -> None:
    cache = FieldCache()
    cache.fields(Difference(), SLICES[:1], SLICES[1:2])
    assert cache.fields(Difference(gain=2), SLICES[:1], SLICES[1:2])[1] == 1


def test_the_same_numbers_in_another_shape_are_another_pair() -> None:
    cache = FieldCache()
    cache.fields(Difference(), SLICES[:1], SLICES[1:2])
    long = SLICES.reshape(6, 4, 16)
    assert cache.fields(Difference(), long[:1], long[1:2])[1] == 1


def test_the_fields_used_longest_ago_are_dropped_above_the_size() -> None:
    field = 2 * 8 * 8 * 4
    cache = FieldCache(megabytes=2 * field / 2**20)
    for k in (0, 1, 0, 2):
        cache.fields(Difference(), SLICES[k : k + 1], SLICES[3:4])
    assert len(cache) == 2 and cache.size == 2 * field
    assert cache.fields(Difference(), SLICES[:1], SLICES[3:4])[1] == 0
    assert cache.fields(Difference(), SLICES[1:2], SLICES[3:4])[1] == 1


def test_a_field_kept_does_not_keep_its_batch() -> None:
    cache = FieldCache()
    cache.fields(Difference(), SLICES[:3], SLICES[3:])
    kept = [field.untyped_storage().nbytes() for field in cache._fields.values()]
    assert sum(kept) == cache.size


def test_more_fields_than_fit_come_back_all_the_same() -> None:
    fields, registered = FieldCache(megabytes=0).fields(Difference(), SLICES[:3], SLICES[3:])
    assert registered == 3 and torch.equal(fields, Difference()(SLICES[:3], SLICES[3:]))


def test_no_pairs_give_no_fields() -> None:
    fields, registered = FieldCache().fields(Difference(), SLICES[:0], SLICES[:0])
    assert fields.shape == (0, 2, 8, 8) and registered == 0
