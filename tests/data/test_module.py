from pathlib import Path

import pytest
import torch

from weakseg.data.augment import Augment, transform
from weakseg.data.dataset import Dataset
from weakseg.data.grid import Grid
from weakseg.data.module import DrawnSlices, SegmentationDataModule, Volumes
from weakseg.data.resident import Resident, resident
from weakseg.data.splits import Split, split
from weakseg.types import IGNORE_INDEX

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(phantom: Dataset, cache: Path) -> Resident:
    return resident(phantom, Grid(size=32, spacing=6.0), cache)


@pytest.fixture(scope="module")
def parts(phantom: Dataset) -> Split:
    return split("stratified", phantom.cases, 1)


def drawn(
    source: Resident, parts: Split, supervision: str = "scribble", augment: Augment | None = None
) -> DrawnSlices:
    label = source.scribble if supervision == "scribble" else source.reference
    return DrawnSlices(source, parts.train, label, augment, 0, 2, CPU)


def test_a_batch_holds_the_drawn_slices_with_names_and_step(source: Resident, parts: Split) -> None:
    slices = drawn(source, parts)
    batch = slices.__getitems__([(5, 8), (0, 9)])
    assert batch.image.shape == (2, 1, 32, 32)
    assert torch.equal(batch.image, slices.image[[5, 0]])
    assert batch.label.dtype == torch.int64
    assert batch.case == [slices.names[5], slices.names[0]]
    assert batch.step == 4
    assert batch.rows is not None and batch.matrices is not None
    assert batch.rows.tolist() == [5, 0]
    assert torch.equal(batch.matrices, torch.eye(2).expand(2, 2, 2))


def test_scribble_supervision_never_sees_the_reference(source: Resident, parts: Split) -> None:
    sparse, dense = drawn(source, parts), drawn(source, parts, "dense")
    assert (sparse.label == IGNORE_INDEX).float().mean() > 0.9
    assert not (dense.label == IGNORE_INDEX).any()


@pytest.mark.parametrize("supervision", ["scribble", "dense"])
def test_augmented_batches_depend_on_the_draw(
    supervision: str, source: Resident, parts: Split
) -> None:
    slices = drawn(source, parts, supervision, Augment())
    many = slices.__getitems__([(3, number) for number in range(40)])
    again = slices.__getitems__([(3, 7)])
    assert torch.equal(many.image[7], again.image[0])
    assert torch.equal(many.label[7], again.label[0])
    assert len({image.numpy().tobytes() for image in many.image}) > 10
    allowed = {0, 1, 2, 3} | ({IGNORE_INDEX} if supervision == "scribble" else set())
    assert set(many.label.unique().tolist()) <= allowed


def test_a_batch_tells_how_to_turn_what_is_known_of_its_slices(
    source: Resident, parts: Split
) -> None:
    slices = drawn(source, parts, augment=Augment())
    batch = slices.__getitems__([(3, number) for number in range(12)])
    assert batch.rows is not None and batch.matrices is not None
    image, label = transform(slices.image[batch.rows], slices.label[batch.rows], batch.matrices)
    assert torch.equal(image, batch.image)
    assert torch.equal(label, batch.label)


def test_only_training_patients_are_drawn(source: Resident, parts: Split) -> None:
    assert set(drawn(source, parts).names) == {case.name for case in parts.train}


def test_volumes_are_whole_cases_with_references(source: Resident, parts: Split) -> None:
    volumes = Volumes(source, parts.test)
    assert len(volumes) == len(parts.test)
    batch = volumes[0]
    assert batch.case == [parts.test[0].name]
    assert len(batch.image) == source.where[parts.test[0].name].shape[0]
    assert not (batch.label == IGNORE_INDEX).any()


def test_loaders_give_validation_then_test_cases(source: Resident, parts: Split) -> None:
    module = SegmentationDataModule(
        source, parts, label=source.scribble, batch=2, interval=2, seed=0, augment=None
    )
    names = [[batch.case[0] for batch in loader] for loader in module.val_dataloader()]
    assert names == [[c.name for c in parts.val], [c.name for c in parts.test]]
    with pytest.raises(RuntimeError, match="need a trainer"):
        module.train_dataloader()
