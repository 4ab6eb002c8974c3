"""Scores of whole volumes at native resolution."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.resident import Resident
from weakseg.metrics import case_metrics
from weakseg.models import Network
from weakseg.types import Case, channels_last


@torch.inference_mode()
def predict(network: Network, source: Resident, case: Case, grid: Grid) -> np.ndarray:
    """Segment one volume.

    Returns:
        uint8 [Z, H, W], class of each voxel of the native volume.
    """
    at = source.where[case.name]
    image = torch.from_numpy(source.image[at.start : at.stop].copy())
    image = image.to(next(network.parameters()))  # device and precision
    probs = network.predict(channels_last(image)).softmax(dim=1)
    return grid.native(probs, at.window, at.shape).cpu().numpy()


def evaluate(
    network: Network,
    dataset: Dataset,
    source: Resident,
    cases: tuple[Case, ...],
    grid: Grid,
    keep: Path | None = None,
) -> pd.DataFrame:
    """Return one line per case and foreground class with its metrics.

    Args:
        network: put into evaluation mode here.
        dataset: where native references are read from.
        source: images on the grid.
        cases: to score.
        grid: the network's grid.
        keep: folder for the predictions as NIfTI, or None.
    """
    network.eval()
    lines = []
    for case in cases:
        prediction = predict(network, source, case, grid)
        _, reference, _, spacing = dataset.load(case)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            affine = nifti.read(case.image).affine
            nifti.write(keep / f"{case.name}.nii.gz", prediction, spacing, affine)
        if reference is None:
            raise ValueError(
                f"{case.name} has no reference in {case.reference}; it cannot be scored"
            )
        about = {"case": case.name, "patient": case.patient, "group": case.group}
        for record in case_metrics(prediction, reference, spacing, dataset.classes):
            scores = record._asdict()
            scores["class"] = scores.pop("cls")
            lines.append({**about, **scores})
    return pd.DataFrame(lines)
