from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.online.test_demons import dice, disc, scan
from weakseg.online.candidates import warped
from weakseg.online.field_cache import FieldCache
from weakseg.online.registration import Demons, compose, folding

ROWS = (20, 22, 24, 26, 28)
STACK = torch.stack([scan(disc(row, 27), row) for row in ROWS]).numpy()
MASKS = {0: disc(ROWS[0], 27).numpy() > 0, 4: disc(ROWS[4], 27).numpy() > 0}


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Moves every slice by rows, whatever the images show."""

    rows: float

    def __call__(self, fixed: Tensor, moving: Tensor) -> Tensor:
        field = fixed.new_zeros((len(fixed), 2, *fixed.shape[1:]))
        field[:, 0] = self.rows
        return field


@pytest.mark.parametrize("chained", [False, True])
def test_a_mask_follows_the_object(chained: bool) -> None:
    jobs = [(1, 0), (2, 0), (3, 4)]
    found, pairs = warped(STACK, MASKS, jobs, Demons(), FieldCache(), chained)
    assert pairs == 3 and list(found) == jobs
    for index, source in jobs:
        mask = torch.from_numpy(found[index, source].mask).round()
        assert dice(mask, disc(ROWS[index], 27)) > 0.95


def test_a_chain_composes_the_fields_of_neighbours() -> None:
    images = torch.from_numpy(STACK)
    field = None
    for step in (1, 2, 3):
        link = Demons()(images[[step]], images[[step - 1]])
        field = link if field is None else compose(link, field)
    assert field is not None
    found = warped(STACK, MASKS, [(3, 0)], Demons(), FieldCache(), True)[0][3, 0]
    assert found.folding == folding(field).item()
    # Row 26's disc lies six rows below row 20's: only the whole chain reaches it.
    assert dice(torch.from_numpy(found.mask).round(), disc(ROWS[3], 27)) > 0.95


def test_a_chain_needs_one_pair_for_each_step_however_many_jobs_share_it() -> None:
    jobs = [(index, 0) for index in (1, 2, 3, 4)]
    assert warped(STACK, MASKS, jobs, Demons(), FieldCache(), True)[1] == 4


def test_a_field_that_brings_the_surroundings_no_closer_is_dropped() -> None:
    good = warped(STACK, MASKS, [(1, 0)], Shift(rows=-2), FieldCache(), False)[0][1, 0]
    bad = warped(STACK, MASKS, [(1, 0)], Shift(rows=2), FieldCache(), False)[0][1, 0]
    assert (good.mask > 0.5)[22 + 10, 27] and not MASKS[0][22 + 10, 27]
    assert (bad.mask == MASKS[0]).all()
    still = warped(STACK, MASKS, [(1, 0)], Shift(rows=0), FieldCache(), False)[0][1, 0]
    assert bad.error == still.error > good.error


@pytest.mark.parametrize(("away", "counts"), [(5, True), (6, False)])
def test_images_are_compared_up_to_five_pixels_from_the_mask(away: int, counts: bool) -> None:
    stack = np.stack([STACK[0], STACK[0]])
    stack[1, ROWS[0] + 10 + away, 27] += 1
    found = warped(stack, MASKS, [(1, 0)], Shift(rows=0), FieldCache(), False)[0][1, 0]
    assert (found.error > 0) == counts


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_blank_slice_is_not_registered(value: float) -> None:
    stack = STACK.copy()
    stack[2] = value
    found, pairs = warped(stack, MASKS, [(1, 0), (2, 0)], Demons(), FieldCache(), False)
    assert pairs == 1 and not found[1, 0].failure and found[2, 0].failure == "a blank slice"


def test_a_chain_breaks_at_a_blank_slice() -> None:
    stack = STACK.copy()
    stack[2] = 0
    jobs = [(1, 0), (3, 0), (3, 4)]
    found, _ = warped(stack, MASKS, jobs, Demons(), FieldCache(), True)
    assert [bool(found[job].failure) for job in jobs] == [False, True, False]
