import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from weakseg.online.memory import Memory, Sample


def case(position, value=0.5, name=None):
    volume = np.full((2, 3, 4), value, np.float32)
    return Sample(name or f"case{position}", position, volume[None] * 7, volume, volume + 1)


def filled(count, seed=0, **config):
    replay = Memory(**config).build()
    for position in range(1, count + 1):
        replay.add(case(position), (seed, position, 1))
    return replay


def positions(samples):
    return [sample.position for sample in samples]


@pytest.mark.parametrize("law", ["reservoir", "random-drop", "fifo"])
@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_round_never_replays_more_than_the_size(law, size):
    replay = Memory(law=law, size=size).build()
    for position in range(1, 12):
        replay.add(case(position), (0, position))
        assert len(replay.working((0, position + 1))) == min(size, position)


@pytest.mark.parametrize("law", ["reservoir", "random-drop", "fifo"])
def test_nothing_is_kept_at_size_zero(law):
    assert filled(5, law=law, size=0).samples == ()


@pytest.mark.parametrize("law", ["reservoir", "random-drop", "fifo", "all"])
def test_everything_is_replayed_while_the_memory_is_not_full(law):
    assert positions(filled(6, law=law, size=6).working((0, 7))) == [1, 2, 3, 4, 5, 6]


def test_the_law_all_keeps_every_case_whatever_the_size():
    assert positions(filled(9, law="all", size=2).working((0, 10))) == list(range(1, 10))


def test_fifo_keeps_the_latest_cases():
    assert positions(filled(9, law="fifo", size=3).working((0, 10))) == [7, 8, 9]


def test_reservoir_holds_every_case_seen_with_equal_probability():
    times, total, size = 3000, 12, 4
    counts = np.zeros(total)
    for seed in range(times):
        counts[[p - 1 for p in positions(filled(total, seed, size=size).samples)]] += 1
    # Holding exactly M of t shrinks the variance of the counts, and so the statistic.
    shrunk = 1 - (size - 1) / (total - 1)
    assert chisquare(counts).statistic / shrunk < 31.3  # 0.999 of chi-square with 11 degrees
    assert counts.sum() == times * size


def test_random_drop_forgets_exponentially_with_age():
    times, total, size = 2000, 12, 4
    counts = np.zeros(total + 1)
    for seed in range(times):
        held = filled(total, seed, law="random-drop", size=size).working((seed, total + 1, 1))
        counts[[total + 1 - p for p in positions(held)]] += 1
    for age in (1, 2, 4, 7):  # the first four cases filled the memory
        expected = (size / (size + 1)) ** age
        spread = np.sqrt(expected * (1 - expected) / times)
        assert abs(counts[age] / times - expected) < 4 * spread


def test_random_drop_goes_on_with_what_the_last_round_replayed():
    replay = filled(8, law="random-drop", size=3)
    last = positions(replay.working((0, 9, 2)))
    replay.add(case(9), (0, 9, 2))
    assert positions(replay.samples) == [*last, 9]


def test_rounds_of_a_case_draw_anew_and_asking_changes_nothing():
    replay = filled(8, law="random-drop", size=3)
    drawn = [positions(replay.working((0, 9, r))) for r in range(20)]
    assert len({tuple(d) for d in drawn}) > 1
    assert drawn == [positions(replay.working((0, 9, r))) for r in range(20)]


def test_a_case_that_comes_again_replaces_its_earlier_version():
    replay = filled(3, size=4)
    replay.add(case(2, 0.9), (0, 4))
    assert [float(s.target[0, 0, 0]) for s in replay.samples] == pytest.approx([0.5, 0.9, 0.5])
    assert replay.seen == 3


def test_a_stored_target_is_not_changed_by_what_happens_to_the_array_it_came_from():
    replay, sample = Memory().build(), case(1)
    replay.add(sample, (0, 1))
    sample.target[...] = 0.1
    assert (replay.working((0, 2))[0].target == 0.5).all()


def test_a_replayed_array_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        filled(1).working((0, 2))[0].target[...] = 0


