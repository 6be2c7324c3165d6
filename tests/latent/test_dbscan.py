"""DBSCAN against its definition, written out over all pairs, and against scikit-learn's."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN as Reference
from sklearn.metrics import pairwise_distances

from peira.latent import DBSCAN
from peira.measures import adjusted_rand_score

METRICS = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "hamming", "precomputed"]


def rows(seed, N, D, name="euclidean"):
    rng = np.random.default_rng([seed, N, D])
    if name == "hamming":
        return rng.integers(0, 3, (N, D)).astype(float)
    X = rng.normal(size=(N, D))
    return pairwise_distances(X) if name == "precomputed" else X


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("N", "D"), [(1, 1), (2, 2), (3, 1), (80, 2), (150, 1), (150, 3), (100, 6)])
@pytest.mark.parametrize("eps", [0.05, 0.2, 0.6, 1.5])
def test_the_definition(name, N, D, eps, seed):
    X = rows(seed, N, D, name)
    w = np.random.default_rng(seed).integers(0, 3, N) + (np.arange(N) == 0)
    d = X if name == "precomputed" else pairwise_distances(X, metric=name)
    near = d <= eps
    for weights in (None, w.astype(float)):
        v = np.ones(N) if weights is None else weights
        core = (near @ v >= 4) & (v > 0)
        model = DBSCAN(eps, min_samples=4, metric=name).fit(X, sample_weight=weights)
        np.testing.assert_array_equal(model.core_sample_indices_, np.flatnonzero(core))
        parts = connected_components(near[np.ix_(core, core)])[1] if core.any() else np.zeros(0)
        assert adjusted_rand_score(parts, model.labels_[core]) == 1 if core.any() else (model.labels_ == -1).all()
        np.testing.assert_array_equal(model.labels_ >= 0, near[:, core].any(1))
        first = {k: np.flatnonzero(core & (model.labels_ == k))[0] for k in set(model.labels_[core].tolist())}
        for i in np.flatnonzero(~core & (model.labels_ >= 0)):
            within_reach = set(model.labels_[core & near[i]].tolist())
            assert model.labels_[i] == min(within_reach, key=first.get), "the cluster whose first core item comes first"


@pytest.mark.parametrize("D", [1, 2, 3, 5])
@pytest.mark.parametrize("eps", [0.1, 0.3, 0.8])
def test_the_clusters_are_scikit_learns(D, eps, seed):
    X = rows(seed, 400, D)
    w = np.random.default_rng(seed).uniform(0.5, 2.0, 400)
    for weights in (None, w):
        ours = DBSCAN(eps, min_samples=5).fit(X, sample_weight=weights)
        theirs = Reference(eps=eps, min_samples=5).fit(X, sample_weight=weights)
        np.testing.assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)
        np.testing.assert_array_equal(ours.labels_ < 0, theirs.labels_ < 0)
        assert adjusted_rand_score(theirs.labels_, ours.labels_) == 1


def test_the_numbers_do_not_depend_on_the_order(seed):
    X = np.concatenate([rows(seed, 40, 2) * 0.1 + c for c in ([0, 0], [3, 0], [0, 3], [5, 5])])
    order = np.random.default_rng(seed).permutation(len(X))
    model = DBSCAN(0.5, min_samples=3)
    np.testing.assert_array_equal(model.fit(X).labels_[order], DBSCAN(0.5, min_samples=3).fit(X[order]).labels_)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("size", [1e-150, 1.0, 1e150])
def test_the_unit_and_the_origin_do_not_matter(size, offset, seed):
    X = rows(seed, 200, 2).round(3) + offset
    labels = DBSCAN(0.2505).fit(X).labels_
    np.testing.assert_array_equal(DBSCAN(0.2505 * size).fit(X * size).labels_, labels)
    np.testing.assert_array_equal(DBSCAN(0.2505).fit(X - offset).labels_, labels)


def test_the_edge_belongs_to_the_neighbourhood():
    X = [[0.0], [0.5], [1.0], [1.5 + 1e-12]]
    assert DBSCAN(0.5, min_samples=2).fit(X).labels_.tolist() == [0, 0, 0, -1]
    grid = np.arange(40)[:, None] * 0.1  # gaps of 0.1, but for rounding either way
    labels = DBSCAN(0.1, min_samples=1).fit(grid).labels_
    np.testing.assert_array_equal(labels[1:] == labels[:-1], np.diff(grid[:, 0]) <= 0.1)


def test_equal_rows_and_an_empty_space():
    X = np.repeat([[0.0, 0.0], [1e9, -1e9]], 6, axis=0)
    assert DBSCAN(1e-6).fit(X).labels_.tolist() == [0] * 6 + [1] * 6
    assert DBSCAN(0.5, min_samples=7).fit(X).labels_.tolist() == [-1] * 12


def test_new_items_go_with_the_nearest_within_reach(seed):
    model = DBSCAN(1.1, min_samples=2).fit([[0.0], [1.0], [5.0], [6.0], [20.0]])
    assert model.predict([[1.9], [4.5], [20.0], [7.2]]).tolist() == [0, 1, -1, -1]
    assert DBSCAN(0.1).fit([[0.0], [5.0]]).predict([[0.0]]).tolist() == [-1]
