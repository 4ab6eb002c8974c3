from pathlib import Path

import numpy as np
import pytest
import torch

from weakseg.data import nifti
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.resident import Resident, resident
from weakseg.evaluate import evaluate, predict
from weakseg.metrics import case_metrics
from weakseg.models import Network
from weakseg.types import Output

GRID = Grid(size=32, spacing=6.0)


class Remembering(Network):
    """Answers each image on the grid with the reference it belongs to."""

    def __init__(self, source: Resident) -> None:
        super().__init__(torch.nn.Conv2d(1, 4, 1))
        self.source = source

    def forward(self, image: torch.Tensor) -> Output:
        return Output(self.predict(image))

    def predict(self, image: torch.Tensor) -> torch.Tensor:
        row = int((self.source.image == image[0].numpy()).all((1, 2, 3)).argmax())
        label = torch.tensor(self.source.reference[row : row + len(image)]).long()
        return 10 * torch.nn.functional.one_hot(label, 4).movedim(-1, 1).float()


@pytest.fixture(scope="module")
def source(phantom: Dataset, cache: Path) -> Resident:
    return resident(phantom, GRID, cache)


def test_a_prediction_has_the_shape_of_the_native_volume(
    phantom: Dataset, source: Resident
) -> None:
    case = phantom.cases[0]
    prediction = predict(Remembering(source), source, case, GRID)
    assert prediction.shape == tuple(phantom.details[case.name]["shape"])
    assert prediction.dtype == np.uint8


def test_scores_are_those_of_the_native_volumes(
    phantom: Dataset, source: Resident, tmp_path: Path
) -> None:
    cases = phantom.cases[:3]
    scores = evaluate(Remembering(source), phantom, source, cases, GRID, tmp_path / "kept")
    assert len(scores) == len(cases) * len(phantom.classes)
    assert (scores["dice"] > 0.6).all()
    case = cases[1]
    kept = nifti.read(tmp_path / "kept" / f"{case.name}.nii.gz")
    _, reference, _, spacing = phantom.load(case)
    assert reference is not None
    lines = scores[scores["case"] == case.name].set_index("class")
    for record in case_metrics(kept.array, reference, spacing, phantom.classes):
        assert lines.loc[record.cls, "dice"] == record.dice
        assert lines.loc[record.cls, "hd95"] == record.hd95
    assert set(lines["patient"]) == {case.patient}
    assert set(lines["group"]) == {case.group}


def test_predictions_keep_the_geometry_of_the_image(
    phantom: Dataset, source: Resident, tmp_path: Path
) -> None:
    case = phantom.cases[0]
    evaluate(Remembering(source), phantom, source, (case,), GRID, tmp_path)
    image, kept = nifti.read(case.image), nifti.read(tmp_path / f"{case.name}.nii.gz")
    assert kept.spacing == image.spacing
    np.testing.assert_allclose(kept.affine, image.affine)


def test_the_network_is_scored_in_evaluation_mode_and_without_gradient(
    phantom: Dataset, source: Resident
) -> None:
    network = Remembering(source).train()
    evaluate(network, phantom, source, phantom.cases[:1], GRID)
    assert not network.training


def test_a_case_without_reference_is_named(
    phantom: Dataset, source: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Dataset.load
    monkeypatch.setattr(
        Dataset, "load", lambda self, case: plain(self, case)._replace(reference=None)
    )
    with pytest.raises(ValueError, match=f"{phantom.cases[0].name} has no reference"):
        evaluate(Remembering(source), phantom, source, phantom.cases[:1], GRID)
