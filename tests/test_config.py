from dataclasses import dataclass

import pytest

from weakseg.config import Compute, Optim, describe, identity, override
from weakseg.losses import MaskedCRF, PartialCE
from weakseg.method import Method

METHOD = Method(losses=(PartialCE(), MaskedCRF()))


def test_description_is_plain_and_complete() -> None:
    described = describe(METHOD)
    assert described["type"] == "Method"
    assert described["network"]["widths"] == [16, 32, 64, 128, 256]
    assert [term["type"] for term in described["losses"]] == ["PartialCE", "MaskedCRF"]
    assert described["attention"] is None


def test_description_refuses_what_has_no_plain_form() -> None:
    with pytest.raises(TypeError, match="a configuration holds numbers, strings"):
        describe({"something": object()})


def test_identity_is_twelve_digits_that_change_with_any_number() -> None:
    assert len(identity(Optim())) == 12
    assert identity(Optim()) == identity(Optim(lr=0.01))
    assert len({identity(o) for o in (Optim(), Optim(lr=0.02), Optim(momentum=0.8))}) == 3


def test_identity_tells_classes_with_equal_fields_apart() -> None:
    @dataclass(frozen=True)
    class One:
        weight: float = 1.0

    @dataclass(frozen=True)
    class Other:
        weight: float = 1.0

    assert identity(One()) != identity(Other())


def test_identity_stays_what_it_was() -> None:
    # Finished runs are found by it.
    assert identity({"a": [1, 2.5, None, True, "x"]}) == "61abc20e7087"


def test_override_enters_tuples_by_name_and_leaves_the_original() -> None:
    changed = override(METHOD, "losses.masked_crf.weight", 0.3)
    assert changed.losses == (PartialCE(), MaskedCRF(weight=0.3))
    assert METHOD.losses == (PartialCE(), MaskedCRF())


def test_override_replaces_nested_configs() -> None:
    assert override(METHOD, "network.widths", (4, 4, 4, 8, 8)).network.widths == (4, 4, 4, 8, 8)


@pytest.mark.parametrize(
    ("path", "nearest"), [("losses.masked_cfr.weight", "masked_crf"), ("netwrok", "network")]
)
def test_f25_override_names_the_nearest_field(path: str, nearest: str) -> None:
    with pytest.raises(KeyError, match=f"did you mean '{nearest}'"):
        override(METHOD, path, 1)


def test_override_refuses_to_enter_a_number() -> None:
    with pytest.raises(KeyError, match="has no field 'deeper'"):
        override(Optim(), "lr.deeper", 1)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="lr must be positive, got 0"):
        Optim(lr=0)


def test_compute_defaults_leave_the_choice_to_the_machine() -> None:
    assert Compute() == Compute(accelerator="auto", devices=1, precision="auto")
