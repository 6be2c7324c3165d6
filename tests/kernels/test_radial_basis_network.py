"""Radial basis networks: the readout by brute force, centres by Lloyd's rule."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from peira.kernels.radial_basis_network import RBFNetworkClassifier, RBFNetworkRegressor, _lloyd, _spacing


def basis(model, X):
    away = ((X[:, None] - model.centers_) ** 2).sum(2)
    return np.exp(-away / (2 * model.width_**2))


def test_the_readout_is_ridge_regression_on_the_basis_functions(seed):
    rng = np.random.default_rng(seed)
    X, Y, w = rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), rng.uniform(0.5, 2, 50)
    model = RBFNetworkRegressor(n_centers=8, alpha=0.3).fit(X, Y, w)
    Phi = basis(model, X)
    A = np.column_stack([np.ones(50), Phi])
    W = np.linalg.solve((A.T * w) @ A + 0.3 * np.diag([0.0] + [1.0] * 8), (A.T * w) @ Y)
    np.testing.assert_allclose(model.predict(X), A @ W, atol=1e-8)


def test_the_gradient_of_the_logistic_readout_is_zero(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 80)
    X = rng.normal(size=(80, 2)) + y[:, None]
    model = RBFNetworkClassifier(n_centers=6, alpha=0.5).fit(X, y)
    gap = model.predict_proba(X) - np.eye(3)[y]
    slope = basis(model, X).T @ gap + 0.5 * model.readout_.coef_.T
    assert np.abs(slope).max() < 0.05 and np.abs(gap.sum(0)).max() < 0.05


def test_centres_are_means_of_the_rows_nearest_to_them(seed):
    class Owner:
        max_iter = 500

    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(200, 2)))
    w = torch.tensor(rng.integers(1, 4, 200).astype(float))
    owner = Owner()
    C = _lloyd(owner, X, w, 5, rng)
    near = torch.cdist(X, C).argmin(1)
    means = torch.stack([(w[near == k] @ X[near == k]) / w[near == k].sum() for k in range(5)])
    assert float((means - C).abs().max()) < 0.1
    assert (np.diff(owner.history_["distortion"]) <= 1e-12).all()
    best = KMeans(5, n_init=10, random_state=0).fit(X.numpy(), sample_weight=w.numpy()).inertia_ / float(w.sum())
    assert owner.history_["distortion"][-1] < 1.5 * best


def test_the_spacing_is_the_mean_distance_to_the_nearest_other_centre():
    C = torch.tensor([[0.0], [1.0], [4.0]], dtype=torch.float64)
    assert _spacing(C) == pytest.approx((1 + 1 + 3) / 3)
    assert _spacing(C[:1]) == 1.0 == _spacing(C[:1].repeat(2, 1))


@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_rows_are_all_centres(seed, N):
    X = np.random.default_rng(seed).normal(size=(N, 2))
    model = RBFNetworkRegressor(alpha=1e-8).fit(X, np.arange(N))
    assert model.centers_.shape == (N, 2)
    np.testing.assert_allclose(model.predict(X), np.arange(N), atol=1e-3)


def test_many_centres_separate_what_no_plane_does(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(500, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    assert RBFNetworkClassifier(n_centers=30).fit(X, y).score(X, y) > 0.93
