import numpy as np

from weakseg.seeding import generator, seed_from


def test_seeds_depend_on_every_part_of_the_key_and_its_type() -> None:
    keys = [(0,), (1,), (0, 0), ("0",), (0, "order", 1), (0, "order", 2), (0, "order1")]
    assert len({seed_from(*key) for key in keys}) == len(keys)


def test_seeds_fit_what_torch_and_numpy_take() -> None:
    assert all(0 <= seed_from(i) < 2**63 for i in range(100))


def test_seeds_stay_what_they_were() -> None:
    # Weights and orders of finished runs depend on it.
    assert seed_from(0, "order", 7) == 3948388811357488152


def test_generators_of_one_key_draw_the_same() -> None:
    assert np.array_equal(generator(3, "x").random(5), generator(3, "x").random(5))
    assert not np.array_equal(generator(3, "x").random(5), generator(3, "y").random(5))
