"""Smooth noise of phantoms: the same at any resolution."""

import numpy as np
import pytest

from weakseg.data.phantoms.waves import wave


def at(step: float, seed: int = 0) -> np.ndarray:
    line = np.arange(-60, 60, step)
    return wave(12.0, np.random.default_rng(seed), reach=80.0).at(line, line, line)


def test_a_coarser_grid_shows_the_same_noise():
    np.testing.assert_allclose(at(2.0)[::3, ::3, ::3], at(6.0), atol=1e-5)
    assert np.abs(at(6.0) - at(6.0, seed=1)).mean() > 0.3


def test_noise_has_about_unit_variance_and_is_smooth():
    field = at(2.0)
    assert field.mean() == pytest.approx(0, abs=0.2) and field.std() == pytest.approx(1, abs=0.25)
    assert np.abs(np.diff(field, axis=1)).max() < 1.0
