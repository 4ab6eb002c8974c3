import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tests.data.test_scribbles import heart
from weakseg.config import identity
from weakseg.data import nifti
from weakseg.data.scribblers import SCRIBBLERS, main, volumes
from weakseg.data.strokes import Interior, Skeleton, Spline, Walk
from weakseg.data.strokes.statistics import statistics
from weakseg.seeding import seed_from
from weakseg.types import IGNORE_INDEX

SPACING = (10.0, 1.5, 1.5)
NAMES = sorted(SCRIBBLERS)


def organs(slices: int = 4, size: int = 96) -> np.ndarray:
    """Five classes: two discs, one at the border, a crescent, a ring and loose single pixels."""
    y, x = np.mgrid[:size, :size].astype(float)
    plane = np.zeros((size, size), np.uint8)
    plane[np.hypot(y - 30, x - 30) < 14] = 1
    plane[np.hypot(y - 70, x - 96) < 15] = 2
    plane[(np.hypot(y - 70, x - 30) < 18) & (np.hypot(y - 70, x - 38) > 17)] = 3
    plane[np.abs(np.hypot(y - 30, x - 70) - 10) < 3] = 4
    plane[[46, 44, -1], [46, 1, 0]] = 5
    return np.stack([plane] * slices)


@pytest.mark.parametrize("name", NAMES)
def test_only_true_labels_lie_under_strokes(name):
    reference = organs()
    scribble = SCRIBBLERS[name]()(reference, SPACING, 0)
    drawn = scribble != IGNORE_INDEX
    assert scribble.dtype == np.uint8 and drawn.any()
    assert (scribble[drawn] == reference[drawn]).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_class_of_a_slice_has_a_stroke(name):
    reference = organs()
    reference[0] = 0  # a slice without any organ
    reference[1][reference[1] != 5] = 0  # single pixels only
    reference[2] = 1  # no background
    reference[3, 10] = 0
    reference[3, 10, 10] = 6
    scribble = SCRIBBLERS[name](coverage=0.01)(reference, SPACING, 3)
    for plane, strokes in zip(reference, scribble, strict=True):
        assert set(np.unique(strokes)) == {*np.unique(plane), IGNORE_INDEX}


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (1, 3, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_tiny_slices_are_drawn_too(name, shape):
    for value in (0, 1):
        reference = np.full(shape, value, np.uint8)
        scribble = SCRIBBLERS[name]()(reference, SPACING, 0)
        assert all((plane == value).any() for plane in scribble)
    reference[..., 0] = 0
    scribble = SCRIBBLERS[name]()(reference, SPACING, 0)
    assert ((scribble == reference) | (scribble == IGNORE_INDEX)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_and_another_differently(name):
    make = SCRIBBLERS[name]
    reference = organs(2)
    first, again, other, elsewhere = (
        make(seed=own)(reference, SPACING, seed) for own, seed in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and (first != elsewhere).any()


@pytest.mark.parametrize("name", NAMES)
def test_slices_and_classes_are_drawn_independently(name):
    reference = organs(3)
    fewer = reference.copy()
    fewer[fewer == 3] = 0
    draw = SCRIBBLERS[name](spread=0.0)
    whole, without = draw(reference, SPACING, 0), draw(fewer, SPACING, 0)
    for cls in (1, 2, 4):
        np.testing.assert_array_equal(whole == cls, without == cls)
    np.testing.assert_array_equal(whole[:1] == 1, draw(reference[:1], SPACING, 0) == 1)
    assert (whole[0] != whole[1]).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("coverage", [0.04, 0.1, 0.2])
def test_coverage_is_reached_on_average(name, coverage):
    reference = organs(40, 96)
    reference[reference == 5] = 0
    table = statistics(
        [(reference, SCRIBBLERS[name](coverage=coverage)(reference, SPACING, 0), SPACING)]
    )
    np.testing.assert_allclose(table["labelled"][1:], coverage, rtol=0.15)
    assert table["labelled"].iloc[0] == pytest.approx(0.0066, rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_without_spread_each_slice_has_the_pixels_that_are_wanted(name):
    reference = organs(3)
    draw = SCRIBBLERS[name](coverage=(0.1, 0.05, 0.15, 0.2, 1.0), spread=0.0)
    scribble = draw(reference, SPACING, 0)
    for cls, share in enumerate((0.1, 0.05, 0.15, 0.2), start=1):
        wanted = share * (reference[0] == cls).sum()
        assert ((scribble == cls).sum((1, 2)) - wanted <= 1).all()
        assert ((scribble == cls).sum((1, 2)) - wanted >= -1).all()


@pytest.mark.parametrize("name", NAMES)
def test_larger_objects_have_longer_strokes_but_not_in_proportion(name):
    reference = np.zeros((2, 80, 80), np.uint8)
    y, x = np.mgrid[:80, :80] - 40
    reference[0][np.hypot(y, x) < 10] = 1
    reference[1][np.hypot(y, x) < 30] = 1
    small, large = (SCRIBBLERS[name](spread=0.0)(reference, SPACING, 0) == 1).sum((1, 2))
    assert large / small == pytest.approx(9**0.7, rel=0.1)


def test_a_class_without_coverage_is_left_out():
    scribble = Interior(coverage=(0.1, 0.0, 0.1, 0.1, 0.1), background=0.0)(organs(), SPACING, 0)
    assert set(np.unique(scribble)) == {1, 3, 4, 5, IGNORE_INDEX}


@pytest.mark.parametrize("name", NAMES)
def test_a_share_of_the_slices_with_a_class_have_strokes(name):
    reference = organs(10, 64)
    reference[:5][reference[:5] == 1] = 0
    draw = SCRIBBLERS[name](class_coverage=(0.4, 0.5, 0.0, 1.0, 1.0), background_coverage=0.3)
    scribble = draw(reference, SPACING, 0)
    hit = [int((scribble == cls).any((1, 2)).sum()) for cls in range(5)]
    present = [int((reference == cls).any((1, 2)).sum()) for cls in range(5)]
    assert present[1] == 5
    assert hit == [3, 2, present[2] // 2, 0, present[4]]


def test_a_share_between_whole_slices_is_right_on_average():
    reference = organs(3, 48)
    draw = Skeleton(class_coverage=0.5, background=0.0)
    hits = [(draw(reference, SPACING, seed) == 1).any((1, 2)).sum() for seed in range(60)]
    assert set(hits) == {1, 2}
    assert np.mean(hits) == pytest.approx(1.5, abs=0.2)


def test_by_chance_slices_are_chosen_one_by_one():
    reference = organs(60, 48)
    draw = Skeleton(class_coverage=0.3, background=0.0, selection="chance")
    hits = [(draw(reference, SPACING, seed) == 1).any((1, 2)).sum() for seed in range(5)]
    assert len(set(hits)) > 1
    assert np.mean(hits) / 60 == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("selection", ["share", "chance"])
def test_fewer_slices_are_a_part_of_more(selection):
    reference = organs(12, 48)
    chosen = [
        (Skeleton(class_coverage=share, selection=selection)(reference, SPACING, 0) == 1).any(
            (1, 2)
        )
        for share in (0.2, 0.5, 0.8)
    ]
    assert all((fewer <= more).all() for fewer, more in pairwise(chosen))


@pytest.mark.parametrize("name", ["interior", "walk", "spline"])
def test_strokes_are_as_wide_as_the_pen(name):
    reference = heart(2)
    thin = SCRIBBLERS[name]()(reference, SPACING, 0)
    wide = SCRIBBLERS[name](width=3.0)(reference, SPACING, 0)
    by_mm = SCRIBBLERS[name](width=4.5, unit="mm")(reference, SPACING, 0)

    def thick(scribble):
        inner = ndimage.binary_erosion(scribble == 3, np.ones((1, 3, 3)))
        return inner.sum() / (scribble == 3).sum()

    assert thick(thin) < 0.03 and thick(wide) > 0.08
    np.testing.assert_array_equal(wide, by_mm)


@pytest.mark.parametrize("kind", [Walk, Spline])
@pytest.mark.parametrize("width", [1.0, 3.0])
def test_walks_and_splines_keep_their_distance_from_the_border(kind, width):
    reference = heart(3)
    scribble = kind(inset=3.0, width=width)(reference, SPACING, 0)
    for plane, strokes in zip(reference, scribble, strict=True):
        for cls in (1, 2, 3):
            depth = ndimage.distance_transform_edt(plane == cls, sampling=SPACING[1:])
            assert depth[strokes == cls].min() > 3.0


@pytest.mark.parametrize("kind", [Walk, Spline])
def test_objects_thinner_than_the_inset_are_drawn_in_the_middle(kind):
    reference = np.zeros((1, 40, 40), np.uint8)
    reference[0, 18:21, 5:35] = 1
    rows = np.nonzero(kind(inset=9.0)(reference, SPACING, 0)[0] == 1)[0]
    assert set(rows) == {19}


def test_interior_curves_lie_between_the_middle_and_the_border():
    reference = heart(20)
    depths = statistics([(reference, Interior()(reference, SPACING, 0), SPACING)])["depth"]
    largest = [
        ndimage.distance_transform_edt(reference[0] == cls, sampling=SPACING[1:]).max()
        for cls in (1, 2, 3)
    ]
    assert (depths[1:] / largest > 0.4).all() and (depths[1:] / largest < 0.85).all()


def test_a_short_skeleton_is_on_the_medial_axis():
    reference = np.zeros((1, 41, 60), np.uint8)
    reference[0, 10:31, 5:55] = 1
    rows, columns = np.nonzero(Skeleton(coverage=0.02)(reference, SPACING, 0)[0] == 1)
    assert set(rows) == {20}
    assert np.ptp(columns) == len(columns) - 1


@pytest.mark.parametrize("method", ["zhang", "lee"])
def test_noise_of_the_border_does_not_bend_the_skeleton(method):
    reference = np.zeros((1, 41, 60), np.uint8)
    reference[0, 10:31, 5:55] = 1
    reference[0, 9, 12:50:7] = 1
    reference[0, 10, 15:50:9] = 0
    drawn = Skeleton(coverage=0.03, method=method, spread=0.0)(reference, SPACING, 0)[0] == 1
    assert np.abs(np.nonzero(drawn)[0] - 20).max() <= 2


@pytest.mark.parametrize("margin", [9.0, 20.0])
def test_background_is_drawn_around_the_organs(margin):
    reference = heart(10)
    scribble = Interior(margin=margin)(reference, SPACING, 0)
    means = []
    for plane, strokes in zip(reference, scribble, strict=True):
        near = ndimage.distance_transform_edt(plane == 0, sampling=SPACING[1:])[strokes == 0]
        assert near.min() > 0.15 * margin and near.max() < 3.5 * margin
        means.append(near.mean())
    assert np.mean(means) == pytest.approx(margin, rel=0.3)


def test_a_slice_without_organs_has_background_where_those_of_others_are():
    reference = heart(3)
    reference[1] = 0
    y, x = np.nonzero(Walk()(reference, SPACING, 0)[1] == 0)
    centre = [axis.mean() for axis in np.nonzero(reference)[1:]]
    assert np.hypot(y.mean() - centre[0], x.mean() - centre[1]) < 15


@pytest.mark.parametrize("name", NAMES)
def test_scattered_components_share_the_ink(name):
    reference = np.zeros((1, 80, 80), np.uint8)
    reference[0, 5:35, 5:35] = 1
    reference[0, 50:70, 50:70] = 1
    drawn = SCRIBBLERS[name](spread=0.0)(reference, SPACING, 0)[0] == 1
    assert drawn[:40].sum() / drawn[40:].sum() == pytest.approx((900 / 400) ** 0.7, rel=0.1)


def test_other_things_than_class_maps_are_refused():
    with pytest.raises(ValueError, match=r"\[D, H, W\]"):
        Interior()(np.zeros((8, 8), np.uint8), SPACING, 0)
    with pytest.raises(ValueError, match="below 255"):
        Interior()(np.full((1, 8, 8), IGNORE_INDEX, np.uint8), SPACING, 0)
    with pytest.raises(ValueError, match="class 3; expected at most 2"):
        Interior(coverage=(0.1, 0.1))(organs(1)[:, 50:], SPACING, 0)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (Interior, {"coverage": 1.5}, "coverage"),
        (Interior, {"coverage": ()}, "coverage"),
        (Interior, {"class_coverage": (0.5, -0.1)}, "class_coverage"),
        (Interior, {"background": -1.0}, "background"),
        (Interior, {"selection": "all"}, "selection"),
        (Interior, {"unit": "cm"}, "unit"),
        (Interior, {"width": 0.0}, "width"),
        (Skeleton, {"method": "medial"}, "method"),
        (Skeleton, {"prune": -1.0}, "prune"),
        (Walk, {"inset": -1.0}, "inset"),
        (Spline, {"inset": -1.0}, "inset"),
    ],
)
def test_wrong_options_are_refused(kind, values, named):
    with pytest.raises(ValueError, match=named):
        kind(**values)


def test_configurations_are_told_apart():
    made = [SCRIBBLERS[name]() for name in NAMES]
    made += [replace(one, seed=1) for one in made]
    assert len({identity(one) for one in made}) == 8


def test_the_command_prints_generated_and_drawn_strokes(tmp_path, capsys):
    path = tmp_path / "labels.nii.gz"
    nifti.write(path, organs(2, 48), SPACING)
    assert main(["spline", str(path), "--coverage", "0.2", "--width", "2"]) == 0
    assert "strokes per slice" in capsys.readouterr().out
    assert main(["interior", str(path), "--coverage", "[0.1]"]) == 1
    assert "expected at most 1" in capsys.readouterr().err
    assert main(["drawn", str(path)]) == 1
    assert "expected one with drawn strokes" in capsys.readouterr().err


ACDC = Path(os.environ.get("WEAKSEG_ACDC", "missing"))


@pytest.mark.skipif(not ACDC.is_dir(), reason="WEAKSEG_ACDC names no ACDC download")
@pytest.mark.filterwarnings("ignore:.*pixdim")
def test_on_acdc_interior_curves_are_like_the_expert_scribbles():
    ours, experts = [], []
    draw = Interior(coverage=(0.101, 0.140, 0.097))
    for index, path in enumerate(sorted(ACDC.glob("**/*_gt.nii.gz"))[::20]):
        volume = nifti.read(path)
        reference = volume.array.astype(np.uint8)
        theirs = nifti.read(path.with_name(path.name.replace("_gt", "_scribble"))).array.astype(
            np.uint8
        )
        theirs[theirs == 4] = IGNORE_INDEX
        experts.append((reference, theirs, volume.spacing))
        ours.append((reference, draw(reference, volume.spacing, index), volume.spacing))
    mine, drawn = statistics(ours), statistics(experts)
    np.testing.assert_allclose(mine["labelled"], drawn["labelled"], rtol=0.25)
    np.testing.assert_allclose(mine["depth"], drawn["depth"], rtol=0.25)
    np.testing.assert_allclose(mine["strokes"], drawn["strokes"], rtol=0.4)


def test_the_command_compares_with_the_strokes_of_a_prepared_data_set(phantom, capsys):
    assert main(["drawn", str(phantom.root)]) == 0
    drawn = capsys.readouterr().out
    assert main(["skeleton", str(phantom.root), "--class_coverage", "0.5"]) == 0
    made = capsys.readouterr().out
    for printed in (drawn, made):
        assert [line.split("|")[1].strip() for line in printed.splitlines()[4:8]] == [
            "background",
            *phantom.classes,
        ]
    assert drawn != made


def test_strokes_are_those_that_preparing_would_draw(phantom):
    draw = Interior()
    first = phantom.cases[0]
    sample = phantom.load(first)
    _, scribble, _ = next(volumes(phantom.root, draw))
    seed = seed_from("strokes", first.name)
    np.testing.assert_array_equal(scribble, draw(sample.reference, sample.spacing, seed))
