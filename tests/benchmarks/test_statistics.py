import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.statistics import (
    FEWEST,
    cliques,
    correct,
    holm,
    interval,
    paired,
    ranks,
    ratio_interval,
)

nan = math.nan


def per_case(*patients: list[float]) -> "pd.Series[float]":
    """One list of values per patient."""
    index = [(f"p{i:02d}", f"c{j}") for i, part in enumerate(patients) for j in range(len(part))]
    values = [value for part in patients for value in part]
    return pd.Series(values, pd.MultiIndex.from_tuples(index, names=["patient", "case"]))


def singles(*values: float) -> "pd.Series[float]":
    return per_case(*([value] for value in values))


@pytest.fixture
def skewed() -> "pd.Series[float]":
    return singles(*np.random.default_rng(4).exponential(size=30))


def test_interval_holds_the_mean_and_follows_the_skew(skewed: "pd.Series[float]") -> None:
    found, mean = interval(skewed), skewed.mean()
    assert found is not None
    assert found.low < mean < found.high
    assert found.high - mean > 1.15 * (mean - found.low)


def test_interval_is_as_wide_as_that_of_the_normal_for_many_patients() -> None:
    values = singles(*np.random.default_rng(1).normal(0.8, 0.1, 200))
    found = interval(values)
    expected = stats.norm.interval(0.95, values.mean(), values.std() / math.sqrt(200))
    assert found == pytest.approx(expected, abs=0.002)


def test_interval_is_the_same_every_time_and_moves_with_the_values(skewed) -> None:
    found, moved = interval(skewed), interval(skewed + 10)
    assert found is not None
    assert moved == pytest.approx([limit + 10 for limit in found])
    assert interval(skewed) == found


def test_cases_of_one_patient_are_drawn_together(skewed: "pd.Series[float]") -> None:
    twice = per_case(*([value, value] for value in skewed))
    assert interval(twice) == pytest.approx(interval(skewed))


def test_patients_with_more_cases_weigh_more() -> None:
    rest = [[0.8], [0.82], [0.79], [0.81], [0.83]]
    once, thrice = per_case([0.2], *rest), per_case([0.2] * 3, *rest)
    one, other = interval(once), interval(thrice)
    assert one is not None
    assert other is not None
    assert other.low < one.low
    assert other.low < thrice.mean() < other.high


def test_values_that_are_missing_count_for_nothing(skewed: "pd.Series[float]") -> None:
    more = pd.concat([skewed, per_case(*[[0.0]] * 30, [nan]).iloc[-1:]])
    assert interval(more) == interval(skewed)


def test_no_interval_of_few_patients_however_many_cases() -> None:
    assert interval(per_case(*[[0.1, 0.2, 0.3]] * 4)) is None
    assert interval(per_case(*[[0.1, 0.2]] * 4, [nan])) is None
    assert interval(singles().astype(float)) is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert interval(singles(*[0.5] * 6)) == pytest.approx((0.5, 0.5))


def exact(differences: list[float]) -> float:
    """Two-sided p by every assignment of signs."""
    sizes = stats.rankdata(np.abs(differences))
    middle = sizes.sum() / 2
    seen = abs(sizes[np.array(differences) > 0].sum() - middle)
    sums = [sum(s for s, up in zip(sizes, signs, strict=True) if up)
            for signs in itertools.product((0, 1), repeat=len(sizes))]  # fmt: skip
    return float(np.mean([abs(total - middle) >= seen - 1e-9 for total in sums]))


def test_p_is_that_of_all_assignments_of_signs() -> None:
    differences = [0.05, -0.01, 0.03, 0.02, 0.07, 0.04, -0.06]
    found = paired(singles(*differences), singles(*[0.0] * 7))
    assert found.p == pytest.approx(exact(differences))
    assert (found.n, found.median) == (7, 0.03)


def test_the_test_is_two_sided_and_the_median_has_the_sign_of_the_row() -> None:
    one, other = singles(1, 2, 3, 4, 5, 6.5), singles(2, 2.5, 4.2, 4.1, 7, 9)
    forth, back = paired(one, other), paired(other, one)
    assert forth.p == back.p
    assert forth.median == -back.median < 0


def test_the_unit_is_the_patient() -> None:
    one = per_case([0.1, 0.3], [0.2, 0.4], [0.5, 0.1])
    other = per_case([0.0, 0.2], [0.0, 0.0], [0.0, 0.0])
    found = paired(one, other)
    assert found.n == 3
    assert found.median == pytest.approx(0.3)
    assert found.p == pytest.approx(0.25)


def test_only_cases_that_both_have_are_compared() -> None:
    one = singles(0.1, 0.2, nan, 0.4)
    other = singles(0.0, 0.0, 0.0, nan, 0.0)
    assert paired(one, other).n == 2
    nothing = paired(one, singles().astype(float))
    assert nothing.n == 0
    assert math.isnan(nothing.p)


