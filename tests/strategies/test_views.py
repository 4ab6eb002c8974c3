import pytest
import torch

from weakseg.strategies.views import View, cosine_distance, random_view
from weakseg.types import IGNORE_INDEX


def views(image: torch.Tensor, number: int = 40) -> list[View]:
    torch.manual_seed(0)
    return [random_view(image) for _ in range(number)]


def test_all_eight_views_are_drawn_and_each_is_undone() -> None:
    image = torch.rand(2, 3, 8, 8)
    drawn = views(image)
    assert len({(view.turns % 4, view.mirrored) for view in drawn}) == 8
    shown = {view.forth(image).numpy().tobytes() for view in drawn}
    assert len(shown) == 8
    for view in drawn:
        assert torch.equal(view.back(view.forth(image)), image)


def test_a_square_of_each_sample_is_cut_out() -> None:
    image = torch.rand(3, 1, 53, 53) + 1
    corners = set()
    for view in views(image):
        assert view.cut.shape == (3, 1, 53, 53)
        for cut in view.cut[:, 0]:
            rows, columns = torch.nonzero(cut).unbind(1)
            assert len(rows) == 8 * 8  # 32 / 212 of 53
            assert rows.max() - rows.min() == columns.max() - columns.min() == 7
            corners.add((int(rows.min()), int(columns.min())))
    assert len(corners) > 100


def test_squares_reach_every_border() -> None:
    cut = torch.cat([view.cut for view in views(torch.rand(30, 1, 16, 16))])
    assert cut.any(0).all()


def test_the_view_shows_nothing_inside_the_square_and_everything_outside() -> None:
    image = torch.rand(2, 2, 16, 16) + 1
    for view in views(image, 8):
        back = view.back(view.show(image))
        assert torch.equal(back, torch.where(view.cut, torch.zeros(()), image))


def test_annotation_is_hidden_where_the_image_is() -> None:
    image, label = torch.rand(2, 1, 16, 16), torch.randint(0, 3, (2, 16, 16))
    for view in views(image, 8):
        hidden = view.hide(label)
        assert torch.equal(hidden == IGNORE_INDEX, view.cut[:, 0])
        assert torch.equal(hidden[~view.cut[:, 0]], label[~view.cut[:, 0]])


def test_views_depend_on_torchs_generator_alone() -> None:
    image = torch.rand(2, 1, 16, 16)
    for one, other in zip(views(image), views(image), strict=True):
        assert one.turns == other.turns and one.mirrored == other.mirrored
        assert torch.equal(one.cut, other.cut)


def test_a_pixel_can_always_be_cut() -> None:
    assert random_view(torch.rand(1, 1, 2, 2)).cut.sum() == 1


def test_the_cosine_distance_of_a_sample_is_that_of_its_vectors() -> None:
    one = torch.zeros(4, 2, 1, 2)
    other = one.clone()
    one[0, 0, 0, 0], other[0, 0, 0, 0] = 2.0, 5.0  # parallel
    one[1, 0, 0, 0], other[1, 1, 0, 1] = 2.0, 5.0  # orthogonal
    one[2, 0, 0, 0], other[2, 0, 0, 0] = 2.0, -5.0  # opposite
    one[3], other[3] = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])
    expected = torch.tensor([0.0, 1.0, 2.0, 1 - 0.5**0.5])
    assert cosine_distance(one, other) == pytest.approx(expected)
