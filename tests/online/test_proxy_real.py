"""Proxies of real hippocampi, where there are any."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from weakseg.metrics import dice
from weakseg.online.annotation import Annotation, Ends, Mark
from weakseg.online.proxy import COPY, SHAPE, Propagation, propagate

HIPPOCAMPI = Path(os.environ.get("WEAKSEG_HIPPOCAMPUS", "-")) / "Task04_Hippocampus"


@pytest.mark.skipif(not HIPPOCAMPI.is_dir(), reason="WEAKSEG_HIPPOCAMPUS names no data")
def test_real_hippocampi_gain_over_both_trivial_rules() -> None:
    gains = []
    for path in sorted((HIPPOCAMPI / "imagesTr").glob("hippocampus_*.nii.gz"))[:3]:
        image = np.asarray(nibabel.load(path).dataobj, np.float32).transpose(2, 1, 0)
        label = np.asarray(nibabel.load(HIPPOCAMPI / "labelsTr" / path.name).dataobj)
        mask = label.transpose(2, 1, 0) > 0
        held = np.flatnonzero(mask.any(axis=(1, 2)))
        first, last = int(held[0]), int(held[-1])
        marks = [
            Mark(0, i, mask[i]) for i in (first + (last - first) // 3, last - (last - first) // 3)
        ]
        said = Annotation(mask.shape, tuple(marks), (Ends(0, first, last),))
        scores = [
            dice(propagate(image[None], said, rule).hard, mask)
            for rule in (Propagation(), COPY, SHAPE)
        ]
        gains.append(scores[0] - max(scores[1:]))
    assert np.mean(gains) > 0.05
