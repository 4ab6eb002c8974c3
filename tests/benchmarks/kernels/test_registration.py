from benchmarks.kernels import registration
from benchmarks.kernels.registration import pairs, rounds, stack

SMALL = {"small": (6, 24, 24)}


def test_a_stack_holds_an_organ_that_changes_from_slice_to_slice() -> None:
    made = stack((6, 24, 24))
    assert made.image.shape == made.reference.shape == (6, 24, 24)
    sizes = made.reference.sum(axis=(1, 2))
    assert sizes.min() > 0
    assert len(set(sizes.tolist())) > 1


def test_registration_is_timed_and_improves_the_overlap(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(registration, "STACKS", SMALL)
    frame = pairs(repeats=1, sizes=["small"])
    ours = frame[frame["registration"] == "ours"].iloc[0]
    assert ours["seconds"] > 0
    assert ours["Dice of the warped mask"] > ours["Dice unmoved"]


def test_a_round_is_timed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(registration, "STACKS", SMALL)
    assert (rounds(repeats=1, sizes=["small"])["seconds a round"] > 0).all()
