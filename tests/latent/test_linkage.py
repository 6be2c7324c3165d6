"""Agglomeration: SciPy's linkage, brute force, and the minimum spanning tree by another route."""

import itertools

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import is_valid_linkage
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.sparse.csgraph import minimum_spanning_tree as scipy_tree
from scipy.spatial.distance import pdist, squareform

from peira.core import DataError
from peira.latent.linkage import RULES, linkage
from peira.latent.minimum_spanning_tree import all_distances, minimum_spanning_tree
from peira.numerics.distances import distances, metric

METRICS = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "hamming"]
CHAINED = ["single", "complete", "average", "weighted", "ward"]


def rows(seed, N, D, *, ties=False):
    rng = np.random.default_rng([seed, N, D])
    return torch.tensor(rng.integers(0, 4, (N, D)).astype(float) if ties else rng.normal(size=(N, D)))


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize(("N", "D"), [(1, 2), (2, 1), (3, 2), (20, 1), (70, 3), (200, 2), (130, 20), (90, 80)])
def test_the_linkage_matrix_is_scipys(method, N, D, seed):
    X = rows(seed, N, D)
    Z = linkage(X, method)
    if N == 1:
        assert Z.shape == (0, 4)
        return
    np.testing.assert_allclose(Z, scipy_linkage(X.numpy(), method), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", CHAINED)
@pytest.mark.parametrize(("N", "D"), [(20, 1), (60, 2), (200, 5), (150, 20)])
def test_ties_and_repeated_rows_are_joined_as_scipy_does(method, N, D, seed):
    X = rows(seed, N, D, ties=True)
    np.testing.assert_allclose(linkage(X, method), scipy_linkage(X.numpy(), method), rtol=1e-12, atol=1e-12)


def distance_of(method, d, X, a, b):
    """How far two clusters are apart by the definition, from all pairs."""
    pairs = d[np.ix_(a, b)]
    if method == "ward":
        size = len(a) * len(b) / (len(a) + len(b))
        return np.sqrt(2 * size) * np.linalg.norm(X[a].mean(0) - X[b].mean(0))
    if method == "centroid":
        return np.linalg.norm(X[a].mean(0) - X[b].mean(0))
    return {"single": pairs.min, "complete": pairs.max, "average": pairs.mean}[method]()


@pytest.mark.parametrize("method", ["single", "complete", "average", "ward", "centroid"])
@pytest.mark.parametrize("ties", [False, True])
def test_each_join_is_one_of_the_nearest_pair(method, ties, seed):
    X = rows(seed, 14, 2, ties=ties).numpy()
    d = squareform(pdist(X))
    clusters = {i: [i] for i in range(14)}
    for k, (a, b, height, size) in enumerate(linkage(torch.tensor(X), method)):
        least = min(distance_of(method, d, X, u, v) for u, v in itertools.combinations(clusters.values(), 2))
        a, b = clusters.pop(int(a)), clusters.pop(int(b))
        assert height == pytest.approx(least, abs=1e-12) == distance_of(method, d, X, a, b)
        clusters[14 + k] = a + b
        assert size == len(a + b)


@pytest.mark.parametrize("method", ["weighted", "median"])
def test_rules_without_a_formula_over_items_follow_their_recursion(method, seed):
    X = rows(seed, 12, 2).numpy()
    d = {(i, j): np.linalg.norm(X[i] - X[j]) for i in range(12) for j in range(12)}
    live = set(range(12))
    for k, (a, b, height, _) in enumerate(linkage(torch.tensor(X), method)):
        a, b = int(a), int(b)
        assert height == pytest.approx(min(d[p] for p in itertools.combinations(sorted(live), 2)), abs=1e-12)
        live -= {a, b}
        for i in live:
            mean = (d[a, i] + d[b, i]) / 2
            square = (d[a, i] ** 2 + d[b, i] ** 2) / 2 - height**2 / 4
            d[12 + k, i] = d[i, 12 + k] = mean if method == "weighted" else np.sqrt(square)
        live.add(12 + k)


@pytest.mark.parametrize("method", ["complete", "average", "weighted"])
@pytest.mark.parametrize("name", METRICS)
def test_other_metrics_and_given_distances(method, name, seed):
    X = rows(seed, 40, 3)
    Z = linkage(X, method, metric(name))
    given = linkage(distances(X, X, metric(name)), method, None)
    np.testing.assert_allclose(Z[:, 2], given[:, 2], rtol=1e-9, atol=1e-12)
    assert is_valid_linkage(Z)


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("method", RULES)
def test_the_unit_of_length_does_not_matter(method, size, seed):
    X = rows(seed, 30, 3)
    Z, huge = linkage(X, method), linkage(X * size, method)
    np.testing.assert_allclose(huge[:, 2] / size, Z[:, 2], rtol=1e-9)
    np.testing.assert_array_equal(huge[:, [0, 1, 3]], Z[:, [0, 1, 3]])


def test_distances_beyond_the_range_are_refused():
    X = torch.tensor([[-1.7e308], [1.7e308]], dtype=torch.float64)
    for method in RULES:
        with pytest.raises(DataError, match="overflow"):
            linkage(X, method)


@pytest.mark.parametrize("method", RULES)
def test_equal_rows_join_at_zero(method):
    Z = linkage(torch.ones(5, 2, dtype=torch.float64), method)
    np.testing.assert_array_equal(Z[:, 2], 0)
    assert Z[-1, 3] == 5


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("N", "D"), [(2, 1), (3, 2), (65, 3), (200, 5)])
def test_all_distances_are_those_of_numerics(name, N, D, seed):
    X = rows(seed, N, D)
    W = all_distances(X, metric(name))
    torch.testing.assert_close(W, distances(X, X, metric(name)), rtol=1e-12, atol=1e-14)
    assert torch.equal(W, W.T)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("N", "D"), [(1, 1), (2, 1), (3, 2), (64, 2), (65, 3), (300, 4)])
