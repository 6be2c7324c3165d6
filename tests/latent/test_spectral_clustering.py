"""Spectral clustering: parts of a graph, the normalised cut by brute force, shapes that k-means cannot see."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import make_circles

from peira.latent import SpectralClustering
from peira.latent.spectral_rounding import by_pivots, by_rotation
from peira.measures import adjusted_rand_score

ROUNDINGS = ["kmeans", "discretize", "cluster_qr"]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("affinity", ["rbf", "nearest_neighbors"])
def test_two_rings_are_two(rounding, affinity, seed):
    X, y = make_circles(300, noise=0.04, factor=0.5, random_state=seed)
    model = SpectralClustering(2, affinity=affinity, gamma=30.0, assign_labels=rounding, random_state=seed).fit(X)
    assert adjusted_rand_score(y, model.labels_) == 1
    np.testing.assert_array_equal(model.predict(X), model.labels_)


def normalised_cut(W, labels):
    return sum(W[np.ix_(labels == k, labels != k)].sum() / W[labels == k].sum() for k in set(labels.tolist()))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_clear_cut_is_the_least_of_all(rounding, seed):
    rng = np.random.default_rng(seed)
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    W = np.where(group[:, None] == group, rng.uniform(0.7, 1.0, (9, 9)), rng.uniform(0.0, 0.1, (9, 9)))
    W = (W + W.T) / 2
    labels = SpectralClustering(2, affinity="precomputed", assign_labels=rounding, random_state=0).fit(W).labels_
    every = [np.array([0, *rest]) for rest in itertools.product([0, 1], repeat=8) if any(rest)]
    assert normalised_cut(W, labels) == pytest.approx(min(normalised_cut(W, each) for each in every))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_parts_that_nothing_joins_are_the_clusters(rounding, seed):
    group = np.random.default_rng(seed).permutation(np.arange(60) % 4)
    W = (group[:, None] == group).astype(float)
    for given in (W, W * (1 - np.eye(60))):
        labels = (
            SpectralClustering(4, affinity="precomputed", assign_labels=rounding, random_state=0).fit(given).labels_
        )
        assert adjusted_rand_score(group, labels) == 1


@pytest.mark.parametrize("K", [1, 2, 5])
def test_rotated_indicators_are_found_again(K, seed):
    rng = np.random.default_rng(seed)
    group = np.r_[np.arange(K), rng.integers(0, K, 40)]
    U = np.eye(K)[group] @ np.linalg.qr(rng.normal(size=(K, K)))[0] * rng.uniform(0.5, 2.0, (len(group), 1))
    for rounding in (by_pivots, by_rotation):
        assert adjusted_rand_score(group, rounding(U)) == 1


@pytest.mark.parametrize("affinity", ["rbf", "nearest_neighbors"])
def test_few_items(affinity):
    for N in (1, 2, 3):
        X = np.arange(N)[:, None] * 1.0
        labels = SpectralClustering(1, affinity=affinity, assign_labels="cluster_qr").fit(X).labels_
        assert labels.tolist() == [0] * N
    with pytest.raises(ValueError, match="n_samples = 3"):
        SpectralClustering(4).fit(X)


def test_what_are_no_similarities_is_refused():
    model = SpectralClustering(2, affinity="precomputed")
    for W, words in (
        ([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2]], "square"),
        ([[1.0, -0.5], [-0.5, 1.0]], "least value -0.5"),
        ([[1.0, 0.5], [0.4, 1.0]], "symmetric"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(W)
    with pytest.raises(ValueError, match="needs n_components = n_clusters"):
        SpectralClustering(2, n_components=3, assign_labels="cluster_qr").fit(np.eye(4))