def test_soft_targets_are_kept_as_they_are():
    target = np.random.default_rng(0).random((2, 3, 4), np.float32)
    replay = Memory().build()
    replay.add(case(1)._replace(target=target), (0, 1))
    np.testing.assert_array_equal(replay.samples[0].target, target)


def share_of_first(replay, draws=1000):
    return np.mean([1 in positions(replay.working((0, 9, r))) for r in range(draws)])


@pytest.mark.parametrize(("favour", "expected"), [("residual", 0.8), ("agreement", 0.2)])
def test_a_draw_is_in_proportion_to_the_weight(favour, expected):
    replay = filled(2, size=2, replayed=1, alpha=1.0, favour=favour)
    replay.rate("case1", 0.8)
    replay.rate("case2", 0.2)
    assert share_of_first(replay) == pytest.approx(expected, abs=0.05)


def test_alpha_zero_draws_uniformly_whatever_the_residuals():
    replay = filled(2, size=2, replayed=1, favour="residual")
    replay.rate("case1", 1.0)
    replay.rate("case2", 0.0)
    assert share_of_first(replay) == pytest.approx(0.5, abs=0.05)


def test_a_case_with_weight_zero_is_still_drawn_when_nothing_else_is_left():
    replay = filled(2, size=2, replayed=2, alpha=1.0, favour="residual")
    replay.rate("case1", 0.0)
    assert positions(replay.working((0, 3))) == [1, 2]


def test_warm_cases_are_replayed_besides_and_never_twice():
    replay = Memory(size=2, warm=3).build()
    replay.start([case(-i, name=f"warm{i}") for i in range(4)], (0, "warm"))
    for position in range(1, 6):
        names = [s.name for s in replay.working((0, position))]
        assert len(names) == len(set(names))
        assert sum(name.startswith("warm") for name in names) >= 2
        replay.add(case(position), (0, position))


def test_random_drop_starts_with_the_whole_warm_up_set_to_draw_from():
    replay = Memory(law="random-drop", size=2).build()
    replay.start([case(-i, name=f"warm{i}") for i in range(6)], (0, "warm"))
    drawn = {s.name for r in range(50) for s in replay.working((0, 1, r))}
    assert len(drawn) == 6
    assert len(replay.working((0, 1, 0))) == 2


def test_a_restored_memory_goes_on_as_the_saved_one(tmp_path):
    config = Memory(size=3, replayed=2, alpha=1.0, favour="residual", warm=1)
    replay, other = config.build(), config.build()
    replay.start([case(-i, name=f"warm{i}") for i in range(3)], (0, "warm"))
    for position in range(1, 7):
        replay.add(case(position), (0, position))
        replay.rate(f"case{position}", 0.1 * position)
    torch.save(replay.state(), tmp_path / "state.pt")
    other.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for position in range(7, 30):
        for one in (replay, other):
            one.add(case(position), (0, position))
        names = [[s.name for s in one.working((1, position))] for one in (replay, other)]
        assert names[0] == names[1]
    for mine, theirs in zip(replay.samples, other.samples, strict=True):
        assert mine[:2] == theirs[:2]
        for a, b in zip(mine[2:], theirs[2:], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change",
    [
        {"target": np.zeros((2, 3, 5), np.float32)},
        {"target": np.full((2, 3, 4), 1.5, np.float32)},
        {"target": np.full((2, 3, 4), np.nan, np.float32)},
        {"weight": np.full((2, 3, 4), -1, np.float32)},
        {"image": np.zeros((2, 3, 4), np.float32)},
    ],
)
def test_refuses_samples_that_are_no_case(change):
    with pytest.raises(ValueError, match="case1"):
        Memory().build().add(case(1)._replace(**change), (0, 1))


@pytest.mark.parametrize(
    "wrong",
    [{"law": "lru"}, {"favour": "old"}, {"size": -1}, {"alpha": -1.0}, {"alpha": 1.0},
     {"alpha": float("nan")}, {"warm": -1}, {"replayed": -1}],
)  # fmt: skip
def test_refuses_wrong_values(wrong):
    with pytest.raises(ValueError):
        Memory(**wrong)


def test_refuses_a_residual_outside_zero_and_one():
    with pytest.raises(ValueError, match="case1"):
        Memory().build().rate("case1", 1.5)
