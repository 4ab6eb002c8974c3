import os

import pytest
import torch

from benchmarks.kernels.cases import KERNELS, Size
from benchmarks.kernels.measure import alone, peak_memory, timings

TINY = Size(batch=2, classes=3, side=32, grid=8)


def killed():
    os._exit(9)


@pytest.mark.parametrize("kernel", KERNELS)
def test_forms_agree_in_value_and_gradients(kernel):
    timing = timings(kernel, TINY, ["ours", "plain"], "cpu", repeats=1)
    assert timing.difference is not None
    assert timing.difference < 1e-5
    assert min(timing.seconds.values()) > 0


def test_masked_crf_peaks_below_six_predictions():
    size = Size(batch=4, classes=4, side=256, grid=64)
    peak = alone(peak_memory, "masked_crf", size, "ours", "cpu")
    prediction = 4 * size.batch * size.classes * size.side**2
    assert prediction < peak < 6 * prediction


def test_the_plain_form_needs_more_memory():
    size = Size(batch=1, classes=2, side=64, grid=32)
    peaks = [alone(peak_memory, "masked_crf", size, form, "cpu") for form in ("ours", "plain")]
    assert peaks[1] > 10 * peaks[0]


def test_a_process_that_is_killed_leaves_no_result():
    assert alone(killed) is None


def test_a_form_alone_is_timed_without_a_comparison():
    timing = timings("masked_crf", TINY, ["ours"], "cpu", repeats=1)
    assert timing.difference is None
    assert list(timing.seconds) == ["ours"]
    assert torch.is_grad_enabled()
