"""Fuzzy clusters: stationary, monotone, and exact where the answer is known."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from peira.latent import FuzzyCMeans, GustafsonKessel, KMeans
from peira.latent.fuzzy_memberships import fuzzy_pass, memberships
from peira.latent.gustafson_kessel import _degrees
from peira.measures import adjusted_rand_score


def definition(X, C, m):
    d = np.sqrt(((X[:, None] - C) ** 2).sum(-1))
    return 1 / ((d[:, :, None] / d[:, None]) ** (2 / (m - 1))).sum(-1)


def halves(history):
    return np.column_stack([history["inertia_assigned"], history["inertia_updated"]]).ravel()


@pytest.mark.parametrize("m", [1.05, 1.5, 2.0, 3.0, 20.0])
def test_memberships_are_those_of_the_definition(m, seed):
    rng = np.random.default_rng(seed)
    for N, D, K in ((1, 1, 1), (2, 1, 2), (3, 2, 3), (50, 4, 5)):
        X, C = rng.normal(size=(N, D)), rng.normal(size=(K, D))
        U = memberships(X, C, m)
        np.testing.assert_allclose(U, definition(X, C, m), rtol=1e-9)
        np.testing.assert_allclose(U.sum(1), 1.0, rtol=1e-14)
        d = torch.tensor(((X[:, None] - C) ** 2).sum(-1))
        np.testing.assert_allclose(_degrees(d, m).numpy(), U, rtol=1e-9)


def test_an_item_at_centres_belongs_to_these_alone():
    C = np.array([[0.0], [0.0], [5.0]])
    np.testing.assert_array_equal(memberships(np.array([[0.0], [5.0]]), C, 2.0), [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    d = torch.tensor([[0.0, 0.0, 25.0], [25.0, 25.0, 0.0]], dtype=torch.float64)
    np.testing.assert_array_equal(_degrees(d, 2.0).numpy(), [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("m", [1.3, 2.0])
def test_one_pass_is_what_the_formulas_say(m, seed):
    rng = np.random.default_rng(seed)
    X, w, C = rng.normal(size=(60, 3)), rng.uniform(size=60), rng.normal(size=(4, 3))
    X -= w @ X / w.sum()
    U = np.zeros((4, 60))
    J, after, change, new = fuzzy_pass(np.ascontiguousarray(X.T), w, C, m, U)
    V = w[:, None] * definition(X, C, m) ** m
    np.testing.assert_allclose(new, V.T @ X / V.sum(0)[:, None], rtol=1e-10)
    assert pytest.approx((V * ((X[:, None] - C) ** 2).sum(-1)).sum()) == J
    assert after == pytest.approx((V * ((X[:, None] - new) ** 2).sum(-1)).sum())
    assert change == pytest.approx(U.max())
    np.testing.assert_allclose(U.T, definition(X, C, m), rtol=1e-9)


@pytest.mark.parametrize("m", [1.2, 2.0, 3.0])
def test_the_gradient_is_zero_and_no_half_step_raises_the_objective(m, seed):
    rng = np.random.default_rng(seed)
    X = 3 * rng.normal(size=(3, 2))[rng.integers(3, size=150)] + rng.normal(size=(150, 2)) + 50
    w = rng.uniform(0.5, 2, 150)
    model = FuzzyCMeans(3, m=m, tol=1e-12, max_iter=5000, random_state=seed).fit(X, sample_weight=w)
    assert (np.diff(halves(model.history_)) <= 1e-9 * model.inertia_).all()
    C = torch.tensor(model.cluster_centers_, requires_grad=True)
    d = (torch.tensor(X)[:, None] - C).square().sum(-1)
    J = torch.tensor(w) @ (d ** (1 / (1 - m))).sum(1) ** (1 - m)  # the objective with the memberships eliminated
    assert J.item() == pytest.approx(model.inertia_, rel=1e-9)
    J.backward()
    assert float(C.grad.abs().max()) < 1e-6 * model.inertia_
    np.testing.assert_allclose(model.memberships_, model.memberships(X), rtol=1e-12)
    assert model.score(X, sample_weight=w) == pytest.approx(-model.inertia_, rel=1e-9)
    shares = w @ model.memberships_**2 / w.sum()
    assert model.partition_coefficient_ == pytest.approx(shares.sum())


def test_iris_gives_the_known_objective():
    model = FuzzyCMeans(3, tol=1e-12, max_iter=1000, random_state=0).fit(load_iris().data)
    assert model.inertia_ == pytest.approx(60.505711, abs=5e-7)
    assert model.partition_coefficient_ == pytest.approx(0.78340, abs=5e-6)


def test_near_one_it_is_k_means(seed):
    X = load_iris().data
    hard = KMeans(3, n_init=20, random_state=seed).fit(X)
    soft = FuzzyCMeans(3, m=1.001, init=hard.cluster_centers_).fit(X)
    assert soft.inertia_ == pytest.approx(hard.inertia_, rel=1e-3)
    np.testing.assert_array_equal(soft.labels_, hard.labels_)


def test_weights_are_repetitions(seed):
    rng = np.random.default_rng(seed)
    X, counts = rng.normal(size=(50, 2)), rng.integers(0, 3, 50)
    for cls in (FuzzyCMeans, GustafsonKessel):
        weighted = cls(2, m=1.4, random_state=seed, max_iter=5000).fit(X, sample_weight=counts)
        repeated = cls(2, m=1.4, random_state=seed, max_iter=5000).fit(np.repeat(X, counts, axis=0))
        np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, atol=1e-6)


def test_equal_first_centres_are_refused():
    with pytest.raises(ValueError, match="equal centres"):
        FuzzyCMeans(2, init=[[0.0], [0.0]]).fit([[0.0], [1.0], [2.0]])


def test_crossing_ellipses_need_a_metric_of_their_own(seed):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(150, 2)) * [5.0, 0.2]
    second = rng.normal(size=(150, 2)) * [0.2, 5.0]
    X, truth = np.vstack([first, second]), np.repeat([0, 1], 150)
    model = GustafsonKessel(2, random_state=seed).fit(X)
    assert adjusted_rand_score(truth, model.labels_) > 0.7
    assert adjusted_rand_score(truth, FuzzyCMeans(2, random_state=seed).fit(X).labels_) < 0.5
    np.testing.assert_allclose(np.linalg.det(model.norm_matrices_), 1.0, rtol=1e-8)
    assert (np.diff(model.history_["inertia"]) <= 1e-9 * model.inertia_).all()
    assert sum(model.history_["floored"]) == 0


def test_the_metric_follows_the_units_of_the_columns(seed):
    """With metrics of their own, clusters do not depend on any linear map of the columns, from the same memberships."""
    rng = np.random.default_rng(seed)
    X = 4 * rng.normal(size=(3, 2))[np.arange(120) % 3] + rng.normal(size=(120, 2))
    A = np.array([[2.0, 0.3], [0.0, 0.7]])
    start = X[:3]
    one = GustafsonKessel(3, init=start, m=1.5, tol=1e-10, max_iter=5000).fit(X)
    two = GustafsonKessel(3, init=start @ A, m=1.5, tol=1e-10, max_iter=5000).fit(X @ A)
    np.testing.assert_allclose(two.memberships_, one.memberships_, atol=1e-5)
    np.testing.assert_allclose(two.cluster_centers_, one.cluster_centers_ @ A, atol=1e-4)


def test_a_flat_cluster_is_reported():
    t = np.linspace(-1, 1, 20)
    X = np.vstack([np.c_[t, 0 * t], np.c_[0 * t, t + 9]])
    model = GustafsonKessel(2, random_state=0).fit(X)
    assert max(model.history_["floored"]) > 0 and np.isfinite(model.norm_matrices_).all()
    assert adjusted_rand_score(np.repeat([0, 1], 20), model.labels_) == 1.0