def test_zero_differences_keep_their_ranks() -> None:
    one = singles(*[0.0] * 14, *np.linspace(1, 2, 16))
    zeros = singles(*[0.0] * 30)
    pratt = stats.wilcoxon(one.to_numpy(), zero_method="pratt").pvalue
    dropped = stats.wilcoxon(one.to_numpy(), zero_method="wilcox").pvalue
    assert paired(one, zeros).p == pytest.approx(pratt)
    assert pratt != pytest.approx(dropped, rel=0.01)


def test_equal_rows_differ_by_chance_for_sure() -> None:
    assert paired(singles(1, 2, 3), singles(1, 2, 3)) == (
        3,
        0.0,
        1.0,
        pytest.approx(nan, nan_ok=True),
    )


def test_rounding_makes_no_difference_of_equal_scores() -> None:
    assert paired(singles(*[0.1 + 0.2] * 5), singles(*[0.3] * 5)).p == 1.0


def test_holm_is_the_step_down_procedure() -> None:
    values = [0.004, 0.2, 0.013, 0.03, 0.013]
    for level in (0.005, 0.02, 0.04, 0.05, 0.1, 0.3):
        rejected = set()
        for k, i in enumerate(sorted(range(5), key=values.__getitem__)):
            if values[i] > level / (5 - k):
                break
            rejected.add(i)
        assert {i for i, p in enumerate(holm(values)) if p <= level + 1e-12} == rejected


def test_holm_never_exceeds_one_and_passes_over_missing_tests() -> None:
    found = holm([0.6, nan, 0.5])
    assert found[0] == found[2] == 1.0
    assert math.isnan(found[1])
    assert holm([]) == []


def test_tests_are_corrected_together() -> None:
    tests = [paired(singles(*range(1, n)), singles(*[0.0] * (n - 1))) for n in (6, 10)]
    adjusted = [test.adjusted for test in correct(tests)]
    assert adjusted == pytest.approx(holm([test.p for test in tests]))


def test_critical_difference_of_demsars_example() -> None:
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(14, 4)))
    found = ranks(scores)
    assert found is not None
    assert found.critical == pytest.approx(1.25, abs=0.005)


def test_ranks_are_averaged_over_patients_with_ties_shared() -> None:
    scores = pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.8, 0.6], "c": [0.1, 0.2, 0.9]})
    found = ranks(scores)
    assert found is not None
    assert dict(found.mean) == pytest.approx(
        {"a": (1 + 1.5 + 2) / 3, "b": (2 + 1.5 + 3) / 3, "c": (3 + 3 + 1) / 3}
    )
    assert found.patients == 3


def test_friedmans_p_is_that_of_the_formula() -> None:
    scores = pd.DataFrame(np.random.default_rng(7).normal([0, 0.5, 1], size=(12, 3)))
    found = ranks(scores)
    assert found is not None
    n, k = scores.shape
    squares = 12 * n / (k * (k + 1)) * ((found.mean - (k + 1) / 2) ** 2).sum()
    assert found.p == pytest.approx(stats.chi2.sf(squares, k - 1))


def test_patients_without_a_score_in_some_row_are_left_out() -> None:
    scores = pd.DataFrame({"a": [0.9, 0.8, nan], "b": [0.8, 0.7, 0.6]})
    found = ranks(scores)
    assert found is not None
    assert found.patients == 2
    assert list(found.mean) == [1.0, 2.0]
    assert math.isnan(found.p)


def test_too_little_to_rank() -> None:
    assert ranks(pd.DataFrame({"a": [0.9, 0.8]})) is None
    assert ranks(pd.DataFrame({"a": [0.9, nan], "b": [0.8, 0.7]})) is None


def test_rows_that_are_all_equal_have_no_friedman_test() -> None:
    found = ranks(pd.DataFrame({name: [0.5] * 4 for name in "abc"}))
    assert found is not None
    assert math.isnan(found.p)
    assert list(found.mean) == [2.0] * 3


def test_cliques_are_the_longest_spans() -> None:
    assert cliques([3.0, 1.0, 2.0, 2.5], 1.0) == [(1.0, 2.0), (2.0, 3.0)]
    assert cliques([1.0, 3.0], 1.0) == []
    assert cliques([1.0, 1.2, 1.4], 5.0) == [(1.0, 1.4)]


def test_the_interval_of_a_ratio_of_sums_holds_it_and_draws_parts_with_their_wholes() -> None:
    wholes = pd.Series([100.0, 200.0, 50.0, 400.0, 150.0, 80.0])
    assert ratio_interval(0.4 * wholes, wholes) == pytest.approx((0.4, 0.4))
    parts = wholes * [0.3, 0.5, 0.4, 0.35, 0.45, 0.6]
    found = ratio_interval(parts, wholes)
    assert found is not None
    assert 0.3 < found.low < parts.sum() / wholes.sum() < found.high < 0.6


def test_the_ratio_of_few_patients_has_no_interval() -> None:
    few = pd.Series([1.0] * (FEWEST - 1))
    assert ratio_interval(few, few) is None
