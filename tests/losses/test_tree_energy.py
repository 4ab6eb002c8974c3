import itertools

import numpy as np
import pytest
import torch

from weakseg.losses import TreeEnergy
from weakseg.losses.spanning_tree import edge_weights, minimum_spanning_forest, tree_filter
from weakseg.types import IGNORE_INDEX, Batch, Output


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def path_products(weights, parent, nodes):
    """Return s_ij of one tree by walking from i and from j up to where they meet."""

    def up(node):
        chain = [node]
        while parent[chain[-1]] != chain[-1]:
            chain.append(int(parent[chain[-1]]))
        return chain

    similar = np.eye(nodes)
    for i, j in itertools.permutations(range(nodes), 2):
        a, b = up(i), up(j)
        meeting = next(node for node in a if node in b)
        edges = a[: a.index(meeting)] + b[: b.index(meeting)]
        similar[i, j] = np.prod([float(weights[node]) for node in edges])
    return similar


def test_filtering_averages_by_the_product_of_the_weights_on_the_path():
    features, values = random(2, 2, 3, 4), random(2, 3, 3, 4, seed=1)
    forest = minimum_spanning_forest(features)
    weights = edge_weights(features, forest, sigma=0.5)
    found = tree_filter(values, weights, forest)
    for b in range(2):
        parent = forest.parent[b * 12 : (b + 1) * 12] - b * 12
        similar = torch.from_numpy(path_products(weights[b * 12 : (b + 1) * 12], parent, 12))
        expected = (similar @ values[b].flatten(1).T) / similar.sum(1, keepdim=True)
        torch.testing.assert_close(found[b], expected.T.reshape(3, 3, 4))


def test_the_tree_spans_all_pixels_at_least_cost():
    features = random(1, 1, 3, 3)
    parent = minimum_spanning_forest(features).parent.numpy()
    flat = features.flatten().numpy()
    edges = [(n, int(p)) for n, p in enumerate(parent) if n != p]
    assert len(edges) == 8
    assert all(abs(a - b) in (1, 3) for a, b in edges)
    cost = sum((flat[a] - flat[b]) ** 2 for a, b in edges)
    grid = [(i, i + 1) for i in range(9) if i % 3 < 2] + [(i, i + 3) for i in range(6)]

    def spans(chosen):
        reached, grew = {0}, True
        while grew:
            grew = False
            for a, b in chosen:
                if (a in reached) != (b in reached):
                    reached |= {a, b}
                    grew = True
        return len(reached) == 9

    best = min(
        sum((flat[a] - flat[b]) ** 2 for a, b in chosen)
        for chosen in itertools.combinations(grid, 8)
        if spans(chosen)
    )
    assert cost == pytest.approx(best)


def test_gradients_of_values_and_features_are_exact():
    features = random(2, 2, 3, 3).requires_grad_()
    values = random(2, 2, 3, 3, seed=1).requires_grad_()

    def filtered(values, features):
        forest = minimum_spanning_forest(features)
        return tree_filter(values, edge_weights(features, forest, 0.7), forest)

    assert torch.autograd.gradcheck(filtered, (values, features))


def test_equal_pixels_are_averaged_over_the_whole_tree():
    values = random(1, 2, 4, 4)
    forest = minimum_spanning_forest(torch.zeros(1, 1, 4, 4))
    found = tree_filter(values, edge_weights(torch.zeros(1, 1, 4, 4), forest, 1.0), forest)
    torch.testing.assert_close(found, values.mean((2, 3), keepdim=True).expand_as(values))


def energy(logits, image, features, label):
    out = Output(logits, features={"decoder.3": features})
    return TreeEnergy()(out, Batch(image, label, ["case"])).mean()


def test_a_prediction_that_follows_the_image_has_no_energy():
    label = torch.zeros(1, 8, 8, dtype=torch.int64)
    label[:, :, 4:] = 1
    image = label[:, None].float()
    nothing = torch.full_like(label, IGNORE_INDEX)
    right = torch.nn.functional.one_hot(label, 2).movedim(-1, 1) * 100.0
    wrong = right.transpose(2, 3)
    features = image.expand(1, 4, 8, 8) * 10
    assert energy(right, image, features, nothing) == pytest.approx(0.0, abs=1e-6)
    assert energy(wrong, image, features, nothing) > 0.5


def test_annotated_pixels_do_not_count():
    logits, image = torch.randn(1, 2, 4, 4), torch.rand(1, 1, 4, 4)
    label = torch.zeros(1, 4, 4, dtype=torch.int64)
    assert energy(logits, image, image, label) == 0


def test_a_coarse_layer_is_refused():
    label = torch.zeros(1, 4, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="as fine as the prediction"):
        energy(torch.randn(1, 2, 4, 4), torch.rand(1, 1, 4, 4), torch.rand(1, 1, 2, 2), label)
