"""Splits by patient; all frames of a patient stay on one side."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from weakseg.types import Case

Scheme = Literal["five_fold", "maag_35", "maag_70", "chaos", "official", "stratified"]

FOLDS: Final[dict[Scheme, tuple[int, ...]]] = {
    "five_fold": (1, 2, 3, 4, 5),
    "maag_35": (1,),
    "maag_70": (1,),
    "chaos": (1, 2, 3),
    "official": (1,),
    "stratified": (1, 2, 3, 4, 5),
}
"""The folds of each scheme."""

VALIDATION_SHARE: Final = 0.1
"""Part of the training patients that is set aside for validation."""

_ACDC: Final = range(1, 101)
_PER_FOLD: Final = 20
# Valvano et al., IEEE TMI 2021: the lists of their released code, by patient number.
_MAAG_TEST: Final = (5, 39, 77, 82, 78, 10, 64, 24, 30, 73, 80, 41, 36, 60, 72)
_MAAG_VAL: Final = (84, 32, 27, 96, 17, 18, 57, 81, 79, 22, 1, 44, 49, 25, 95)
# fmt: off
_MAAG_TRAIN: Final = (
    37, 50, 53, 100, 38, 19, 61, 74, 97, 31, 91, 35, 56, 94, 26, 69, 46, 59, 4, 89, 71, 6, 52, 43,
    45, 63, 93, 14, 98, 88, 21, 28, 99, 54, 90,
)
_MAAG_MORE: Final = (
    2, 76, 34, 85, 70, 86, 3, 8, 51, 40, 7, 13, 47, 55, 12, 58, 87, 9, 65, 62, 33, 42, 23, 92, 29,
    11, 83, 68, 75, 67, 16, 48, 66, 20, 15,
)
# The public training patients of CHAOS with MR; folds are consecutive parts of the list.
CHAOS_PATIENTS: Final = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20, 21, 22, 31, 32, 33, 34, 36, 37, 38, 39)
CHAOS_PER_FOLD: Final = 7
# fmt: on


@dataclass(frozen=True)
class Split:
    """Cases to learn from, to select on and to report.

    Raises:
        ValueError: a patient has cases in two of the three parts.
    """

    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]

    def __post_init__(self) -> None:
        seen: dict[str, tuple[str, str]] = {}
        for part in ("train", "val", "test"):
            for case in getattr(self, part):
                where, other = seen.setdefault(case.patient, (part, case.name))
                if where != part:
                    raise ValueError(
                        f"patient {case.patient} is in two parts of the split: {other} in {where}, "
                        f"{case.name} in {part}; keep all frames of a patient together"
                    )


def split(scheme: Scheme, cases: Sequence[Case], fold: int) -> Split:
    """Return one fold of a scheme.

    ``five_fold`` tests patients 1-20, 21-40, ... of ACDC (Luo et al., MICCAI 2022, WSL4MIS); each
    of its folds tests one disease group that training never sees. ``maag_35`` and ``maag_70``
    are the lists of Valvano et al. (IEEE TMI 2021), with their own validation patients.
    ``chaos`` tests the first 7, next 7 and last 6 of the 20 public MR patients of CHAOS (Tian et
    al., AttenScribble). ``official`` takes the parts that come with the data set.
    ``stratified`` deals the sorted patients of each group over five folds. Patients the data
    set lacks are left out of the lists.

    Args:
        scheme: name of the scheme.
        cases: all cases of the data set.
        fold: number of the fold, from 1.

    Returns:
        The parts, each in the order of ``cases``. Where the scheme has no validation list,
        a tenth of the training patients (at least one), spread over the groups.

    Raises:
        ValueError: unknown scheme or fold, a patient the scheme does not know or with two
            groups, a case without an official part, or a part without a patient.
    """
    if scheme not in get_args(Scheme):
        near = difflib.get_close_matches(str(scheme), get_args(Scheme), n=1, cutoff=0)
        raise ValueError(f"no split {scheme!r} among {get_args(Scheme)}; nearest: {near[0]!r}")
    if fold not in FOLDS[scheme]:
        raise ValueError(f"{scheme} has folds {FOLDS[scheme]}, got {fold}")
    groups = _groups(cases)
    if scheme in ("maag_35", "maag_70"):
        train, val, test = _maag(scheme, groups)
    elif scheme == "official":
        train, val, test = _official(cases, groups)
    else:
        tested = {"five_fold": _five_fold, "chaos": _chaos, "stratified": _stratified}[scheme]
        test = tested(groups, fold)
        train, val = _set_aside(groups, set(groups) - test)
    for part, patients in (("train", train), ("val", val), ("test", test)):
        if not patients:
            raise ValueError(
                f"{scheme} fold {fold} has no {part} patient among the {len(groups)} there are"
            )
    return Split(*(tuple(c for c in cases if c.patient in part) for part in (train, val, test)))


def _groups(cases: Sequence[Case]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for case in cases:
        group = groups.setdefault(case.patient, case.group)
        if group != case.group:
            raise ValueError(f"patient {case.patient} is in two groups: {group} and {case.group}")
    return groups


def _number(patient: str, known: Collection[int]) -> int:
    digits = re.search(r"[0-9]+$", patient)
    number = int(digits.group()) if digits else 0
    if number not in known:
        first, last = min(known), max(known)
        raise ValueError(
            f"this split knows {len(known)} patients, {first} to {last} by number, got {patient!r}"
        )
    return number


def _five_fold(groups: dict[str, str], fold: int) -> set[str]:
    return {p for p in groups if (_number(p, _ACDC) - 1) // _PER_FOLD == fold - 1}


def _chaos(groups: dict[str, str], fold: int) -> set[str]:
    places = {patient: CHAOS_PATIENTS.index(_number(patient, CHAOS_PATIENTS)) for patient in groups}
    return {p for p, place in places.items() if place // CHAOS_PER_FOLD == fold - 1}


def _stratified(groups: dict[str, str], fold: int) -> set[str]:
    test: set[str] = set()
    for group in set(groups.values()):
        members = sorted(patient for patient in groups if groups[patient] == group)
        test.update(members[fold - 1 :: len(FOLDS["stratified"])])
    return test


def _maag(scheme: Scheme, groups: dict[str, str]) -> tuple[set[str], set[str], set[str]]:
    train = _MAAG_TRAIN if scheme == "maag_35" else _MAAG_TRAIN + _MAAG_MORE
    numbers = {patient: _number(patient, _ACDC) for patient in groups}

    def present(wanted: tuple[int, ...]) -> set[str]:
        return {patient for patient, number in numbers.items() if number in wanted}

    return present(train), present(_MAAG_VAL), present(_MAAG_TEST)


def _official(cases: Sequence[Case], groups: dict[str, str]) -> tuple[set[str], set[str], set[str]]:
    without = [case.name for case in cases if not case.part]
    if without:
        raise ValueError(
            f"{len(without)} of {len(cases)} cases have no official part ({without[0]}); use a "
            "data set that comes with a split, or another scheme"
        )
    train, val, test = (
        {case.patient for case in cases if case.part == part} for part in ("train", "val", "test")
    )
    return (train, val, test) if val else (*_set_aside(groups, train), test)


def _set_aside(groups: dict[str, str], training: set[str]) -> tuple[set[str], set[str]]:
    """Return training without validation, and validation: evenly spaced in group order."""
    ordered = sorted(training, key=lambda patient: (groups[patient], patient))
    count = max(1, round(VALIDATION_SHARE * len(ordered)))
    places = {(2 * i + 1) * len(ordered) // (2 * count) for i in range(count)}
    val = {patient for i, patient in enumerate(ordered) if i in places}
    return training - val, val
