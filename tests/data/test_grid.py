import pytest
import torch

from weakseg.data.grid import Grid, Window

SHAPE, SPACING = (3, 120, 150), (10.0, 1.5, 1.25)


def ball(shape: tuple[int, ...], spacing: tuple[float, ...], radius: float) -> torch.Tensor:
    """Discs of ``radius`` mm around the centre of each slice, uint8 [Z, H, W]."""
    y, x = (
        (torch.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape[1:], spacing[1:], strict=True)
    )
    disc = (y[:, None] ** 2 + x**2 <= radius**2).to(torch.uint8)
    return disc.expand(shape).contiguous()


def there_and_back(grid: Grid, label: torch.Tensor, spacing: tuple[float, ...]) -> torch.Tensor:
    window = grid.window(tuple(label.shape), spacing)
    small = grid.label(label, window, outside=0)
    probs = torch.nn.functional.one_hot(small.long(), 2).movedim(-1, 1).float()
    return grid.native(probs, window, tuple(label.shape))


@pytest.mark.parametrize("grid", [Grid(size=64, spacing=3.0), Grid(size=96, spacing=2.0), Grid()])
@pytest.mark.parametrize("shape", [SHAPE, (2, 97, 301), (1, 40, 256)])
def test_there_and_back_keeps_shape_and_object(grid: Grid, shape: tuple[int, ...]) -> None:
    label = ball(shape, SPACING, radius=28)
    back = there_and_back(grid, label, SPACING)
    assert back.shape == label.shape
    assert back.dtype == torch.uint8
    dice = 2 * (back & label).sum() / (back.sum() + label.sum())
    assert dice > 0.95


def test_the_window_has_the_physical_size_and_lies_in_the_middle() -> None:
    window = Grid(size=64, spacing=2.0).window(SHAPE, SPACING)
    assert window.height * 1.5 == pytest.approx(128, abs=0.75)
    assert window.width * 1.25 == pytest.approx(128, abs=0.625)
    assert abs(2 * window.top + window.height - SHAPE[1]) <= 1
    assert abs(2 * window.left + window.width - SHAPE[2]) <= 1


def test_an_object_has_the_same_size_on_the_grid_whatever_the_spacing() -> None:
    grid = Grid(size=64, spacing=2.0)
    for spacing in ((10.0, 1.0, 1.0), (10.0, 1.9, 1.9), (5.0, 0.7, 1.3)):
        label = ball((1, 200, 220), spacing, radius=30)
        small = grid.label(label, grid.window(tuple(label.shape), spacing), outside=0)
        area = small.sum().item() * 2.0**2
        assert area == pytest.approx(torch.pi * 30**2, rel=0.03)


def test_a_window_wider_than_the_slice_is_padded() -> None:
    grid = Grid(size=32, spacing=2.0)
    window = grid.window((1, 20, 24), (10.0, 1.0, 1.0))
    assert window == Window(-22, -20, 64, 64)
    image = grid.image(torch.ones(1, 2, 20, 24), window)
    assert image.shape == (1, 2, 32, 32)
    assert image[0, 0, 0, 0] == 0
    assert image[0, 0, 16, 16] == pytest.approx(1)
    label = grid.label(torch.ones(1, 20, 24, dtype=torch.uint8), window, outside=255)
    assert set(label.unique().tolist()) == {1, 255}
    back = grid.native(torch.rand(1, 4, 32, 32), window, (1, 20, 24))
    assert back.shape == (1, 20, 24)


def test_outside_the_window_everything_is_background() -> None:
    grid = Grid(size=16, spacing=1.0)
    probs = torch.zeros(1, 2, 16, 16)
    probs[:, 1] = 1
    back = grid.native(probs, grid.window((1, 64, 64), (1.0, 1.0, 1.0)), (1, 64, 64))
    assert back.sum() == 16 * 16
    assert back[0, 24:40, 24:40].all()


def test_without_spacing_the_whole_field_of_view_is_used() -> None:
    assert Grid(size=256).window((9, 154, 512), (10.0, 1.5, 1.5)) == Window(0, 0, 154, 512)


def test_label_codes_stay_what_they_are() -> None:
    label = torch.randint(0, 4, (2, 90, 70)).to(torch.uint8)
    label[label == 3] = 255
    grid = Grid(size=48, spacing=2.0)
    small = grid.label(label, grid.window(tuple(label.shape), (5.0, 1.1, 1.1)), outside=255)
    assert set(small.unique().tolist()) <= {0, 1, 2, 255}


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 40}, {"spacing": 0.0}, {"spacing": -1.0}])
def test_f25_a_grid_of_no_use_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Grid(**wrong)  # type: ignore[arg-type]
