from dataclasses import replace

import lightning
import pytest
import torch
from torch import Tensor

from weakseg.config import Optim
from weakseg.diagnostics import grid_dice
from weakseg.losses import Dice, MaskedCRF, Objective, PartialCE, Term
from weakseg.models import Attention, UNet, build
from weakseg.segmenter import VALIDATION, Segmenter, poly
from weakseg.types import IGNORE_INDEX, Batch

SMALL = UNet(widths=(8, 8, 16, 16, 16), dropout=(0.0,) * 5)
ADAMW = Optim(name="adamw", lr=5e-3)


def module_for(
    losses: tuple[Term, ...],
    steps: int,
    *,
    unet: UNet = SMALL,
    attention: Attention | None = None,
    optim: Optim = ADAMW,
    classes: tuple[str, ...] = ("RV", "MYO", "LV"),
) -> Segmenter:
    torch.manual_seed(0)
    network = build(unet, attention, 1, len(classes) + 1, (32, 32))
    return Segmenter(network, Objective(losses), optim, steps=steps, seed=0, classes=classes)


def train(module: Segmenter, batch: Batch) -> None:
    batches = [batch._replace(step=step) for step in range(module.steps)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None, collate_fn=lambda item: item)  # type: ignore[arg-type]
    trainer = lightning.Trainer(
        accelerator="cpu", barebones=True, max_steps=module.steps, max_epochs=1
    )
    trainer.fit(module, loader)


def scenes(
    number: int, noise: float = 0.1, size: int = 40, radius: int = 11
) -> tuple[Tensor, Tensor, Tensor]:
    """Discs under noise, with a cross drawn inside each and a circle around it.

    Returns:
        Images float [B, 1, size, size] in [0, 1]; regions and strokes int64 [B, size, size].
    """
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres = torch.randint(radius + 4, size - radius - 4, (number, 2), generator=random)
    image, regions, strokes = [], [], []
    for row, column in centres.tolist():
        distance = ((y - row) ** 2 + (x - column) ** 2).float().sqrt()
        disc = (distance < radius).long()
        drawn = torch.full_like(disc, IGNORE_INDEX)
        drawn[row - 6 : row + 7, column], drawn[row, column - 6 : column + 7] = 1, 1
        drawn[distance.round() == radius + 5] = 0
        image.append(0.3 + 0.4 * disc + noise * torch.randn(size, size, generator=random))
        regions.append(disc)
        strokes.append(drawn)
    return torch.stack(image)[:, None].clamp(0, 1), torch.stack(regions), torch.stack(strokes)


def mean_dice(module: Segmenter, image: Tensor, label: Tensor) -> float:
    module.eval()
    with torch.no_grad():
        prediction = module.network(image).logits.argmax(1)
    return grid_dice(prediction, label, len(module.classes)).mean().item()


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.01), (30_000, 0.005359), (60_000, 0.0), (60_001, 0.0)]
)
def test_the_rate_decays_polynomially(step: int, rate: float) -> None:
    assert 0.01 * poly(step, 60_000, 0.9) == pytest.approx(rate, abs=1e-6)


def test_the_attention_has_a_rate_of_its_own_under_the_same_decay() -> None:
    optim = Optim(lr=0.01, attention_lr=0.002)
    module = module_for((PartialCE(),), 100, attention=Attention(), optim=optim)
    configured = module.configure_optimizers()
    optimizer, decay = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    host, attention = optimizer.param_groups
    assert (host["lr"], attention["lr"]) == (0.01, 0.002)
    assert {*map(id, attention["params"])} == {*map(id, module.network.attention_parameters())}
    together = [*map(id, host["params"]), *map(id, attention["params"])]
    assert sorted(together) == sorted(map(id, module.network.parameters()))
    for _ in range(50):
        optimizer.step()
        decay.step()
    assert host["lr"] == pytest.approx(0.0053589, rel=1e-4)
    assert attention["lr"] == pytest.approx(0.2 * host["lr"])


def test_without_a_rate_of_its_own_the_attention_uses_the_common_one() -> None:
    module = module_for((PartialCE(),), 100, attention=Attention())
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["lr"] for group in groups] == [0.005, 0.005]
    plain = module_for((PartialCE(),), 100).configure_optimizers()["optimizer"]
    assert len(plain.param_groups) == 1


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_named_one(name: str, kind: type) -> None:
    optim = Optim(name=name, momentum=0.8, weight_decay=1e-3)  # type: ignore[arg-type]
    optimizer = module_for((PartialCE(),), 10, optim=optim).configure_optimizers()["optimizer"]
    assert type(optimizer) is kind
    assert optimizer.defaults["weight_decay"] == 1e-3
    assert optimizer.defaults.get("momentum", 0.8) == 0.8


def test_dropout_depends_on_seed_and_step_alone() -> None:
    image, label, _ = scenes(1)
    weights = []
    for noise in (1, 2):
        unet = UNet(widths=(8, 8, 16, 16, 16), dropout=(0.5,) * 5)
        module = module_for((PartialCE(),), 3, unet=unet)
        torch.manual_seed(noise)
        train(module, Batch(image, label, ["disc"]))
        weights.append(torch.nn.utils.parameters_to_vector(module.parameters()))
    assert torch.equal(*weights)


def test_f08_the_step_before_an_evaluation_is_checked_on_every_device() -> None:
    module = module_for((PartialCE(),), 1)
    module.terms = {"loss": torch.tensor(torch.inf), "partial_ce": torch.tensor(torch.inf)}
    module._latest = (7, ["one", "two"])
    with pytest.raises(FloatingPointError, match=r"at step 7: partial_ce = inf; cases one, two"):
        module.on_validation_epoch_start()


def test_evaluation_forgets_the_previous_one() -> None:
    image, label, _ = scenes(1)
    module = module_for((PartialCE(),), 1, attention=Attention())
    module.eval()
    module.validation_step(Batch(image, label, ["disc"]), 0, VALIDATION)
    assert list(module.dice[VALIDATION]) == ["disc"]
    assert len(module.statistics) == 1
    module.on_validation_epoch_start()
    assert module.dice == {0: {}, 1: {}}
    assert module.statistics == []


def test_one_densely_labelled_slice_is_learnt_by_heart() -> None:
    image, label, _ = scenes(1)
    module = module_for((PartialCE(weight=0.5), Dice(weight=0.5)), 100, classes=("disc",))
    train(module, Batch(image, label, ["disc"]))
    assert mean_dice(module, image, label) > 0.95


def test_the_masked_crf_improves_on_strokes_alone() -> None:
    image, label, strokes = scenes(3)
    dice = []
    for losses in ((PartialCE(),), (PartialCE(), MaskedCRF())):
        module = module_for(losses, 60, classes=("disc",), unet=replace(SMALL, norm="instance"))
        train(module, Batch(image, strokes, ["one", "two", "three"]))
        dice.append(mean_dice(module, image, label))
    assert dice[1] > 0.98 > dice[0] + 0.02