def test_the_tree_is_as_short_as_scipys(name, N, D, seed):
    X = rows(seed, N, D)
    d = distances(X, X, metric(name))
    for tree in (minimum_spanning_tree(X, metric(name)), minimum_spanning_tree(d, None)):
        assert sorted(tree.order.tolist()) == list(range(N)) and len(tree.lengths) == N - 1
        ends = d[tree.sources, tree.order[1:]].numpy()
        np.testing.assert_allclose(ends, tree.lengths, rtol=1e-9, atol=1e-12)
        seen = {0}
        for source, item in zip(tree.sources.tolist(), tree.order[1:].tolist(), strict=True):
            assert source in seen
            seen.add(item)
        assert tree.lengths.sum() == pytest.approx(scipy_tree(d.numpy()).sum(), rel=1e-9)


@pytest.mark.parametrize("name", ["euclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_mutual_reachability_is_the_largest_of_three(name, alpha, seed):
    X = rows(seed, 80, 3)
    d = distances(X, X, metric(name))
    near = d.kthvalue(4, dim=1).indices
    core = d[torch.arange(80), near]
    reach = torch.maximum(torch.maximum(core[:, None], core), d / alpha).fill_diagonal_(0)
    for tree in (minimum_spanning_tree(X, metric(name), near, alpha), minimum_spanning_tree(d, None, near, alpha)):
        assert tree.lengths.sum() == pytest.approx(scipy_tree(reach.numpy()).sum(), rel=1e-9)
        np.testing.assert_allclose(reach[tree.sources, tree.order[1:]], tree.lengths, rtol=1e-9)


def test_equal_distances_are_taken_by_index():
    tree = minimum_spanning_tree(torch.tensor([[0.0], [1.0], [-1.0], [2.0]], dtype=torch.float64))
    assert tree.order.tolist() == [0, 1, 2, 3] and tree.lengths.tolist() == [1.0, 1.0, 1.0]
