import itertools

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from weakseg.online.geodesic import geodesic_distance


def exact(image, seeds, mix):
    """Dijkstra over all pairs of neighbours."""
    shape, index = seeds.shape, np.arange(seeds.size).reshape(seeds.shape)
    rows, columns, costs = [], [], []
    for u in np.ndindex(*shape):
        for shift in itertools.product((-1, 0, 1), repeat=3):
            v = tuple(np.add(u, shift))
            if any(shift) and all(0 <= a < n for a, n in zip(v, shape, strict=True)):
                change = np.linalg.norm(image[(slice(None), *u)] - image[(slice(None), *v)])
                rows.append(index[u])
                columns.append(index[v])
                costs.append((1 - mix) * np.linalg.norm(shift) + mix * change)
    graph = coo_matrix((costs, (rows, columns)), (seeds.size, seeds.size)).tocsr()
    found = dijkstra(graph, indices=index[seeds], min_only=True)
    return found.reshape(shape)


@pytest.mark.parametrize("modalities", [1, 2])
@pytest.mark.parametrize("mix", [0.0, 0.5, 0.95])
def test_equals_the_shortest_path_once_nothing_changes(modalities, mix):
    random = np.random.default_rng(0)
    image = random.normal(size=(modalities, 5, 6, 7)).astype(np.float32) * 3
    seeds = np.zeros((5, 6, 7), bool)
    seeds[0, 1, 2] = seeds[4, 4, 0] = True
    got = geodesic_distance(image, seeds, mix=mix, sweeps=50)
    np.testing.assert_allclose(got, exact(image, seeds, mix), rtol=1e-5)


def test_four_sweeps_are_near_the_shortest_path():
    image = np.random.default_rng(1).normal(size=(1, 8, 9, 10)).astype(np.float32) * 3
    seeds = np.zeros((8, 9, 10), bool)
    seeds[3] = True
    got, want = geodesic_distance(image, seeds), exact(image, seeds, 0.5)
    assert (got >= want - 1e-4).all()
    assert (got - want).max() < 0.05 * want.max()


def test_a_wall_in_the_image_is_walked_around():
    image = np.zeros((1, 3, 5, 5), np.float32)
    image[0, :, :4, 2] = 100
    seeds = np.zeros((3, 5, 5), bool)
    seeds[1, 0, 0] = True
    far = geodesic_distance(image, seeds, mix=0.5)[1, 0, 4]
    assert 0.5 * 8 < far < 0.5 * 12


def test_there_is_no_distance_without_a_seed():
    image = np.zeros((1, 2, 3, 4), np.float32)
    assert np.isinf(geodesic_distance(image, np.zeros((2, 3, 4), bool))).all()
