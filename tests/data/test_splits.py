from pathlib import Path
from typing import get_args

import pytest

from weakseg.data.splits import FOLDS, Scheme, Split, split
from weakseg.types import Case

GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")


def case(patient: int, frame: int = 1, group: str | None = None) -> Case:
    name = f"patient{patient:03d}_frame{frame:02d}"
    group = group or GROUPS[(patient - 1) // 20]
    path = Path(f"{name}.nii.gz")
    return Case(name, f"patient{patient:03d}", group, path, path, path)


FULL = [case(patient, frame) for patient in range(1, 101) for frame in (1, 12)]
CHAOS = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20, 21, 22, 31, 32, 33, 34, 36, 37, 38, 39)
SMALL = [case(20 * block + i, frame) for block in range(5) for i in range(1, 7) for frame in (1, 9)]
ALL = [
    (scheme, fold)
    for scheme in get_args(Scheme)
    if scheme not in ("chaos", "official")  # of other data
    for fold in FOLDS[scheme]
]


def plain(patient: int, part: str = "") -> list[Case]:
    """Two cases of a patient of another data set, without groups."""
    return [case(patient, frame)._replace(group="", part=part) for frame in (1, 2)]


def numbers(cases: tuple[Case, ...]) -> set[int]:
    return {int(c.patient[-3:]) for c in cases}


@pytest.mark.parametrize("cases", [FULL, SMALL], ids=["full", "small"])
@pytest.mark.parametrize(("scheme", "fold"), ALL)
def test_f20_both_frames_of_a_patient_stay_in_one_part(scheme, fold, cases):
    parts = split(scheme, cases, fold)
    patients = [numbers(part) for part in (parts.train, parts.val, parts.test)]
    assert sum(map(len, patients)) == len(set.union(*patients))
    assert all(len(part) == 2 * len(numbers(part)) for part in (parts.train, parts.val, parts.test))


def test_f20_a_patient_in_two_parts_is_an_error():
    with pytest.raises(ValueError, match=r"patient007 .*frame01 in train, patient007_frame12 in t"):
        Split(train=(case(7),), val=(case(8),), test=(case(7, 12),))


def test_f20_a_patient_in_two_groups_is_an_error():
    with pytest.raises(ValueError, match="patient007 is in two groups: DCM and RV"):
        split("stratified", [case(7), case(7, 12, "RV")], 1)


@pytest.mark.parametrize("fold", FOLDS["five_fold"])
def test_five_fold_tests_twenty_consecutive_patients(fold):
    parts = split("five_fold", FULL, fold)
    assert numbers(parts.test) == set(range(20 * fold - 19, 20 * fold + 1))
    assert len(numbers(parts.val)) == 8
    assert len(numbers(parts.train)) == 72


@pytest.mark.parametrize("scheme", ["five_fold", "stratified"])
def test_every_patient_is_tested_once(scheme):
    tested = [p for fold in FOLDS[scheme] for p in numbers(split(scheme, FULL, fold).test)]
    assert sorted(tested) == list(range(1, 101))


@pytest.mark.parametrize("fold", FOLDS["stratified"])
def test_a_stratified_fold_holds_every_group_equally(fold):
    parts = split("stratified", FULL, fold)
    for group in GROUPS:
        assert sum(c.group == group for c in parts.test) == 8
        assert 1 <= sum(c.group == group for c in parts.val) / 2 <= 2
    assert 20 * fold - 19 not in numbers(parts.test) or fold == 1


def test_maag_parts_have_the_published_sizes():
    for scheme, train in (("maag_35", 35), ("maag_70", 70)):
        parts = split(scheme, FULL, 1)
        assert [len(numbers(p)) for p in (parts.train, parts.val, parts.test)] == [train, 15, 15]
    assert numbers(split("maag_35", FULL, 1).train) < numbers(split("maag_70", FULL, 1).train)


def test_validation_does_not_depend_on_the_order_of_cases():
    assert set(split("stratified", FULL[::-1], 2).val) == set(split("stratified", FULL, 2).val)


def test_a_small_training_part_still_gives_one_validation_patient():
    few = [case(patient) for patient in (1, 21, 41)]
    assert len(split("five_fold", few, 1).val) == 1


def test_f25_a_misspelt_scheme_names_the_nearest():
    with pytest.raises(ValueError, match="nearest: 'stratified'"):
        split("stratfied", FULL, 1)


def test_a_fold_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"maag_35 has folds \(1,\), got 2"):
        split("maag_35", FULL, 2)


def test_an_empty_part_is_an_error():
    with pytest.raises(ValueError, match="five_fold fold 3 has no test patient among the 2"):
        split("five_fold", [case(1), case(21)], 3)


def test_a_patient_without_a_known_number_is_an_error():
    with pytest.raises(
        ValueError, match="knows 100 patients, 1 to 100 by number, got 'patient101'"
    ):
        split("five_fold", [*FULL, case(101, group="DCM")], 1)


def test_every_scheme_has_folds_from_1():
    assert set(FOLDS) == set(get_args(Scheme))
    assert all(folds == tuple(range(1, len(folds) + 1)) for folds in FOLDS.values())


@pytest.mark.parametrize(("fold", "tested"), [(1, CHAOS[:7]), (2, CHAOS[7:14]), (3, CHAOS[14:])])
def test_chaos_tests_consecutive_patients_of_its_list(fold, tested):
    parts = split("chaos", [c for patient in CHAOS for c in plain(patient)], fold)
    assert numbers(parts.test) == set(tested)
    assert len(numbers(parts.train)) + len(numbers(parts.val)) == 20 - len(tested)


def test_chaos_patients_that_are_missing_move_no_other():
    parts = split("chaos", [c for patient in CHAOS[2:] for c in plain(patient)], 1)
    assert numbers(parts.test) == set(CHAOS[2:7])


def test_chaos_does_not_know_patients_without_public_labels():
    with pytest.raises(ValueError, match="20 patients, 1 to 39 by number, got 'patient004'"):
        split("chaos", [*plain(1), *plain(4)], 1)


def test_the_official_split_is_that_of_the_cases():
    cases = [*plain(1, "train"), *plain(2, "val"), *plain(3, "test"), *plain(4, "train")]
    parts = split("official", cases, 1)
    assert [numbers(part) for part in (parts.train, parts.val, parts.test)] == [{1, 4}, {2}, {3}]


def test_the_official_split_without_validation_sets_some_training_patients_aside():
    cases = [*plain(1, "train"), *plain(3, "test"), *plain(4, "train")]
    parts = split("official", cases, 1)
    assert len(numbers(parts.train)) == len(numbers(parts.val)) == 1
    assert numbers(parts.test) == {3}


def test_the_official_split_needs_parts():
    with pytest.raises(ValueError, match=r"2 of 4 cases have no official part \(patient004_fr"):
        split("official", [*plain(1, "test"), *plain(4)], 1)


def test_f20_an_official_split_that_shares_a_patient_is_an_error():
    with pytest.raises(ValueError, match="patient001 is in two parts of the split"):
        split("official", [*plain(1, "train"), *plain(2, "val"), *plain(1, "test")], 1)


@pytest.mark.parametrize("patients", [5, 13])
def test_data_without_groups_can_be_stratified(patients):
    cases = [c for patient in range(1, patients + 1) for c in plain(patient)]
    tested = [numbers(split("stratified", cases, fold).test) for fold in FOLDS["stratified"]]
    assert sorted(p for part in tested for p in part) == list(range(1, patients + 1))
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
