"""Medians and medoids against all partitions and all choices, and mini-batches against their definition."""

from itertools import combinations, product

import numpy as np
import pytest
from sklearn.datasets import load_iris

from peira.latent import KMeans, KMedians, KMedoids, MiniBatchKMeans
from peira.measures import adjusted_rand_score


def manhattan(X, Y):
    return np.abs(X[:, None] - Y).sum(-1)


@pytest.mark.parametrize(("N", "K"), [(1, 1), (2, 1), (2, 2), (3, 2), (7, 3)])
def test_medians_reach_the_least_cost_of_all_partitions(N, K, seed):
    X = np.random.default_rng(seed).normal(size=(N, 2))
    least = min(
        sum(np.abs(X[r] - np.median(X[r], axis=0)).sum() for r in (np.equal(p, k) for k in set(p)))
        for p in product(range(K), repeat=N)
    )
    model = KMedians(K, n_init=30, random_state=seed).fit(X)
    assert model.inertia_ == pytest.approx(least, rel=1e-12, abs=1e-14)


def test_centres_are_medians_and_no_half_step_raises_the_cost(seed):
    rng = np.random.default_rng(seed)
    X, counts = rng.standard_t(1.5, size=(151, 3)), rng.integers(0, 4, 151)
    model = KMedians(4, random_state=seed).fit(X, sample_weight=counts)
    Y, labels = np.repeat(X, counts, axis=0), np.repeat(model.labels_, counts)
    for k in range(4):
        np.testing.assert_allclose(model.cluster_centers_[k], np.median(Y[labels == k], axis=0), atol=1e-12)
    steps = np.column_stack([model.history_["cost_assigned"], model.history_["cost_updated"]]).ravel()
    assert (np.diff(steps) <= 1e-9).all()
    np.testing.assert_array_equal(model.labels_, manhattan(X, model.cluster_centers_).argmin(1))
    assert model.inertia_ == pytest.approx(counts @ manhattan(X, model.cluster_centers_).min(1))
    np.testing.assert_allclose(model.transform(X), manhattan(X, model.cluster_centers_), rtol=1e-12)


def test_an_outlier_moves_a_mean_and_not_a_median():
    X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [13.0], [1e6]])
    model = KMedians(2, init=[[0.0], [12.0]]).fit(X)
    assert model.cluster_centers_[:, 0].tolist() == [1.0, 12.0]


@pytest.mark.parametrize("init", ["build", "k-medoids++", "random"])
@pytest.mark.parametrize(("N", "K"), [(1, 1), (2, 1), (2, 2), (3, 2), (9, 1), (12, 3), (14, 5)])
def test_no_single_swap_of_a_medoid_helps(init, N, K, seed):
    X = np.random.default_rng([seed, N, K]).normal(size=(N, 2))
    model = KMedoids(K, metric="manhattan", init=init, random_state=seed).fit(X)
    d, chosen = manhattan(X, X), model.medoid_indices_.tolist()
    assert model.inertia_ == pytest.approx(d[:, chosen].min(1).sum(), abs=1e-13)
    for i, x in product(range(K), range(N)):
        swapped = [*chosen[:i], x, *chosen[i + 1 :]]
        assert d[:, swapped].min(1).sum() >= model.inertia_ * (1 - 1e-9)
    np.testing.assert_array_equal(model.cluster_centers_, X[chosen])
    np.testing.assert_array_equal(model.labels_, d[:, chosen].argmin(1))


def test_medoids_of_separated_groups_are_the_best_of_all_choices(seed):
    rng = np.random.default_rng(seed)
    X = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 4, axis=0) + rng.normal(size=(12, 2))
    d = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    least = min(d[:, list(m)].min(1).sum() for m in combinations(range(12), 3))
    assert KMedoids(3, random_state=seed).fit(X).inertia_ == pytest.approx(least, rel=1e-12)


def test_given_distances_give_what_their_rows_give(seed):
    X = np.random.default_rng(seed).normal(size=(40, 3))
    d = np.sqrt(((X[:, None] - X) ** 2).sum(-1))
    rows, given = KMedoids(4, random_state=0).fit(X), KMedoids(4, metric="precomputed", random_state=0).fit(d)
    np.testing.assert_array_equal(rows.labels_, given.labels_)
    np.testing.assert_array_equal(rows.medoid_indices_, given.medoid_indices_)
    np.testing.assert_array_equal(rows.predict(X[:5]), given.predict(d[:5]))
    np.testing.assert_allclose(rows.transform(X[:5]), given.transform(d[:5]), atol=1e-12)


def test_distances_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"shape \(N, N\)"):
        KMedoids(1, metric="precomputed").fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"row 0, column 1 holds -1"):
        KMedoids(1, metric="precomputed").fit([[0.0, -1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="euclidean"):
        KMedoids(1, metric="euclid").fit(np.eye(3))
    for cls in (KMedians, KMedoids, MiniBatchKMeans):
        with pytest.raises(ValueError, match="n_samples=2 should be >= n_clusters=3"):
            cls(3).fit(np.eye(2))


def test_a_centre_is_the_mean_of_all_rows_that_it_was_given(seed):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(90, 2)), rng.uniform(0.5, 2, 90)
    model = MiniBatchKMeans(3, init=X[:3], reassignment_ratio=0.0)
    sums, weights = np.zeros((3, 2)), np.zeros(3)
    C = X[:3].copy()
    for part in np.split(np.arange(90), 6):
        model.partial_fit(X[part], sample_weight=w[part])
        codes = ((X[part][:, None] - C) ** 2).sum(-1).argmin(1)
        np.add.at(sums, codes, w[part][:, None] * X[part])
        np.add.at(weights, codes, w[part])
        C = np.where(weights[:, None] > 0, sums / np.maximum(weights, 1e-300)[:, None], C)
    order = np.argsort(model.cluster_centers_[:, 0])
    np.testing.assert_allclose(model.cluster_centers_[order], C[np.argsort(C[:, 0])], atol=1e-12)
    assert model.counts_.sum() == pytest.approx(w.sum()) and model.n_steps_ == 6


def test_batches_come_near_to_what_all_rows_give(seed):
    rng = np.random.default_rng(seed)
    X = 6 * rng.normal(size=(5, 4))[rng.integers(5, size=3000)] + rng.normal(size=(3000, 4))
    whole = KMeans(5, n_init=5, random_state=seed).fit(X)
    batches = MiniBatchKMeans(5, batch_size=200, n_init=5, random_state=seed).fit(X)
    assert batches.inertia_ < 1.05 * whole.inertia_
    assert batches.inertia_ == pytest.approx(-batches.score(X), rel=1e-10)
    assert batches.n_steps_ < 1500 and batches.stopped_ == "no improvement"


def test_a_centre_that_is_given_no_rows_is_moved(seed):
    X = np.random.default_rng(seed).normal(size=(300, 2))
    start = np.vstack([X[:3], [[500.0, 500.0]]])
    model = MiniBatchKMeans(4, init=start, batch_size=50, random_state=seed).fit(X)
    assert sum(model.history_["reassigned"]) >= 1 and set(model.labels_.tolist()) == {0, 1, 2, 3}


def test_species_of_iris_are_found_by_all():
    X, species = load_iris(return_X_y=True)
    for model in (KMedians(3, n_init=10, random_state=0), KMedoids(3), MiniBatchKMeans(3, n_init=10, random_state=0)):
        assert adjusted_rand_score(species, model.fit(X).labels_) > 0.65
